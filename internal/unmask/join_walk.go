package unmask

import (
	"slices"

	"github.com/qmpkit/qmpkit/qapi"
	"github.com/qmpkit/qmpkit/qmp/introspect"
)

// A joiner joins a source with a server's schema. It first walks both, to find which types of the
// server's belong to which of the source's, and only then changes definitions.
type joiner struct {
	*builder // whose definitions are the source's, then those that are added
	opts     JoinOptions
	targets  map[string]*definition // the source's by name

	meetings  []meeting
	met       map[pair]bool
	conflicts []Conflict
	decided   map[string]bool   // the places where an override counted
	replaced  map[string]string // by place, the server's type that belongs there

	added []Part
}

// A meeting is a type of the server's that belongs to one of the source's, or the arguments of a
// command or an event that belong to its definition.
type meeting struct {
	live   introspect.Info
	source qapi.Type
	target *definition
}

// walk meets all types from the commands and events that both have.
func (j *joiner) walk() {
	for _, info := range sorted(j.live) {
		switch info := info.(type) {
		case *introspect.Command:
			if was, ok := j.names.Lookup(info.Name).(*qapi.Command); ok {
				j.meetArguments(info.Name, info.ArgType, was.Arg)
				j.meetResult(info, was.Returns)
			}
		case *introspect.Event:
			if was, ok := j.names.Lookup(info.Name).(*qapi.Event); ok {
				j.meetArguments(info.Name, info.ArgType, was.Arg)
			}
		}
	}
	for i := 0; i < len(j.meetings); i++ { // the loop appends to it
		j.below(j.meetings[i])
	}
	j.identify()
}

// identify gives the names of the source's types to all that met them, and to nothing else: a type
// that is taken though the source has another kind is a new one.
func (j *joiner) identify() {
	for live, name := range j.chosen {
		if !j.met[pair{live, name}] && j.names.types[name] != nil && !isImplicit(name) {
			delete(j.chosen, live)
		}
	}
	for _, m := range j.meetings {
		live, name := m.live.Head().Name, m.source.TypeName()
		if m.target.name == name && j.foundName(m.live) == "" {
			j.chosen[live] = name
		}
	}
}

// noMembers stands for the arguments of a command without arguments.
var noMembers = &qapi.Struct{Header: qapi.Header{Implicit: true}}

// meetArguments lets arguments meet, which are members of the same command or event whatever they
// have in common, unless only one of them has branches.
func (j *joiner) meetArguments(owner, live string, was qapi.ObjectType) {
	o := j.live.Lookup(live).(*introspect.Object)
	if was == nil {
		was = noMembers
	}
	if _, union := was.(*qapi.Union); union != (o.Tag != "") && !(union && j.opts.Looser) {
		j.conflict(owner+"/arg-type", live, was)
		return
	}
	target := j.targets[owner]
	if !was.Head().Implicit {
		target = j.targets[was.TypeName()]
	}
	j.note(o, was, target)
}

func (j *joiner) meetResult(info *introspect.Command, was qapi.Type) {
	none := isEmpty(j.live.Lookup(info.RetType))
	switch place := info.Name + "/ret-type"; {
	case was != nil && !none:
		j.meet(place, info.RetType, was)
	case was != nil && !j.pairs[pair{info.RetType, was.TypeName()}], was == nil && !none:
		j.conflict(place, info.RetType, was)
	}
}

// meet lets the types of one place meet, or those that both are arrays of.
func (j *joiner) meet(place, live string, was qapi.Type) {
	info, old := j.live.Lookup(live), was
	array, isArray := was.(*qapi.Array)
	if now, ok := info.(*introspect.Array); ok && isArray {
		info, old = j.live.Lookup(now.ElementType), array.Element
	}
	if !j.fits(info, old) {
		if !j.opts.Looser || !j.looser(place, live, was) {
			j.conflict(place, live, was)
		}
		return
	}
	if target := j.targets[old.TypeName()]; target != nil {
		j.note(info, old, target)
	}
}

// fits reports whether a type of the server's can be one with a type of the source's.
func (j *joiner) fits(info introspect.Info, was qapi.Type) bool {
	switch info := info.(type) {
	case *introspect.Builtin:
		b, ok := was.(*qapi.Builtin)
		return ok && string(b.JSONKind()) == info.JSONType
	case *introspect.Object:
		if _, union := was.(*qapi.Union); union != (info.Tag != "") {
			return union && j.opts.Looser
		}
		if j.opts.Looser {
			_, object := was.(qapi.ObjectType)
			return object
		}
	case *introspect.Enum:
		if _, enum := was.(*qapi.Enum); enum && j.opts.Looser {
			return true
		}
	}
	return j.pairs[pair{info.Head().Name, was.TypeName()}]
}

