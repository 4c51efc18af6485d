package gogen

import (
	"fmt"
	"slices"
	"strings"

	"github.com/dave/jennifer/jen"
)

// emitInterface adds the sealed interface of the union's branches, and its method on each.
func (u *union) emitInterface(f *file, o *object) {
	f.declare(u.comment(o), jen.Type().Id(u.iface).InterfaceFunc(func(g *jen.Group) {
		if o.sent && u.objects() {
			g.Qual(wirePath, "MemberEncoder")
		}
		if o.received && u.objects() {
			g.Qual(wirePath, "MemberDecoder")
		}
		g.Id(u.marker).Params()
	}))
	for _, b := range u.branches {
		if b.isDefined() {
			f.declare(comment{fmt.Sprintf("%s is the branch of [%s] for %s.", b.typ, o.name, list(b.values))},
				jen.Type().Id(b.typ).Add(b.data.code()))
		}
	}
	f.code.Line()
	for _, typ := range u.types() {
		f.code.Func().Params(jen.Op("*").Id(typ)).Id(u.marker).Params().Block()
	}
}

// objects reports whether all branches are objects.
func (u *union) objects() bool {
	return !slices.ContainsFunc(u.branches, func(b branch) bool { return !b.isObject() })
}

// isObject reports whether the branch is an object.
func (b *branch) isObject() bool {
	s, ok := b.data.(*structType)
	return b.data == nil || ok && !s.alternate
}

// isDefined reports whether the package defines the type of the branch, by the type of its data.
func (b *branch) isDefined() bool {
	switch b.data.(type) {
	case nil, *structType, *enumType:
		return false
	}
	return true
}

// types returns the types that implement the interface.
func (u *union) types() []string {
	var types []string
	for _, b := range u.branches {
		types = append(types, b.typ)
	}
	return append(types, rawBranch)
}

// comment lists the values of the discriminator for each type.
func (u *union) comment(o *object) comment {
	var rows []string
	for _, b := range u.branches {
		rows = append(rows, bullet("  - ", fmt.Sprintf("[*%s]: %s", b.typ, list(b.values))))
	}
	others := "any other value"
	if u.unsent == nil {
		others += ", or none"
	}
	rows = append(rows, fmt.Sprintf("  - [*%s]: %s", rawBranch, others))
	c := comment{
		fmt.Sprintf("%s is the branch of [%s] that %s selects:", u.iface, o.name, u.tag.name),
		strings.Join(rows, "\n"),
	}
	if len(u.empty) > 0 {
		c = append(c, "The branch is nil for "+list(u.empty)+".")
	}
	if u.unsent != nil {
		c = append(c, fmt.Sprintf("If a server does not send %s, decoding sets it to %s: %s.", u.tag.wire, u.unsent.wire, u.reason))
	}
	return c
}

// emitTag adds the statements that find the discriminator to send: the one in the field or, if that is
// empty, the only value for the branch's type.
func (u *union) emitTag(g *jen.Group, o *object) {
	g.Id("tag").Op(":=").String().Call(o.place(u.tag).value())
	g.Switch(jen.Id("b").Op(":=").Id(o.receiver + "." + u.field).Assert(jen.Type())).BlockFunc(func(g *jen.Group) {
		for _, b := range u.branches {
			g.Case(jen.Op("*").Id(b.typ)).Block(tag(b.values))
		}
		if o.sent {
			g.Case(jen.Op("*").Id(rawBranch)).Block(tag(nil))
			return
		}
		g.Case(jen.Op("*").Id(rawBranch)).Block(
			jen.Id("tag").Op("=").Id("e.TagIfAny").Call(jen.Id("tag"), jen.Id("b").Op("==").Nil()))
	})
}

func tag(values []enumValue) jen.Code {
	args := []jen.Code{jen.Id("tag"), jen.Id("b").Op("==").Nil()}
	for _, v := range values {
		args = append(args, jen.Lit(v.wire))
	}
	return jen.Id("tag").Op("=").Id("e.Tag").Call(args...)
}

