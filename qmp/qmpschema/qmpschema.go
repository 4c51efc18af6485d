// Package qmpschema asks a server for its schema, query-qmp-schema, and compares requests with it before
// they are sent: which parts of them does this QEMU not have?
//
//	missing, err := qmpschema.Missing(ctx, client,
//		qemu.BlockdevAdd{Active: new(false), Branch: &qemu.BlockdevOptionsRaw{}},
//		qemu.QueryStats{},
//	)
//	…
//	fmt.Println(missing) // [blockdev-add/arg-type/active query-stats] for QEMU 5.2
//
// [Missing] answers that for a list of requests, at the start of a program, and [MissingIn] does without a
// server. [Checked] compares each command of a client.
//
// [Query] returns the schema, of which any path can be asked:
//
//	schema, err := qmpschema.Query(ctx, client)
//	…
//	has, err := schema.Has(qemu.FeatureBlockdevOptionsFileDynamicAutoReadOnly)
//
// A server's schema does not change while it runs, so a client's server is asked once. The answer is 200
// to 350 KB, for which a QEMU needs 20 ms. After that, comparing a request takes about 10 µs.
package qmpschema

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"weak"

	"github.com/qmpkit/qmpkit/qapi/introspect"
	"github.com/qmpkit/qmpkit/qmp"
)

// Query returns the schema of the server at the other end of x. If x is a [*qmp.Client] or a
// [*CheckedClient], the server is asked once, and the answer is kept as long as the client: several
// goroutines that ask at the same time wait for one answer, each until its own context ends. Others are
// asked every time.
//
// An error is not kept. It is that of the command, or the one of what is no schema
// ([*introspect.ReadError]).
func Query(ctx context.Context, x qmp.Executor) (*introspect.Schema, error) {
	if checked, ok := x.(*CheckedClient); ok {
		x = checked.Client
	}
	c, ok := x.(*qmp.Client)
	if !ok {
		return ask(ctx, x)
	}
	a := answerOf(c)
	select {
	case a.turn <- struct{}{}:
		defer func() { <-a.turn }()
	case <-ctx.Done():
		return nil, fmt.Errorf("qmpschema: another goroutine's query-qmp-schema is not answered: %w", ctx.Err())
	}
	if a.schema == nil {
		schema, err := ask(ctx, c)
		if err != nil {
			return nil, err
		}
		a.schema = schema
	}
	return a.schema, nil
}

func ask(ctx context.Context, x qmp.Executor) (*introspect.Schema, error) {
	array, err := qmp.Raw{Command: "query-qmp-schema"}.Do(ctx, x)
	if err != nil {
		return nil, err
	}
	return introspect.Read(array)
}

// An answer is that of a client's server, once it was asked.
type answer struct {
	turn   chan struct{} // holds an element while somebody asks or looks
	schema *introspect.Schema
}

// answers holds them by client, without keeping the clients.
var answers sync.Map // of weak.Pointer[qmp.Client] to *answer

func answerOf(c *qmp.Client) *answer {
	key := weak.Make(c)
	if a, ok := answers.Load(key); ok {
		return a.(*answer)
	}
	a, there := answers.LoadOrStore(key, &answer{turn: make(chan struct{}, 1)})
	if !there {
		runtime.AddCleanup(c, func(key weak.Pointer[qmp.Client]) { answers.Delete(key) }, key)
	}
	return a.(*answer)
}
