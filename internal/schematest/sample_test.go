package schematest

import (
	"context"
	"reflect"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/qapi"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/wire"
)

// sampleSchema is the schema of the types below, which are written by hand as if they were
// generated.
const sampleSchema = `
{ 'pragma': { 'command-returns-exceptions': ['pick'] } }
{ 'enum': 'Kind', 'data': ['a', 'b', 'c', 'none'] }
{ 'struct': 'Item', 'data': { 'id': 'str', '*size': 'uint8', 'tags': ['str'], '*key': 'str' } }
{ 'struct': 'Extra', 'data': { 'x': 'any', '*y': 'number' } }
{ 'union': 'Choice', 'base': { 'kind': 'Kind', '*id': 'int' }, 'discriminator': 'kind',
  'data': { 'a': 'Extra', 'b': 'Extra', 'c': 'Named' } }
{ 'struct': 'Named', 'data': { 'name': 'str' } }
{ 'alternate': 'Either', 'data': { 's': 'str', 'i': 'Item', 'n': 'null' } }
{ 'command': 'pick', 'data': 'Choice', 'boxed': true, 'returns': ['Either'], 'allow-oob': true }
{ 'event': 'PICKED', 'data': { 'what': 'Kind', '*choice': 'Choice' } }
`

// fault is the mistake that the code below makes.
var fault string

// changes counts what one of them does.
var changes int

type Kind string

type Item struct {
	ID   string   `json:"id"`
	Size *uint8   `json:"size,omitzero"`
	Tags []string `json:"tags"`
	Key  *string  `json:"key,omitzero"`
}

func (v *Item) MarshalMembers(e *wire.Encoder) {
	if fault == "a member has another name" {
		e.Name("ident").String(v.ID)
	} else {
		e.Name("id").String(v.ID)
	}
	if v.Size != nil && fault != "an optional member is not sent" {
		e.Name("size").Uint(uint64(*v.Size))
	}
	if v.Tags != nil || fault != "a mandatory array is left out" {
		e.Name("tags").BeginArray()
		for _, tag := range v.Tags {
			e.Elem().String(tag)
		}
		e.EndArray()
	}
	if v.Key != nil {
		if fault == "a secret is shown" {
			e.Name("key").String(*v.Key)
		} else {
			e.Name("key").Secret(*v.Key)
		}
	}
}

func (v *Item) DecodeMember(d *wire.Decoder, name []byte) int {
	switch string(name) {
	case "id":
		v.ID = d.String()
		return 1
	case "size":
		if fault == "an integer wraps around" {
			v.Size = new(uint8(d.Uint64()))
		} else {
			v.Size = new(d.Uint8())
		}
		return 2
	case "tags":
		if fault != "an empty array is nil" {
			v.Tags = []string{}
		}
		for ok := d.Array(); ok; ok = d.More() {
			v.Tags = append(v.Tags, d.String())
		}
		return 3
	case "key":
		if fault == "a received member is forgotten" {
			return 0
		}
		v.Key = new(d.String())
		if fault == "the number of a member changes" {
			changes++
			return 4 + changes%32
		}
		return 4
	default:
		if fault == "an unknown member is an error" {
			d.Fail("unknown")
		}
	}
	return 0
}

func (v Item) MarshalJSON() ([]byte, error) { return qmp.Marshal(&v) }
func (v *Item) UnmarshalJSON(text []byte) error {
	if fault != "what was there before stays" {
		*v = Item{}
	}
	return qmp.Unmarshal(text, v)
}
func (v Item) String() string { return qmp.Format(&v) }

type Extra struct {
	X qmp.RawJSON `json:"x"`
	Y *float64    `json:"y,omitzero"`
}

func (v *Extra) EncodeMembers(e *wire.Encoder) {
	e.Name("x").Raw(v.X)
	if v.Y != nil {
		e.Name("y").Float(*v.Y)
	}
}

func (v *Extra) DecodeMember(d *wire.Decoder, name []byte) int {
	switch string(name) {
	case "x":
		v.X = d.Raw()
		return 1
	case "y":
		v.Y = new(d.Float64())
		return 2
	}
	return 0
}

