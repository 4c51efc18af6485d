package gogen

import (
	"github.com/dave/jennifer/jen"
)

// The packages that generated code imports.
const (
	qmpPath  = "github.com/qmpkit/qmpkit/qmp"
	wirePath = "github.com/qmpkit/qmpkit/qmp/wire"
)

// A goType is the Go type of a value, and the code that encodes and decodes it.
type goType interface {
	code() *jen.Statement
	// encode appends the statements that write the value at p. The chain is the call that
	// positions the encoder and yields it: e.Name("x"), or e.Elem().
	encode(g *jen.Group, chain *jen.Statement, p place)
	// encodeOptional appends the statements that write the member with that name if p, which
	// is nilable or a pointer, is not nil.
	encodeOptional(g *jen.Group, name string, p place)
	// decode appends the statements that read a value into p.
	decode(g *jen.Group, p place)
	// decodeNew appends the statements that make the pointer at p point to a value read.
	decodeNew(g *jen.Group, p place)
	// decodeElem appends the statements that add a value read to the slice at p.
	decodeElem(g *jen.Group, p place)
	// nilable reports whether nil means absent, without a further pointer.
	nilable() bool
}

// A place is a Go expression for a value: v.ID, or v.Path with a pointer to it.
type place struct {
	expr    string
	pointer bool
}

func (p place) value() *jen.Statement {
	if p.pointer {
		return jen.Id("*" + p.expr)
	}
	return jen.Id(p.expr)
}

func (p place) address() *jen.Statement {
	if p.pointer {
		return jen.Id(p.expr)
	}
	return jen.Id("&" + p.expr)
}

// assign begins a statement that assigns to the expression.
func (p place) assign() *jen.Statement { return jen.Id(p.expr).Op("=") }

// last is the last element of the slice at p.
func (p place) last() place { return place{expr: p.expr + "[len(" + p.expr + ")-1]"} }

// grow begins a statement that appends to the slice at p.
func (p place) grow(elem jen.Code) *jen.Statement { return p.assign().Append(jen.Id(p.expr), elem) }

// member is the call that positions the encoder at a member.
func member(name string) *jen.Statement { return jen.Id("e.Name").Call(jen.Lit(name)) }

// encodeIf is encodeOptional for types without a method of the encoder.
func encodeIf(t goType, g *jen.Group, name string, p place) {
	g.If(jen.Id(p.expr).Op("!=").Nil()).BlockFunc(func(g *jen.Group) { t.encode(g, member(name), p) })
}

// value is the common part of the types that the decoder returns as a value.
type value struct {
	read func() *jen.Statement // the expression that reads one
}

func (v value) decode(g *jen.Group, p place) { g.Add(p.assign().Add(v.read())) }

func (v value) decodeNew(g *jen.Group, p place) { g.Add(p.assign().Id("new").Call(v.read())) }

func (v value) decodeElem(g *jen.Group, p place) { g.Add(p.grow(v.read())) }

func (value) nilable() bool { return false }

// scalar is a string, a number or a boolean.
type scalar struct {
	value
	name   string
	method string // of the encoder
	wide   string // the type that the method takes, if it is another one
	opt    string // the encoder's method for an optional member, if there is one
	optNew string // then the decoder's
}

func newScalar(name, write, wide, read string) *scalar {
	return &scalar{
		value:  value{func() *jen.Statement { return jen.Id("d").Dot(read).Call() }},
		name:   name,
		method: write,
		wide:   wide,
	}
}

func (t *scalar) code() *jen.Statement { return jen.Id(t.name) }

func (t *scalar) encode(g *jen.Group, chain *jen.Statement, p place) {
	arg := p.value()
	if t.wide != "" {
		arg = jen.Id(t.wide).Call(arg)
	}
	g.Add(chain.Dot(t.method).Call(arg))
}

func (t *scalar) encodeOptional(g *jen.Group, name string, p place) {
	if t.opt == "" {
		encodeIf(t, g, name, p)
		return
	}
	g.Id("e").Dot(t.opt).Call(jen.Lit(name), jen.Id(p.expr))
}

