package gogen

import "github.com/dave/jennifer/jen"

// rawBranch is the type of the branches that a package does not know.
const rawBranch = "RawBranch"

// fits is what stands at the place that the compiler names if the generated code and the library do not
// fit.
var fits = []string{
	"This line compiles only if the generated code and the library fit. If it does not compile, run go",
	"generate. If the code is another module's, get a newer library: go get github.com/qmpkit/qmpkit@latest.",
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
	p.serverDirective().emit(f.code.Group)
	f.code.Const().Id("_").Op("=").Qual(wirePath, "GeneratedV3")
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
		rawBranch + " is the branch of a union if the package has no type for the value of the discriminator, or if the " +
			"server did not send the discriminator. Members holds all members that are not fields of the union.",
	}, jen.Type().Id(rawBranch).Struct(jen.Id("Members").Qual(qmpPath, "Args")))
	f.method("b", "*"+rawBranch, "EncodeMembers", encoderParam, nil, func(g *jen.Group) {
		g.Id("b.Members.EncodeMembers").Call(jen.Id("e"))
	})
	f.method("b", "*"+rawBranch, "DecodeMember", memberParams, memberResults, func(g *jen.Group) {
		g.Return(jen.Id("b.Members.UnmarshalMember").Call(jen.Id("d"), jen.Id("name")))
	})
	f.json("b", rawBranch, codec{json: true, text: true})
}

// emitEventNames adds the constants for the names of events.
func (p *pkg) emitEventNames(f *file) {
	f.declare(comment{
		"The names of events. [qmp.Client.Events] subscribes to events by name.",
	}, jen.Const().DefsFunc(func(g *jen.Group) {
		for _, e := range p.events {
			e.constantDoc.emit(g)
			g.Id(e.constant).Op("=").Lit(e.wire)
		}
	}))
}

// emitDecodeEvent adds the one table from the names of events to their types.
func (p *pkg) emitDecodeEvent(f *file) {
	f.declare(comment{
		"DecodeEvent decodes the data of an event and returns a pointer to the type for the event's name, such as a [*" +
			p.events[0].name + "]. If the package has no such type, it returns [qmp.ErrUnknownEvent].",
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
		"The features in the schema: each constant is the path of a feature in the schema of a server. See " +
			"[github.com/qmpkit/qmpkit/qmp/qmpschema].",
	}, jen.Const().DefsFunc(func(g *jen.Group) {
		for _, feature := range p.features {
			feature.doc.emit(g)
			g.Id(feature.name).Op("=").Lit(feature.path)
		}
	}))
	return f
}
