package qmpschema

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"

	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/introspect"
)

// Missing compares the needs of a program with the schema of the server at the other end of x, and
// returns the needs that the server does not have. It asks for the schema as [Query] does, and sends
// no other command. A need is one of these:
//   - a request: a generated type such as qemu.BlockdevAdd, a [qmp.Raw], or a pointer to one. Missing
//     checks the command and each member and value that the request sends.
//   - a request that is the zero value of its type: Missing checks the command alone.
//   - a string: a path for [introspect.Schema.Has], which may be the name of a command or an event, or
//     a constant such as qemu.FeatureDeviceAddJSONCLIHotplug.
//
// The result has a path for each thing that is missing, in the order of the needs. It is empty if the
// server has everything.
//
//	block-export-add                                there is no such command
//	blockdev-add/arg-type/+file/drop-cache          no such member, here of the branch file
//	blockdev-add/arg-type/driver/^io_uring          no such value, here of a discriminator
//	block-export-add/arg-type/iothread/!array       the member takes no values of this JSON type
//
// A server that has everything can still refuse the request. Missing does not report:
//   - mandatory members and enums that the request leaves empty;
//   - members of a branch if the discriminator is not set, or if the server does not have its value;
//   - values without a type in the schema: those of the type any, the properties of device_add and,
//     up to QEMU 5.2, those of object-add;
//   - integers outside the range of their type: the schema has no ranges.
//
// If a union does not have a member, the path names the branch ("+file/drop-cache") in two cases:
// the type of the request has the member in its branch, or the member is in Args. Otherwise the
// path does not name a branch.
//
// Missing returns an error if:
//   - [Query] fails.
//   - a request cannot be encoded: a [*qmp.EncodeError]. For example, a request is not zero, and its
//     discriminator or a mandatory alternate is not set. Fill them in, or give the path instead.
//   - a path is malformed: the error matches [introspect.ErrQuery].
//   - a need is of another type.
func Missing(ctx context.Context, x qmp.Executor, needs ...any) ([]string, error) {
	schema, err := Query(ctx, x)
	if err != nil {
		return nil, err
	}
	return MissingIn(schema, needs...)
}

// MissingIn is like [Missing], but compares with the given schema, such as one that was recorded
// from a server.
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
		return nil, fmt.Errorf("qmpschema: the need is a nil %T", request)
	}
	do := v.MethodByName("Do")
	if !do.IsValid() || !isDo(do.Type()) {
		return nil, fmt.Errorf("qmpschema: the need is a %T: want a request or a path", request)
	}
	var r recorder
	do.Call([]reflect.Value{reflect.ValueOf(context.Background()), reflect.ValueOf(&r)})
	if r.call == nil || r.call.Command == "" {
		return nil, fmt.Errorf("qmpschema: the need is a %T without a command", request)
	}
	if v.IsZero() {
		r.call.Args = nil
	}
	return r.call, nil
}

// isDo reports whether a method has the parameters of a request's Do.
func isDo(method reflect.Type) bool {
	do := reflect.TypeFor[func(context.Context, qmp.Executor, ...qmp.CallOption)]()
	return method.IsVariadic() && method.NumIn() == 3 &&
		method.In(0) == do.In(0) && method.In(1) == do.In(1) && method.In(2) == do.In(2)
}

// A recorder is an Executor that keeps the call.
type recorder struct{ call *qmp.Call }

var errRecorded = errors.New("qmpschema: not executed")

func (r *recorder) Execute(_ context.Context, call *qmp.Call) error {
	r.call = call
	return errRecorded
}
