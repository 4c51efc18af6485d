package gogen

import "github.com/dave/jennifer/jen"

func (o *object) emit(f *file) {
	f.declare(o.doc, jen.Type().Id(o.name).StructFunc(o.emitFields))
	if o.union != nil {
		o.union.emitInterface(f, o)
	}
	if o.encodes() {
		o.emitEncoder(f)
	}
	if o.decodes() {
		o.emitDecoder(f)
		if o.union != nil {
			o.union.emitDecodeBranch(f, o)
		}
	}
	f.json(o.receiver, o.name, o.codec)
}

func (o *object) emitFields(g *jen.Group) {
	for _, field := range o.fields {
		field.doc.emit(g)
		s := g.Id(field.name)
		if field.pointer {
			s.Op("*")
		}
		s.Add(field.typ.code()).Tag(map[string]string{"json": field.tag()})
	}
	if o.extra != "" {
		comment{"Further arguments, which the schema does not declare."}.emit(g)
		g.Id(o.extra).Qual(qmpPath, "Args")
	}
	if u := o.union; u != nil {
		u.branchComment().emit(g)
		g.Id(u.field).Id(u.iface)
	}
}

// place returns the place of the field in a method.
func (o *object) place(f *field) place { return place{o.receiver + "." + f.name, f.pointer} }

// emitEncoder adds the method that writes the members without braces, including the members of a base or a
// branch.
func (o *object) emitEncoder(f *file) {
	f.method(o.receiver, "*"+o.name, o.encoder(), encoderParam, nil, func(g *jen.Group) {
		if o.union != nil {
			o.union.emitTag(g, o)
		}
		for _, field := range o.fields {
			o.emitEncode(g, field)
		}
		if o.extra != "" {
			g.Id(o.receiver + "." + o.extra + ".EncodeMembers").Call(jen.Id("e"))
		}
		if u := o.union; u != nil {
			u.emitEncodeBranch(g, o)
		}
	})
}

func (o *object) emitEncode(g *jen.Group, field *field) {
	if u := o.union; u != nil && u.tag == field {
		g.Id("e.Discriminator").Call(jen.Lit(field.wire), jen.Id("tag"))
		return
	}
	p := o.place(field)
	if field.optional {
		field.typ.encodeOptional(g, field.wire, p)
		return
	}
	if field.pointer {
		// Its type contains itself: without a value there is nothing to send.
		g.If(p.address().Op("==").Nil()).Block(
			jen.Id("e.Fail").Call(jen.Lit(field.name+" is nil")), jen.Return())
	}
	field.typ.encode(g, member(field.wire), p)
}

// emitDecoder adds the method that reads one member. The method returns the member's number, or 0 if
// it does not know the member.
func (o *object) emitDecoder(f *file) {
	f.method(o.receiver, "*"+o.name, o.decoder(), memberParams, memberResults, func(g *jen.Group) {
		if len(o.fields) > 0 {
			g.Switch(jen.String().Call(jen.Id("name"))).BlockFunc(func(g *jen.Group) {
				for i, field := range o.fields {
					g.Case(jen.Lit(field.wire)).BlockFunc(func(g *jen.Group) {
						o.emitDecode(g, field)
						g.Return(jen.Lit(i + 1))
					})
				}
				if o.union != nil {
					o.union.emitDecodeData(g, o, len(o.fields)+1)
				}
			})
		}
		if o.extra != "" {
			g.Return(jen.Id(o.receiver+"."+o.extra+".UnmarshalMember").Call(jen.Id("d"), jen.Id("name")))
			return
		}
		g.Return(jen.Lit(0))
	})
}

func (o *object) emitDecode(g *jen.Group, field *field) {
	if field.pointer {
		field.typ.decodeNew(g, place{expr: o.receiver + "." + field.name})
		return
	}
	field.typ.decode(g, o.place(field))
}