func (t *scalar) decodeNew(g *jen.Group, p place) {
	if t.optNew == "" {
		t.value.decodeNew(g, p)
		return
	}
	g.Id("d").Dot(t.optNew).Call(p.address())
}

func (t *scalar) withOptional(write, read string) *scalar {
	t.opt, t.optNew = write, read
	return t
}

// The types of QAPI's built-in ones.
var (
	stringType = newScalar("string", "String", "", "String").withOptional("OptString", "OptString")
	secretType = newScalar("string", "Secret", "", "String").withOptional("OptSecret", "OptString")
	boolType   = newScalar("bool", "Bool", "", "Bool").withOptional("OptBool", "OptBool")
	floatType  = newScalar("float64", "Float", "", "Float64")
	int8Type   = newScalar("int8", "Int", "int64", "Int8")
	int16Type  = newScalar("int16", "Int", "int64", "Int16")
	int32Type  = newScalar("int32", "Int", "int64", "Int32")
	int64Type  = newScalar("int64", "Int", "", "Int64").withOptional("OptInt", "OptInt64")
	uint8Type  = newScalar("uint8", "Uint", "uint64", "Uint8")
	uint16Type = newScalar("uint16", "Uint", "uint64", "Uint16")
	uint32Type = newScalar("uint32", "Uint", "uint64", "Uint32")
	uint64Type = newScalar("uint64", "Uint", "", "Uint64").withOptional("OptUint", "OptUint64")
)

var builtinTypes = map[string]goType{
	"str": stringType, "bool": boolType, "number": floatType,
	"int": int64Type, "int8": int8Type, "int16": int16Type, "int32": int32Type, "int64": int64Type,
	"uint8": uint8Type, "uint16": uint16Type, "uint32": uint32Type, "uint64": uint64Type,
	"size": uint64Type,
	"any":  rawType{rawRead}, "null": nullType{},
	// QType is an enum that the language predefines.
	"QType": stringType,
}

// secretOf returns the type for values of t that logs must not show.
func secretOf(t goType) goType {
	switch t := t.(type) {
	case *scalar:
		if t == stringType {
			return secretType
		}
	case *arrayType:
		if elem := secretOf(t.elem); elem != nil {
			return &arrayType{elem}
		}
	}
	return nil
}

// A rawType is QAPI's any: a JSON value as it is.
type rawType struct{ value }

var rawRead = value{func() *jen.Statement { return jen.Id("d.Raw").Call() }}

func (rawType) code() *jen.Statement { return jen.Qual(qmpPath, "RawJSON") }

func (rawType) encode(g *jen.Group, chain *jen.Statement, p place) {
	g.Add(chain.Dot("Raw").Call(p.value()))
}

func (t rawType) encodeOptional(g *jen.Group, name string, p place) { encodeIf(t, g, name, p) }

func (t rawType) decodeNew(g *jen.Group, p place) { t.decode(g, p) }

func (rawType) nilable() bool { return true }

// A nullType is QAPI's null. It has one value.
type nullType struct{}

func (nullType) code() *jen.Statement { return jen.Qual(qmpPath, "Null") }

func (nullType) encode(g *jen.Group, chain *jen.Statement, _ place) {
	g.Add(chain.Dot("Null").Call())
}

func (t nullType) encodeOptional(g *jen.Group, name string, p place) { encodeIf(t, g, name, p) }

func (nullType) decode(g *jen.Group, _ place) { g.Id("d.Null").Call() }

func (t nullType) decodeNew(g *jen.Group, p place) {
	t.decode(g, p)
	g.Add(p.assign().Id("new").Call(t.code()))
}

func (t nullType) decodeElem(g *jen.Group, p place) {
	t.decode(g, p)
	g.Add(p.grow(t.code().Values()))
}

func (nullType) nilable() bool { return false }

// enumType is a generated enum.
type enumType struct {
	value
	name string
}

func newEnumType(name string) *enumType {
	return &enumType{
		value: value{func() *jen.Statement { return jen.Id(name).Call(jen.Id("d.Enum").Call()) }},
		name:  name,
	}
}

