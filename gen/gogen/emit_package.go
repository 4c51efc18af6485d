package gogen

import "github.com/dave/jennifer/jen"

// rawBranch is the type of the branches that a package does not know.
const rawBranch = "RawBranch"

// fits is what stands at the place that the compiler names if the two do not.
var fits = []string{
	"The generated code and the library that it stands on are of releases that fit. If this line does",
	"not compile, they are not. Run go generate, or, where the generated code is another's, get a newer",
	"library with go get github.com/qmpkit/qmpkit@latest.",
}

// packageFile is the file of what belongs to the package as a whole.
func (p *pkg) packageFile() *file {
	f := p.newFile(packageFileName, "schema")
	for _, line := range p.comment().lines() {
		f.code.PackageComment(line)
	}
	for _, line := range fits {
		f.code.Comment(line)
	}
	f.code.Const().Id("_").Op("=").Qual(wirePath, "GeneratedV2")
	if p.unions {
		emitRawBranch(f)
	}
	if len(p.events) > 0 {
		p.emitEventNames(f)
		p.emitDecodeEvent(f)
	}
	return f
}

func emitRawBranch(f *file) {
	f.declare(comment{
		rawBranch + " is the branch of any union for a discriminator that this package has no type for, " +
			"or that a server did not send.",
	}, jen.Type().Id(rawBranch).Struct(jen.Id("Members").Qual(qmpPath, "Args")))
	f.method("b", "*"+rawBranch, "EncodeMembers", encoderParam, nil, func(g *jen.Group) {
		g.Id("b.Members.EncodeMembers").Call(jen.Id("e"))
	})
	f.method("b", "*"+rawBranch, "DecodeMember", memberParams, memberResults, func(g *jen.Group) {
		g.If(jen.Id("b.Members").Op("==").Nil()).Block(
			jen.Id("b.Members").Op("=").Make(jen.Qual(qmpPath, "Args")))
		g.Id("b.Members").Index(jen.String().Call(jen.Id("name"))).Op("=").
			Qual(qmpPath, "RawJSON").Call(jen.Id("d.Raw").Call())
		g.Return(jen.Qual(wirePath, "Unnumbered"))
	})
	f.printing("b", rawBranch, "", func() *jen.Statement { return jen.Id("&b") })
}

// emitEventNames adds the constants for the names of events.
func (p *pkg) emitEventNames(f *file) {
	f.declare(comment{
		"The names of events, for subscriptions by name ([qmp.Client.Events]).",
	}, jen.Const().DefsFunc(func(g *jen.Group) {
		for _, e := range p.events {
			e.deprecated.emit(g)
			name := g.Id(e.constant).Op("=").Lit(e.wire)
			if e.since != "" {
				name.Comment(e.since)
			}
		}
	}))
}

// emitDecodeEvent adds the one table from the names of events to their types.
func (p *pkg) emitDecodeEvent(f *file) {
	f.declare(comment{
		"DecodeEvent returns the event as the type of its name, such as a *" + p.events[0].name +
			". The error is qmp.ErrUnknownEvent for a name that this package has no type for.",
	}, jen.Func().Id("DecodeEvent").Params(jen.Id("raw").Qual(qmpPath, "RawEvent")).
		Params(jen.Qual(qmpPath, "EventData"), jen.Error()).BlockFunc(func(g *jen.Group) {
		g.Var().Id("v").Qual(qmpPath, "EventData")
		g.Switch(jen.Id("raw.Name")).BlockFunc(func(g *jen.Group) {
			for _, e := range p.events {
				g.Case(jen.Id(e.constant)).Block(jen.Id("v").Op("=").Id("new").Call(jen.Id(e.name)))
			}
			g.Default().Block(jen.Return(jen.Nil(), jen.Qual(qmpPath, "ErrUnknownEvent")))
		})
		g.If(jen.Err().Op(":=").Qual(qmpPath, "DecodeEventData").Call(jen.Id("raw.Data"), jen.Id("v")),
			jen.Err().Op("!=").Nil()).Block(jen.Return(jen.Nil(), jen.Err()))
		g.Return(jen.Id("v"), jen.Nil())
	}))
}

// featureFile is the file of the constants for the paths of features.
func (p *pkg) featureFile() *file {
	f := p.newFile(featureFileName, "schema")
	f.declare(comment{
		"The paths of features in a server's introspection, from a command or event that has them.",
	}, jen.Const().DefsFunc(func(g *jen.Group) {
		for _, feature := range p.features {
			g.Id(feature.name).Op("=").Lit(feature.path)
		}
	}))
	return f
}
