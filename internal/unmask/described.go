package unmask

import (
	"path"

	"github.com/qmpkit/qmpkit/internal/syntax"
	"github.com/qmpkit/qmpkit/qapi"
)

// described returns the definitions of a schema that was loaded.
func described(s *qapi.Schema) (all []*definition) {
	for _, d := range s.Definitions {
		all = append(all, describe(d))
	}
	return all
}

func describe(def qapi.Definition) *definition {
	h := def.Head()
	d := &definition{name: h.Name, module: path.Base(h.Module.Name), cond: h.If, features: h.Features}
	if h.Doc != nil {
		d.since = h.Doc.Since
		d.seen = seen(h.Doc)
	}
	switch def := def.(type) {
	case *qapi.Enum:
		d.kind, d.prefix = "enum", def.Prefix
		for _, v := range def.Values {
			value := *v
			d.values = append(d.values, &value)
		}
	case *qapi.Struct:
		d.kind, d.members = "struct", newMembers(def.Members)
		if def.Base != nil {
			d.base = def.Base.Name
		}
	case *qapi.Union:
		d.kind, d.tag = "union", def.Discriminator.Name
		if def.Base.Implicit {
			d.members = newMembers(def.Base.Members)
		} else {
			d.base = def.Base.Name
		}
		for _, b := range def.Branches {
			if b.Type != nil {
				d.branches = append(d.branches, branch{b.Value, b.Type.TypeName(), b.If})
			}
		}
	case *qapi.Alternate:
		d.kind = "alternate"
		for _, a := range def.Alternatives {
			d.members = append(d.members, member{name: a.Name, typ: refTo(a.Type), cond: a.If})
		}
	case *qapi.Command:
		d.kind, d.returns = "command", refTo(def.Returns)
		d.flags = flags{def.Boxed, def.NoGen, def.NoReply, def.AllowOOB, def.AllowPreconfig, def.Coroutine}
		d.takes(def.Arg)
	case *qapi.Event:
		d.kind, d.flags.boxed = "event", def.Boxed
		d.takes(def.Arg)
	}
	return d
}

// takes fills in the arguments of a command or an event.
func (d *definition) takes(arg qapi.ObjectType) {
	switch {
	case arg == nil:
	case arg.Head().Implicit:
		d.members = newMembers(arg.AllMembers())
	default:
		d.data = arg.TypeName()
	}
}

func newMembers(members []*qapi.Member) (all []member) {
	for _, m := range members {
		all = append(all, member{m.Name, refTo(m.Type), m.Optional, m.If, m.Features})
	}
	return all
}

// seen returns the marks of earlier joins in a documentation.
func seen(doc *qapi.Doc) map[string]string {
	marks := map[string]string{}
	for i := range doc.Sections {
		s := &doc.Sections[i]
		if version := syntax.Seen(s.Lines); version != "" && (s.Kind == qapi.DocText || s.Kind == qapi.DocMember) {
			marks[s.Name] = version
		}
	}
	return marks
}
