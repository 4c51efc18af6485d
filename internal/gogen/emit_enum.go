package gogen

import "github.com/dave/jennifer/jen"

func (e *enum) emit(f *file) {
	f.declare(e.doc, jen.Type().Id(e.name).String())
	if len(e.values) == 0 {
		return
	}
	f.declare(comment{"The values of " + e.name + "."}, jen.Const().DefsFunc(func(g *jen.Group) {
		for _, v := range e.values {
			v.doc.emit(g)
			g.Id(v.name).Id(e.name).Op("=").Lit(v.wire)
		}
	}))
}
