package gogen

import "github.com/dave/jennifer/jen"

func (e *event) emit(f *file) {
	if e.data != nil {
		e.data.doc = e.doc
		e.data.emit(f)
	} else {
		f.declare(e.doc, jen.Type().Id(e.name).Id(e.dataType))
		e.emitDelegation(f)
		f.convertedJSON("v", e.name, e.dataType, e.dataCodec)
	}
	f.code.Line()
	comment{"EventName returns " + e.wire + "."}.emit(f.code.Group)
	f.code.Func().Params(jen.Op("*").Id(e.name)).Id("EventName").Params().String().Block(jen.Return(jen.Id(e.constant)))
}

// emitDelegation adds methods that decode by the methods of the data's type.
func (e *event) emitDelegation(f *file) {
	data := func() *jen.Statement { return jen.Parens(jen.Op("*").Id(e.dataType)).Parens(jen.Id("v")) }
	f.method("v", "*"+e.name, "DecodeMember", memberParams, memberResults, func(g *jen.Group) {
		g.Return(data().Dot("DecodeMember").Call(jen.Id("d"), jen.Id("name")))
	})
	if !e.dataUnion {
		return
	}
	f.method("v", "*"+e.name, "Discriminator", nil, tagResults, func(g *jen.Group) {
		g.Return(data().Dot("Discriminator").Call())
	})
	f.method("v", "*"+e.name, "DecodeBranch", nil, branchResults, func(g *jen.Group) {
		g.Return(data().Dot("DecodeBranch").Call())
	})
}