func (t *enumType) code() *jen.Statement { return jen.Id(t.name) }

func (t *enumType) encode(g *jen.Group, chain *jen.Statement, p place) {
	g.Add(chain.Dot("String").Call(jen.Id("string").Call(p.value())))
}

func (t *enumType) encodeOptional(g *jen.Group, name string, p place) {
	g.Id("e.OptString").Call(jen.Lit(name), jen.Parens(jen.Op("*").String()).Parens(jen.Id(p.expr)))
}

func (t *enumType) decodeNew(g *jen.Group, p place) {
	g.Add(p.assign().Parens(jen.Op("*").Id(t.name)).Parens(jen.Id("d.OptEnum").Call()))
}

// A structType is a generated struct: an object or an alternate. The two differ in the calls that encode
// and decode them.
type structType struct {
	name      string
	alternate bool
	codec
}

func (t *structType) code() *jen.Statement { return jen.Id(t.name) }

func (t *structType) encode(g *jen.Group, chain *jen.Statement, p place) {
	if t.alternate {
		g.Id(p.expr + ".EncodeValue").Call(chain)
		return
	}
	method := "Marshal"
	if t.sent {
		method = "Object"
	}
	g.Add(chain.Dot(method).Call(p.address()))
}

func (t *structType) encodeOptional(g *jen.Group, name string, p place) { encodeIf(t, g, name, p) }

func (t *structType) decode(g *jen.Group, p place) {
	if t.alternate {
		g.Id(p.expr + ".DecodeValue").Call(jen.Id("d"))
		return
	}
	method := "d.Unmarshal"
	if t.received {
		method = "d.Object"
	}
	g.Id(method).Call(p.address())
}

func (t *structType) decodeNew(g *jen.Group, p place) {
	g.Add(p.assign().Id("new").Call(t.code()))
	t.decode(g, place{p.expr, true})
}

func (t *structType) decodeElem(g *jen.Group, p place) {
	g.Add(p.grow(t.code().Values()))
	t.decode(g, p.last())
}

func (*structType) nilable() bool { return false }

// arrayType is a slice.
type arrayType struct{ elem goType }

func (t *arrayType) code() *jen.Statement { return jen.Index().Add(t.elem.code()) }

func (t *arrayType) encode(g *jen.Group, chain *jen.Statement, p place) {
	index := string(rune('i' + t.inner()))
	g.Add(chain.Dot("BeginArray").Call())
	loop := jen.Id(index).Op(":=").Range().Id(p.expr)
	if t.elem == (nullType{}) { // all elements are the same
		loop = jen.Range().Id(p.expr)
	}
	g.For(loop).BlockFunc(func(g *jen.Group) {
		t.elem.encode(g, jen.Id("e.Elem").Call(), place{expr: p.expr + "[" + index + "]"})
	})
	g.Id("e.EndArray").Call()
}

func (t *arrayType) encodeOptional(g *jen.Group, name string, p place) { encodeIf(t, g, name, p) }

// inner returns the number of arrays inside the array, so that each nested loop has its own variable.
func (t *arrayType) inner() int {
	if inner, ok := t.elem.(*arrayType); ok {
		return 1 + inner.inner()
	}
	return 0
}

func (t *arrayType) decode(g *jen.Group, p place) {
	g.Add(p.assign().Make(t.code(), jen.Lit(0), jen.Id("d.Room").Call()))
	g.For(jen.Id("ok").Op(":=").Id("d.Array").Call(), jen.Id("ok"), jen.Id("ok").Op("=").Id("d.More").Call()).
		BlockFunc(func(g *jen.Group) { t.elem.decodeElem(g, p) })
}

func (t *arrayType) decodeNew(g *jen.Group, p place) { t.decode(g, p) }

func (t *arrayType) decodeElem(g *jen.Group, p place) {
	g.Add(p.grow(jen.Nil()))
	t.decode(g, p.last())
}

func (*arrayType) nilable() bool { return true }
