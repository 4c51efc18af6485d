package qmpschema

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"

	"github.com/qmpkit/qmpkit/qapi/introspect"
	"github.com/qmpkit/qmpkit/qmp"
)

// Missing returns what the server at the other end of x does not have of what a program needs, before
// anything is sent. It asks for the schema as [Query] does. A need is one of these:
//   - a request: a generated type such as qemu.BlockdevAdd, a [qmp.Raw], or a pointer to one. Missing
//     looks at the command and at all that the request sends.
//   - a request that is the zero value of its type: Missing looks at the command alone.
//   - a string: a path for [introspect.Schema.Has], which can be the name of a command or an event, or
//     a constant such as qemu.FeatureDeviceAddJSONCLIHotplug.
//
// What is missing is described by paths, in the order of the needs, each once:
//
//	block-export-add                                    there is no such command
//	blockdev-add/arg-type/+file/drop-cache              no such member, here of the branch file
//	blockdev-add/arg-type/driver/^io_uring              no such value, here of a discriminator
//	block-export-add/arg-type/+fuse/allow-other/!int    the member takes no values of this JSON type
//
// Missing answers whether the server has something, not whether it would execute the request. It does not
// report:
//   - mandatory members that are not set, and empty enum values;
//   - members of a branch whose discriminator the server does not have, or that is not set;
//   - what the schema does not type: the values of a type any, the properties of device_add and, up to
//     QEMU 5.2, of object-add;
//   - integers that are too great for their type: the schema has no ranges.
//
// If the server lacks a member of a union with a branch, the schema does not tell whether newer servers
// have it in the branch. The path is right for generated types. For a member of a [qmp.Raw] or an Args it
// is always the branch's.
//
// The error is that of Query, the [*qmp.EncodeError] of a request that cannot be sent, or says that a need
// is none or that a path is malformed.
func Missing(ctx context.Context, x qmp.Executor, needs ...any) ([]string, error) {
	schema, err := Query(ctx, x)
	if err != nil {
		return nil, err
	}
	return MissingIn(schema, needs...)
}

// MissingIn is [Missing] for a server with the given schema, which may have been captured from one.
func MissingIn(schema *introspect.Schema, needs ...any) ([]string, error) {
	var all []string
	for _, need := range needs {
		missing, err := missingNeed(schema, need)
		if err != nil {
			return nil, err
		}
		for _, path := range missing {
			if !slices.Contains(all, path) {
				all = append(all, path)
			}
		}
	}
	return all, nil
}

func missingNeed(schema *introspect.Schema, need any) ([]string, error) {
	if path, ok := need.(string); ok {
		if has, err := schema.Has(path); has || err != nil {
			return nil, err
		}
		return []string{path}, nil
	}
	call, err := callOf(need)
	if err != nil {
		return nil, err
	}
	return missingOf(schema, call)
}

// callOf returns the call of a request, without arguments if the request is zero. It executes the request
// without sending it. Requests have no interface in common, since Do returns a command's result.
func callOf(request any) (*qmp.Call, error) {
	v := reflect.Indirect(reflect.ValueOf(request))
	if !v.IsValid() {
		return nil, fmt.Errorf("qmpschema: need is a nil %T", request)
	}
	do := v.MethodByName("Do")
	if !do.IsValid() || !isDo(do.Type()) {
		return nil, fmt.Errorf("qmpschema: need is a %T, which is neither a request nor a path", request)
	}
	var r recorder
	do.Call([]reflect.Value{reflect.ValueOf(context.Background()), reflect.ValueOf(&r)})
	if r.call == nil || r.call.Command == "" {
		return nil, fmt.Errorf("qmpschema: need is a %T without a command", request)
	}
	if v.IsZero() {
		r.call.Args = nil
	}
	return r.call, nil
}

// isDo reports whether a method takes what Do of a request takes.
func isDo(method reflect.Type) bool {
	do := reflect.TypeFor[func(context.Context, qmp.Executor, ...qmp.CallOption)]()
	return method.IsVariadic() && slices.Equal(slices.Collect(method.Ins()), slices.Collect(do.Ins()))
}

// A recorder is an Executor that keeps the call.
type recorder struct{ call *qmp.Call }

var errRecorded = errors.New("qmpschema: not executed")

func (r *recorder) Execute(_ context.Context, call *qmp.Call) error {
	r.call = call
	return errRecorded
}
