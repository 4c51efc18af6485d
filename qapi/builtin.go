package qapi

// JSONKind is the kind of JSON that a type's values have on the wire.
type JSONKind string

// The kinds, with their names in query-qmp-schema.
const (
	KindString  JSONKind = "string" // enums, too
	KindNumber  JSONKind = "number"
	KindInt     JSONKind = "int" // a number without fraction or exponent
	KindBoolean JSONKind = "boolean"
	KindNull    JSONKind = "null"
	KindObject  JSONKind = "object"
	KindArray   JSONKind = "array"
	KindValue   JSONKind = "value" // the type any, and alternates
)

// Builtin is a type that the language predefines, such as "str" or "uint64".
type Builtin struct {
	name   string
	kind   JSONKind
	bits   int
	signed bool
}

// builtins holds the predefined types, in QEMU's order.
var builtins = []*Builtin{
	{name: "str", kind: KindString},
	{name: "number", kind: KindNumber},
	{name: "int", kind: KindInt, bits: 64, signed: true},
	{name: "int8", kind: KindInt, bits: 8, signed: true},
	{name: "int16", kind: KindInt, bits: 16, signed: true},
	{name: "int32", kind: KindInt, bits: 32, signed: true},
	{name: "int64", kind: KindInt, bits: 64, signed: true},
	{name: "uint8", kind: KindInt, bits: 8},
	{name: "uint16", kind: KindInt, bits: 16},
	{name: "uint32", kind: KindInt, bits: 32},
	{name: "uint64", kind: KindInt, bits: 64},
	{name: "size", kind: KindInt, bits: 64},
	{name: "bool", kind: KindBoolean},
	{name: "any", kind: KindValue},
	{name: "null", kind: KindNull},
}

// TypeName returns the name as a schema writes it.
func (b *Builtin) TypeName() string { return b.name }

// JSONKind returns the JSON kind of the type's values.
func (b *Builtin) JSONKind() JSONKind { return b.kind }

// Bits returns the width of an integer type in bits, and 0 for other types.
func (b *Builtin) Bits() int { return b.bits }

// Signed reports whether an integer type has negative values. For compatibility QEMU also accepts
// negative values for uint64 and size, but never sends one.
func (b *Builtin) Signed() bool { return b.signed }