func (v Extra) MarshalJSON() ([]byte, error) { return qmp.Marshal(&v) }
func (v *Extra) UnmarshalJSON(text []byte) error {
	*v = Extra{}
	return qmp.Unmarshal(text, v)
}
func (v Extra) String() string { return qmp.Format(&v) }

type Named struct {
	Name string `json:"name"`
}

func (v *Named) EncodeMembers(e *wire.Encoder) { e.Name("name").String(v.Name) }

func (v *Named) DecodeMember(d *wire.Decoder, name []byte) int {
	if string(name) != "name" {
		return 0
	}
	v.Name = d.String()
	return 1
}

type RawBranch struct{ Members qmp.Args }

func (b *RawBranch) EncodeMembers(e *wire.Encoder) { b.Members.EncodeMembers(e) }

func (b *RawBranch) DecodeMember(d *wire.Decoder, name []byte) int {
	return b.Members.UnmarshalMember(d, name)
}

type Choice struct {
	Kind   Kind   `json:"kind"`
	ID     *int64 `json:"id,omitzero"`
	Branch ChoiceBranch
}

type ChoiceBranch interface {
	wire.MemberEncoder
	wire.MemberDecoder
	isChoiceBranch()
}

func (*Extra) isChoiceBranch()     {}
func (*Named) isChoiceBranch()     {}
func (*RawBranch) isChoiceBranch() {}

func (v *Choice) EncodeMembers(e *wire.Encoder) {
	tag := string(v.Kind)
	switch b := v.Branch.(type) {
	case *Extra:
		if fault == "a type serves one branch only" {
			tag = e.Tag(tag, b == nil, "a")
		} else {
			tag = e.Tag(tag, b == nil, "a", "b")
		}
	case *RawBranch:
		tag = e.Tag(tag, b == nil)
	case *Named:
		if fault == "a wrong discriminator is sent" {
			tag = e.Tag(tag, b == nil)
		} else {
			tag = e.Tag(tag, b == nil, "c")
		}
	}
	e.Discriminator("kind", tag)
	if v.ID != nil {
		e.Name("id").Int(*v.ID)
	}
	if v.Branch != nil && e.OK() {
		v.Branch.EncodeMembers(e)
	}
}

func (v *Choice) DecodeMember(d *wire.Decoder, name []byte) int {
	switch string(name) {
	case "kind":
		v.Kind = Kind(d.Enum())
		if fault == "the discriminator has to come first" {
			v.Branch = v.newBranch()
		}
		return 1
	case "id":
		v.ID = new(d.Int64())
		return 2
	default:
		if fault == "the discriminator has to come first" && v.Branch != nil && v.Branch.DecodeMember(d, name) != 0 {
			return wire.Unnumbered
		}
	}
	return 0
}

func (v *Choice) Discriminator() (string, int) {
	if fault == "the discriminator has to come first" {
		return "the kind, which is not looked for", 3
	}
	return "kind", 1
}

func (v *Choice) DecodeBranch() wire.MemberDecoder {
	if fault == "the discriminator has to come first" {
		return nil
	}
	v.Branch = v.newBranch()
	return v.Branch
}

func (v *Choice) newBranch() ChoiceBranch {
	switch v.Kind {
	case "":
		if fault == "members without a discriminator are lost" {
			return nil
		}
	case "a", "b":
		return new(Extra)
	case "c":
		return new(Named)
	case "none":
		return nil
	}
	if fault == "an unknown branch is dropped" {
		return nil
	}
	return new(RawBranch)
}

func (v Choice) MarshalJSON() ([]byte, error) { return qmp.Marshal(&v) }
func (v *Choice) UnmarshalJSON(text []byte) error {
	*v = Choice{}
	return qmp.Unmarshal(text, v)
}
func (v Choice) String() string { return qmp.Format(&v) }

type Either struct {
	S     *string
	I     *Item
	N     *qmp.Null
	Other qmp.RawJSON
}