// looser lets the one of two kinds count that takes the values of the other, and reports whether
// there is one. Of two arrays it compares the elements.
func (j *joiner) looser(place, live string, was qapi.Type) bool {
	info, old := j.live.Lookup(live), was
	array, isArray := was.(*qapi.Array)
	if now, ok := info.(*introspect.Array); ok && isArray {
		info, old = j.live.Lookup(now.ElementType), array.Element
	}
	now := kind(j.live, info.Head().Name)
	if a, ok := old.(*qapi.Alternate); ok {
		for _, alternative := range a.Alternatives {
			if string(alternative.Type.JSONKind()) == now {
				j.meet(memberPlace(j.targets[a.Name], alternative.Name), info.Head().Name, alternative.Type)
				return true
			}
		}
		return false
	}
	_, isBuiltin := info.(*introspect.Builtin)
	_, wasBuiltin := old.(*qapi.Builtin)
	switch then := string(old.JSONKind()); {
	case then == "value":
		return true
	case isBuiltin && now == "value", j.hasAlternative(info, then):
		j.replaced[place] = live
		return true
	default:
		return now == "string" && then == now && (isBuiltin || wasBuiltin)
	}
}

// hasAlternative reports whether a type of the server's is an alternate that takes a kind of JSON.
func (j *joiner) hasAlternative(info introspect.Info, of string) bool {
	a, ok := info.(*introspect.Alternate)
	return ok && slices.ContainsFunc(a.Types, func(t string) bool { return kind(j.live, t) == of })
}

// conflict notes that two types cannot be one, unless it is said which of them counts.
func (j *joiner) conflict(place, live string, was qapi.Type) {
	choice, ok := j.opts.Overrides[place]
	if !ok {
		j.conflicts = append(j.conflicts, Conflict{place, sourceKind(was), j.serverKind(live)})
		return
	}
	j.decided[place] = true
	if choice == TakeServer {
		j.replaced[place] = live
	}
}

// sourceKind describes the kind of a type for people.
func sourceKind(t qapi.Type) string {
	switch t := t.(type) {
	case nil:
		return "nothing"
	case *qapi.Enum:
		return "the enum " + t.Name
	case *qapi.Struct:
		if t == noMembers {
			return "nothing"
		}
		return "the struct " + t.Name
	case *qapi.Union:
		return "the union " + t.Name
	case *qapi.Alternate:
		return "the alternate " + t.Name
	case *qapi.Array:
		return "an array of " + sourceKind(t.Element)
	}
	return t.TypeName()
}

// serverKind is sourceKind for the server's types, which have no names.
func (j *joiner) serverKind(name string) string {
	switch info := j.live.Lookup(name).(type) {
	case *introspect.Enum:
		return "another enum"
	case *introspect.Alternate:
		return "an alternate"
	case *introspect.Array:
		return "an array of " + j.serverKind(info.ElementType)
	case *introspect.Object:
		switch {
		case isEmpty(info):
			return "nothing"
		case info.Tag != "":
			return "a union"
		}
		return "another struct"
	}
	return name
}

func (j *joiner) note(live introspect.Info, was qapi.Type, target *definition) {
	if p := (pair{live.Head().Name, target.name}); !j.met[p] {
		j.met[p] = true
		j.meetings = append(j.meetings, meeting{live, was, target})
	}
}

// below goes to the parts that both types of a meeting have.
func (j *joiner) below(m meeting) {
	switch live := m.live.(type) {
	case *introspect.Object:
		for i := range live.Members {
			if old := memberOf(m.source, live.Members[i].Name); old != nil {
				_, place := j.holder(m.target, old.Name)
				j.meet(place, live.Members[i].Type, old.Type)
			}
		}
		u, _ := m.source.(*qapi.Union)
		for _, v := range live.Variants {
			if old := branchOf(u, v.Case); old != nil && !isEmpty(j.live.Lookup(v.Type)) {
				j.meet(branchPlace(m.target, v.Case), v.Type, old)
			}
		}
	case *introspect.Alternate:
		for _, a := range m.source.(*qapi.Alternate).Alternatives {
			for _, t := range live.Types {
				if kind(j.live, t) == string(a.Type.JSONKind()) {
					j.meet(memberPlace(m.target, a.Name), t, a.Type)
				}
			}
		}
	}
}

// holder returns the member of a definition or of its bases, and its place, or nil if there is
// none.
func (j *joiner) holder(d *definition, name string) (*member, string) {
	for ; d != nil; d = j.targets[d.base] {
		for i := range d.members {
			if d.members[i].name == name {
				return &d.members[i], memberPlace(d, name)
			}
		}
	}
	return nil, ""
}

func memberPlace(d *definition, name string) string  { return d.name + "." + name }
func branchPlace(d *definition, value string) string { return d.name + "+" + value }

// branchOf returns the type of a union's branch, or nil if it has none.
func branchOf(u *qapi.Union, value string) qapi.ObjectType {
	if u != nil {
		for _, b := range u.Branches {
			if b.Value == value {
				return b.Type
			}
		}
	}
	return nil
}
