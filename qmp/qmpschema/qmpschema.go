// Package qmpschema asks a server for its schema (query-qmp-schema) and finds the parts of requests that
// the server does not have, before the requests are sent.
//
//	missing, err := qmpschema.Missing(ctx, client,
//		qemu.BlockdevAdd{Active: new(false), Driver: "file", Branch: &qemu.BlockdevOptionsFile{}},
//		qemu.QueryStats{},
//	)
//	…
//	fmt.Println(missing) // [blockdev-add/arg-type/active query-stats] for QEMU 5.2
//
// Call [Missing] with a list of requests when the program starts. [MissingIn] compares with a schema
// instead of a server. [Checked] makes a client that compares each command before it sends it.
//
// [Query] returns the schema. Ask it for any path:
//
//	schema, err := qmpschema.Query(ctx, client)
//	…
//	has, err := schema.Has(qemu.FeatureBlockdevOptionsFileDynamicAutoReadOnly)
//
// A server's schema does not change while it runs, so Query asks once for each connection. The answer is 200
// to 350 KB, for which QEMU needs 20 ms. After that, comparing a request takes about 10 µs.
package qmpschema

import (
	"context"
	"fmt"

	"github.com/qmpkit/qmpkit/internal/wait"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/introspect"
)

// Query returns the schema of the server at the other end of x.
//
// Query asks the server once for each connection and stores the answer in the [qmp.Server] that
// [qmp.ServerOf] returns. If several goroutines call Query at the same time, one sends the command and the
// others wait for its answer until their own contexts end. If [qmp.ServerOf] returns nil, Query asks every
// time.
//
// Query does not store errors. It returns the error of the command, or an [*introspect.ReadError] if
// the answer is not a schema.
func Query(ctx context.Context, x qmp.Executor) (*introspect.Schema, error) {
	server := qmp.ServerOf(x)
	if server == nil {
		return ask(ctx, x)
	}
	answer := server.Keep(key{}, func() any { return new(wait.Answer[*introspect.Schema]) }).(*wait.Answer[*introspect.Schema])
	asked := false
	schema, err := answer.Get(ctx, func() (*introspect.Schema, error) {
		asked = true
		return ask(ctx, x)
	})
	if err != nil && !asked {
		return nil, fmt.Errorf("qmpschema: no answer yet to another goroutine's query-qmp-schema: %w", err)
	}
	return schema, err
}

// key is that of the schema in [qmp.Server.Keep].
type key struct{}

func ask(ctx context.Context, x qmp.Executor) (*introspect.Schema, error) {
	array, err := qmp.Raw{Command: "query-qmp-schema"}.Do(ctx, x)
	if err != nil {
		return nil, err
	}
	return introspect.Read(array)
}