func (v *Either) EncodeValue(e *wire.Encoder) {
	switch {
	case v.S != nil && (v.I == nil && v.N == nil && v.Other == nil || fault == "two alternatives are sent as one"):
		e.String(*v.S)
	case v.I != nil && v.S == nil && v.N == nil && v.Other == nil:
		e.Marshal(v.I)
	case v.N != nil && v.S == nil && v.I == nil && v.Other == nil:
		e.Null()
	case v.Other != nil && v.S == nil && v.I == nil && v.N == nil:
		e.Raw(v.Other)
	default:
		e.Fail("exactly one of S, I, N, Other must be set")
	}
}

func (v *Either) DecodeValue(d *wire.Decoder) {
	*v = Either{}
	switch d.Kind() {
	case wire.KindString:
		v.S = new(d.String())
	case wire.KindObject:
		v.I = new(Item)
		d.Object(v.I)
	case wire.KindNull:
		d.Null()
		if fault != "null is the same as nothing" {
			v.N = new(qmp.Null)
		}
	case wire.KindNumber:
		if fault == "there is a panic" {
			panic("a number")
		}
		v.Other = d.Raw()
	default:
		if fault == "a value of another kind is lost" {
			d.Skip()
			return
		}
		v.Other = d.Raw()
	}
}

func (v Either) MarshalJSON() ([]byte, error)     { return qmp.Marshal(&v) }
func (v *Either) UnmarshalJSON(text []byte) error { return qmp.Unmarshal(text, v) }
func (v Either) String() string                   { return qmp.Format(&v) }

type Pick Choice

func (r *Pick) EncodeMembers(e *wire.Encoder)   { (*Choice)(r).EncodeMembers(e) }
func (r Pick) MarshalJSON() ([]byte, error)     { return qmp.Marshal(&r) }
func (r *Pick) UnmarshalJSON(text []byte) error { return (*Choice)(r).UnmarshalJSON(text) }
func (r Pick) String() string                   { return qmp.Format(&r) }

func (r Pick) Do(ctx context.Context, x qmp.Executor, opts ...qmp.CallOption) ([]Either, error) {
	var v []Either
	call := &qmp.Call{
		Command:  "pick",
		Args:     (*Choice)(&r),
		AllowOOB: fault != "a flag of a command is lost",
		Result: func(d *wire.Decoder) {
			v = []Either{}
			for ok := d.Array(); ok; ok = d.More() {
				v = append(v, Either{})
				v[len(v)-1].DecodeValue(d)
			}
		},
	}
	err := qmp.Do(ctx, x, call, opts)
	if fault == "a result is lost" {
		v = nil
	}
	return v, err
}

type PickedEvent struct {
	What   Kind    `json:"what"`
	Choice *Choice `json:"choice,omitzero"`
}

func (v *PickedEvent) DecodeMember(d *wire.Decoder, name []byte) int {
	switch string(name) {
	case "what":
		v.What = Kind(d.Enum())
		return 1
	case "choice":
		v.Choice = new(Choice)
		d.Object(v.Choice)
		return 2
	}
	return 0
}

func (*PickedEvent) EventName() string { return "PICKED" }

func decodeEvent(raw qmp.RawEvent) (qmp.EventData, error) {
	if raw.Name != "PICKED" || fault == "an event is not in the table" {
		return nil, qmp.ErrUnknownEvent
	}
	v := new(PickedEvent)
	return v, qmp.DecodeEventData(raw.Data, v)
}

// sample is the package that these types make.
func sample(t testing.TB) *Package {
	fsys := fstest.MapFS{"schema.json": &fstest.MapFile{Data: []byte(sampleSchema)}}
	schema, err := qapi.LoadFS(fsys, "schema.json", nil)
	require.NoError(t, err)
	return &Package{
		Schema: schema,
		Types: []reflect.Type{
			reflect.TypeFor[Kind](), reflect.TypeFor[Item](), reflect.TypeFor[Extra](),
			reflect.TypeFor[Named](), reflect.TypeFor[RawBranch](), reflect.TypeFor[Choice](),
			reflect.TypeFor[Either](), reflect.TypeFor[Pick](), reflect.TypeFor[PickedEvent](),
		},
		DecodeEvent: decodeEvent,
		Secrets:     []Secret{{"Item", "key"}},
	}
}
