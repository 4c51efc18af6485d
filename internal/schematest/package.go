package schematest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"unicode"

	"github.com/qmpkit/qmpkit/qapi"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/wire"
)

// Package is a generated package and the schema that it was generated from.
type Package struct {
	Schema *qapi.Schema

	// Types holds the package's exported types, but for interfaces.
	Types []reflect.Type

	// DecodeEvent is the function of that name; nil if the schema has no events.
	DecodeEvent func(qmp.RawEvent) (qmp.EventData, error)

	// Unsent holds the value that decoding gives the discriminator of a union if a server did not
	// send it, by the name of the union; those that get a RawBranch are not in it.
	Unsent map[string]string

	// Secrets holds the members that String hides.
	Secrets []Secret

	// SecretInText holds the commands that have String although they hold no secret member: they may have a
	// secret in the midst of a text.
	SecretInText map[string]bool
}

// Secret is a member of a type, or of the arguments of a command.
type Secret struct{ Owner, Member string }

// The interfaces that show the methods of a type.
var (
	marshaler    = reflect.TypeFor[json.Marshaler]()
	unmarshaler  = reflect.TypeFor[json.Unmarshaler]()
	stringer     = reflect.TypeFor[fmt.Stringer]()
	valueEncoder = reflect.TypeFor[wire.ValueEncoder]()
	eventData    = reflect.TypeFor[qmp.EventData]()
	valueDecoder = reflect.TypeFor[wire.ValueDecoder]()
)

// bindings is the way from definitions of a schema to Go types.
type bindings struct {
	*Package
	byName    map[string]reflect.Type // by the Go name, as squash makes it
	requests  map[string]string       // the argument types that are merged with a command, by its squashed name; "" if there is none
	commands  map[string]reflect.Type // by the command's name
	events    map[string]reflect.Type // by the event's name
	rawBranch reflect.Type
	secrets   map[Secret]bool
	needs     needs
}

// bind finds out which Go type is whose. Commands and events say so themselves. A type has its name in
// the schema but for case, with the suffix Result if a command has that name.
func bind(p *Package) (*bindings, error) {
	b := &bindings{
		Package:  p,
		byName:   map[string]reflect.Type{},
		requests: map[string]string{},
		commands: map[string]reflect.Type{},
		events:   map[string]reflect.Type{},
		secrets:  map[Secret]bool{},
	}
	for _, t := range p.Types {
		name := squash(t.Name())
		if other := b.byName[name]; other != nil {
			return nil, fmt.Errorf("%s and %s differ in case only", other, t)
		}
		b.byName[name] = t
		if _, ok := t.MethodByName("Do"); ok {
			name, err := commandName(t)
			if err != nil {
				return nil, err
			}
			if other := b.commands[name]; other != nil {
				return nil, fmt.Errorf("%s and %s are both the command %s", other, t, name)
			}
			b.commands[name] = t
		}
		if reflect.PointerTo(t).Implements(eventData) {
			b.events[reflect.New(t).Interface().(qmp.EventData).EventName()] = t
		}
	}
	for _, c := range p.Schema.Commands() {
		arg := ""
		if c.Arg != nil && squash(c.Arg.TypeName()) == squash(c.Name) {
			arg = c.Arg.TypeName()
		}
		b.requests[squash(c.Name)] = arg
	}
	b.rawBranch = b.byName["rawbranch"]
	for _, s := range p.Secrets {
		b.secrets[s] = true
	}
	b.needs = b.findNeeds()
	return b, nil
}

// executor is an Executor made of a function.
type executor func(call *qmp.Call) error

func (x executor) Execute(_ context.Context, call *qmp.Call) error { return x(call) }

// commandName asks a request type which command it is.
func commandName(t reflect.Type) (string, error) {
	var name string
	stop := errors.New("the executor's own")
	_, err := execute(reflect.Zero(t), func(call *qmp.Call) error {
		name = call.Command
		return stop
	})
	if err != stop {
		return "", fmt.Errorf("%s: Do returns %v, not what Execute returned", t, err)
	}
	return name, nil
}

// execute calls Do of a request. The result is not valid if Do returns none.
func execute(request reflect.Value, x executor) (result reflect.Value, err error) {
	out := request.MethodByName("Do").Call([]reflect.Value{
		reflect.ValueOf(context.Background()), reflect.ValueOf(x),
	})
	err, _ = out[len(out)-1].Interface().(error)
	if len(out) > 1 {
		result = out[0]
	}
	return result, err
}

// squash is what a name of the schema and the Go name for it have in common.
func squash(name string) string {
	return strings.ToLower(strings.Map(func(r rune) rune {
		if !unicode.IsLetter(r) && !unicode.IsDigit(r) {
			return -1
		}
		return r
	}, strings.TrimPrefix(name, "q_obj_")))
}

var builtins = map[string]reflect.Type{
	"str":    reflect.TypeFor[string](),
	"number": reflect.TypeFor[float64](),
	"int":    reflect.TypeFor[int64](),
	"int8":   reflect.TypeFor[int8](),
	"int16":  reflect.TypeFor[int16](),
	"int32":  reflect.TypeFor[int32](),
	"int64":  reflect.TypeFor[int64](),
	"uint8":  reflect.TypeFor[uint8](),
	"uint16": reflect.TypeFor[uint16](),
	"uint32": reflect.TypeFor[uint32](),
	"uint64": reflect.TypeFor[uint64](),
	"size":   reflect.TypeFor[uint64](),
	"bool":   reflect.TypeFor[bool](),
	"any":    reflect.TypeFor[qmp.RawJSON](),
	"null":   reflect.TypeFor[qmp.Null](),
	"QType":  reflect.TypeFor[string](),
}

// goType is the Go type for a type of the schema, nil if the package has none.
func (b *bindings) goType(t qapi.Type) reflect.Type {
	switch t := t.(type) {
	case *qapi.Array:
		if elem := b.goType(t.Element); elem != nil {
			return reflect.SliceOf(elem)
		}
		return nil
	case *qapi.Builtin:
		return builtins[t.TypeName()]
	}
	if t, ok := builtins[t.TypeName()]; ok {
		return t
	}
	name := squash(t.TypeName())
	if arg, taken := b.requests[name]; taken && arg != t.TypeName() {
		name += "result"
	}
	return b.byName[name]
}
