package gogen

import (
	"strings"

	"github.com/dave/jennifer/jen"

	"github.com/qmpkit/qmpkit/qapi"
)

func (a *alternate) emit(f *file) {
	f.declare(a.doc, jen.Type().Id(a.name).StructFunc(func(g *jen.Group) {
		for _, alt := range a.alternatives {
			alt.doc.emit(g)
			s := g.Id(alt.name)
			if !alt.typ.nilable() {
				s.Op("*")
			}
			s.Add(alt.typ.code())
		}
		comment{"A value of any other kind, as JSON."}.emit(g)
		g.Id(a.other).Qual(qmpPath, "RawJSON")
	}))
	if a.encodes() {
		a.emitEncoder(f)
	}
	if a.decodes() {
		a.emitDecoder(f)
	}
	f.json("v", a.name, a.codec)
}

func (a *alternate) emitEncoder(f *file) {
	f.method("v", "*"+a.name, "EncodeValue", encoderParam, nil, func(g *jen.Group) {
		g.Switch().BlockFunc(func(g *jen.Group) {
			for i, alt := range a.alternatives {
				g.Case(a.only(i)).BlockFunc(func(g *jen.Group) {
					alt.typ.encode(g, jen.Id("e"), place{"v." + alt.name, !alt.typ.nilable()})
				})
			}
			g.Case(a.only(len(a.alternatives))).Block(jen.Id("e.Raw").Call(jen.Id("v." + a.other)))
			g.Default().Block(jen.Id("e.Fail").Call(jen.Lit("exactly one of " + strings.Join(a.fields(), ", ") + " must be set")))
		})
	})
}

// only returns the condition that field i is set and no other field is.
func (a *alternate) only(i int) *jen.Statement {
	fields := a.fields()
	cond := jen.Id("v." + fields[i]).Op("!=").Nil()
	for j, other := range fields {
		if j != i {
			cond.Op("&&").Id("v." + other).Op("==").Nil()
		}
	}
	return cond
}

// fields returns the names of all fields.
func (a *alternate) fields() []string {
	names := make([]string, len(a.alternatives), len(a.alternatives)+1)
	for i, alt := range a.alternatives {
		names[i] = alt.name
	}
	return append(names, a.other)
}

func (a *alternate) emitDecoder(f *file) {
	f.method("v", "*"+a.name, "DecodeValue", decoderParam, nil, func(g *jen.Group) {
		g.Id("*v").Op("=").Id(a.name).Values()
		g.Switch(jen.Id("d.Kind").Call()).BlockFunc(func(g *jen.Group) {
			for _, alt := range a.alternatives {
				g.Case(jen.Qual(wirePath, wireKinds[alt.kind])).BlockFunc(func(g *jen.Group) {
					alt.typ.decodeNew(g, place{expr: "v." + alt.name})
				})
			}
			g.Default().Block(jen.Id("v." + a.other).Op("=").Id("d.Raw").Call())
		})
	})
}

// wireKinds are the decoder's names for the kinds of JSON.
var wireKinds = map[qapi.JSONKind]string{
	qapi.KindString:  "KindString",
	qapi.KindNumber:  "KindNumber",
	qapi.KindInt:     "KindNumber",
	qapi.KindBoolean: "KindBool",
	qapi.KindNull:    "KindNull",
	qapi.KindObject:  "KindObject",
	qapi.KindArray:   "KindArray",
}