// emitDecodeBranch adds the methods that name the discriminator and that make the branch for it.
func (u *union) emitDecodeBranch(f *file, o *object) {
	f.code.Line()
	f.code.Func().Params(jen.Op("*").Id(o.name)).Id("Discriminator").Params().Params(tagResults...).Block(
		jen.Return(jen.Lit(u.tag.wire), jen.Lit(slices.Index(o.fields, u.tag)+1)))
	branch, tag := o.receiver+"."+u.field, o.receiver+"."+u.tag.name
	name, results := "DecodeBranch", branchResults
	if o.unmarshaled {
		name, results = "UnmarshalBranch", []jen.Code{jen.Any()}
	}
	f.method(o.receiver, "*"+o.name, name, nil, results, func(g *jen.Group) {
		if u.unsent != nil {
			g.If(jen.Id(tag).Op("==").Lit("")).Block(jen.Id(tag).Op("=").Id(u.unsent.name))
		}
		g.Switch(jen.Id(tag)).BlockFunc(func(g *jen.Group) {
			for _, b := range u.branches {
				g.Case(constants(b.values)...).BlockFunc(func(g *jen.Group) {
					g.Add(jen.Id(branch).Op("=").Id("new").Call(jen.Id(b.typ)))
					if b.data != nil {
						g.Return(jen.Nil())
					}
				})
			}
			if len(u.empty) > 0 {
				g.Case(constants(u.empty)...).Block(jen.Return(jen.Nil()))
			}
			g.Default().Block(jen.Id(branch).Op("=").Id("new").Call(jen.Id(rawBranch)))
		})
		if o.received && !u.objects() {
			g.Return(jen.Id(branch).Assert(jen.Qual(wirePath, "MemberDecoder")))
			return
		}
		g.Return(jen.Id(branch))
	})
}

// emitEncodeBranch adds the statements that write the branch. They call the methods of branches by interfaces
// only: a program links the methods of a type if it makes a branch of it.
func (u *union) emitEncodeBranch(g *jen.Group, o *object) {
	branch := o.receiver + "." + u.field
	members := jen.Id("e.MarshalBranch").Call(jen.Id(branch))
	if o.sent && u.objects() {
		members = jen.Id(branch + ".EncodeMembers").Call(jen.Id("e"))
	}
	flat := []jen.Code{jen.Op("*").Id(rawBranch)}
	for _, b := range u.branches {
		if b.data == nil {
			flat = append(flat, jen.Op("*").Id(b.typ))
		}
	}
	if len(flat) > len(u.branches) { // all of them
		g.If(jen.Id(branch).Op("!=").Nil().Op("&&").Id("e.OK").Call()).Block(members)
		return
	}
	g.If(jen.Op("!").Id("e.OK").Call()).Block(jen.Return())
	g.Switch(jen.Id("b").Op(":=").Id(branch).Assert(jen.Type())).BlockFunc(func(g *jen.Group) {
		g.Case(flat...).Block(members)
		if o.sent && u.objects() {
			g.Case(u.dataTypes()...).Block(member("data").Dot("Object").Call(jen.Id("b")))
			return
		}
		for _, b := range u.branches {
			if b.data != nil {
				g.Case(jen.Op("*").Id(b.typ)).BlockFunc(func(g *jen.Group) { b.encodeData(g) })
			}
		}
	})
}

// dataTypes returns pointers to the types of the branches that are data.
func (u *union) dataTypes() (types []jen.Code) {
	for _, b := range u.branches {
		if b.data != nil {
			types = append(types, jen.Op("*").Id(b.typ))
		}
	}
	return types
}

// encodeData adds the statements that write the data of a branch b of the type.
func (b *branch) encodeData(g *jen.Group) {
	if b.isDefined() {
		b.data.encode(g, member("data"), place{expr: b.data.code().GoString() + "(*b)"})
		return
	}
	b.data.encode(g, member("data"), place{expr: "b", pointer: true})
}

// emitDecodeData adds the case of DecodeMember for the data of branches, if there are such.
func (u *union) emitDecodeData(g *jen.Group, o *object, number int) {
	types := u.dataTypes()
	if types == nil {
		return
	}
	branch := jen.Id("b").Op(":=").Id(o.receiver + "." + u.field).Assert(jen.Type())
	g.Case(jen.Lit("data")).Block(jen.Switch(branch).BlockFunc(func(g *jen.Group) {
		if o.received && u.objects() {
			g.Case(types...).Block(jen.Id("d.Object").Call(jen.Id("b")), jen.Return(jen.Lit(number)))
			return
		}
		for _, b := range u.branches {
			if b.data != nil {
				g.Case(jen.Op("*").Id(b.typ)).BlockFunc(func(g *jen.Group) {
					b.decode(g)
					g.Return(jen.Lit(number))
				})
			}
		}
	}))
}

// decode adds the statements that read the data of a branch b of the type.
func (b *branch) decode(g *jen.Group) {
	switch data := b.data.(type) {
	case *structType:
		data.decode(g, place{expr: "b", pointer: true})
	case *scalar:
		g.Id("*b").Op("=").Id(b.typ).Call(data.read())
	case *enumType:
		data.decode(g, place{expr: "*b"})
	default:
		data.decode(g, place{expr: "(*b)"})
	}
}

func constants(values []enumValue) []jen.Code {
	codes := make([]jen.Code, len(values))
	for i, v := range values {
		codes[i] = jen.Id(v.name)
	}
	return codes
}
