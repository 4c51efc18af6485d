package gogen

import (
	"fmt"
	"slices"
	"strings"

	"github.com/dave/jennifer/jen"
)

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

// comment is the package's documentation: the rules by which the schema became Go.
func (p *pkg) comment() comment {
	of := "a QAPI schema"
	if p.opts.Version != "" {
		of = "the QAPI schema of QEMU " + p.opts.Version
	}
	c := comment{fmt.Sprintf("Package %s holds the commands, events and types of %s.", p.opts.Package, of)}
	c = append(c, p.opts.Selection.comment()...)
	c = append(c,
		"A command is a request type with a Do method, which executes it and returns its result.",
		"An optional member is a pointer, nil if it is absent; new makes one of a value, qmp.NonZero "+
			"leaves it out if the value is zero, and qmp.Value reads it. An optional array is absent if it is nil and empty if it is not.",
		p.mandatory(),
		"A union has its common members, the discriminator among them, and a field Branch with a "+
			"pointer to the type that the discriminator stands for. An empty discriminator is "+
			"filled in when the branch's type leaves no choice. A value or a branch that the "+
			"package does not know is kept, as a [RawBranch]. If a server does not send the "+
			"discriminator, a [RawBranch] has the members that are not common.",
		"An alternate has a pointer for each alternative, of which one is set.",
		"An enum is a string type; a value that is not among its constants is kept as it is.",
		"What is sent has MarshalJSON, which gives the bytes for the wire, and String, which hides "+
			"secrets. What cannot be sent (a discriminator that disagrees with its branch, an "+
			"alternate without a value, a string that is not UTF-8) is a *qmp.EncodeError.",
	)
	if len(p.events) > 0 {
		e := p.events[0]
		c = append(c, "An event is a type such as ["+e.name+"], for [qmp.AwaitEvent] and [qmp.Subscribe]. Its name is a "+
			"constant, ["+e.constant+"].")
	}
	return c
}

// mandatory says which servers send a mandatory member.
func (p *pkg) mandatory() string {
	of := "the schema"
	if p.opts.Version != "" {
		of = "QEMU " + p.opts.Version
	}
	if n := len(p.opts.Also); n > 0 {
		servers := strings.Join(slices.Concat([]string{of}, p.opts.Also[:n-1]), ", ") + " and " + p.opts.Also[n-1]
		return "A member is mandatory if " + servers + " all send it. If a server of another version does not send it, its " +
			"field is zero, as if zero had come."
	}
	return "A member is mandatory if it is so in " + of + ". If a server of another version does not send it, its field is " +
		"zero, as if zero had come. qapigen generate -also makes optional what such a server does not send."
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
		g.Return(jen.Id("b.Members.UnmarshalMember").Call(jen.Id("d"), jen.Id("name")))
	})
	f.json("b", rawBranch, codec{json: true, text: true})
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
