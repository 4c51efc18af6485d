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
		if o.sent {
			g.Qual(wirePath, "MemberEncoder")
		}
		if o.received {
			g.Qual(wirePath, "MemberDecoder")
		}
		g.Id(u.marker).Params()
	}))
	f.code.Line()
	for _, typ := range u.types() {
		f.code.Func().Params(jen.Op("*").Id(typ)).Id(u.marker).Params().Block()
	}
}

// types are those that implement the interface.
func (u *union) types() []string {
	var types []string
	for _, b := range u.branches {
		types = append(types, b.typ)
	}
	return append(types, rawBranch)
}

// comment lists which type serves which value of the discriminator.
func (u *union) comment(o *object) comment {
	var rows []string
	for _, b := range u.branches {
		rows = append(rows, fmt.Sprintf("  - *%s: %s", b.typ, list(b.values)))
	}
	if u.unsent == nil {
		rows = append(rows, fmt.Sprintf("  - *%s: a value that is not in this list, or none", rawBranch))
	} else {
		rows = append(rows, fmt.Sprintf("  - *%s: a value that is not in this list", rawBranch))
	}
	c := comment{
		fmt.Sprintf("%s is what the %s of %s adds to it:", u.iface, u.tag.name, o.name),
		strings.Join(rows, "\n"),
	}
	if len(u.empty) > 0 {
		c = append(c, "It is nil for "+list(u.empty)+".")
	}
	if u.unsent != nil {
		c = append(c, fmt.Sprintf("If a server does not send %s, decoding sets it to %s: %s.", u.tag.wire, u.unsent.wire, u.reason))
	}
	return c
}

// emitTag adds the statements that find the discriminator to send: the one that is set, or
// the only one that the branch's type serves.
func (u *union) emitTag(g *jen.Group, o *object) {
	g.Id("tag").Op(":=").String().Call(o.place(u.tag).value())
	g.Switch(jen.Id("b").Op(":=").Id(o.receiver + "." + u.field).Assert(jen.Type())).BlockFunc(func(g *jen.Group) {
		for _, b := range u.branches {
			g.Case(jen.Op("*").Id(b.typ)).Block(tag(b.values))
		}
		g.Case(jen.Op("*").Id(rawBranch)).Block(tag(nil))
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
	f.method(o.receiver, "*"+o.name, "DecodeBranch", nil, branchResults, func(g *jen.Group) {
		if u.unsent != nil {
			g.If(jen.Id(tag).Op("==").Lit("")).Block(jen.Id(tag).Op("=").Id(u.unsent.name))
		}
		g.Switch(jen.Id(tag)).BlockFunc(func(g *jen.Group) {
			for _, b := range u.branches {
				g.Case(constants(b.values)...).Block(jen.Id(branch).Op("=").Id("new").Call(jen.Id(b.typ)))
			}
			if len(u.empty) > 0 {
				g.Case(constants(u.empty)...).Block(jen.Return(jen.Nil()))
			}
			g.Default().Block(jen.Id(branch).Op("=").Id("new").Call(jen.Id(rawBranch)))
		})
		g.Return(jen.Id(branch))
	})
}

func constants(values []enumValue) []jen.Code {
	codes := make([]jen.Code, len(values))
	for i, v := range values {
		codes[i] = jen.Id(v.name)
	}
	return codes
}
