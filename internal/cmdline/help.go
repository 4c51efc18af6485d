package cmdline

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/qmpkit/qmpkit/qmp/introspect"
)

// A Help explains a topic.
type Help struct {
	Topic string
	Kind  string   // "command", "event", "member" or "type"
	Type  string   // of a member, in words
	Notes []string // since when, what it needs, what takes its place
	// Members are the arguments of a command, the data of an event, or the members of an object.
	Members []Item
	// Branches are the members of an object that depend on a discriminator.
	Branches []Branch
	// Cases are the types of a member that has several: for each, the branches in which the member has it.
	Cases []Item
	// More is a topic that explains a branch of this one, "" for none.
	More string
	// Values are the values of an enum.
	Values []Item
	// Result has the members of a command's result, and ResultType is its type in words, "" if it has none.
	Result     []Item
	ResultType string
	// Events are those that can follow a command.
	Events []Item
	// Properties are those of the driver or the object type that the topic names, and Owner is its name.
	Properties []Item
	Owner      string
	// Elsewhere has what this server lacks and another version has.
	Elsewhere []Item
	// Reference is the address of a page in QEMU's reference, "" if there is none.
	Reference string

	out bool // the members come from the server
}

// An Item is a member, a value or an event.
type Item struct {
	Name      string
	Type      string // of a member, in words
	Note      string
	Mandatory bool
}

// A Branch has the members that an object gets from a value of its discriminator.
type Branch struct {
	When    string   // "driver=file"; several values have commas between them
	Members []string // their names; those that are mandatory first
}

// Help explains a topic:
//
//	block_resize                            a command
//	blockdev-add driver=qcow2               a command, with the members of a branch
//	blockdev-add file.aio                   a member, of any branch that has it
//	blockdev-add driver=qcow2 file          a member, of a branch
//	query-block return inserted.drv         a member of a command's result
//	DEVICE_DELETED path                     an event, a member of its data
//	BlockdevDriver                          a type; its facts are those of all versions
//
// A command as it was typed so far is a topic, too. Help asks Values for the properties of a device or an object
// ("device_add driver=virtio-net-pci"). The error is an [*Error] with a place in the topic.
func (l *Language) Help(ctx context.Context, topic string) (*Help, error) {
	words := strings.Fields(topic)
	if len(words) == 0 {
		return nil, &Error{Reason: "the topic is empty", Want: "a command, an event or a type"}
	}
	name := words[0]
	x := &explainer{checker: checker{Language: l, ctx: ctx, cursor: -1}, topic: topic, tags: map[string]string{}}
	h := &Help{Topic: name}
	p := place{command: name, path: name + "/arg-type"}
	var typ string
	switch t := l.Schema.Lookup(name).(type) {
	case *introspect.Command:
		h.Kind, typ = "command", t.ArgType
		h.Notes = l.notes(name, "", t.Features)
		if t.AllowOOB {
			h.Notes = append(h.Notes, "can be executed out of band")
		}
		if len(words) > 1 && words[1] == "return" {
			p.path, typ, words = name+"/ret-type", t.RetType, words[1:]
			break
		}
		x.result(h, t)
		for _, event := range eventsAfter(name) {
			if _, ok := l.Schema.Lookup(event).(*introspect.Event); ok {
				h.Events = append(h.Events, Item{Name: event})
			}
		}
	case *introspect.Event:
		h.Kind, typ = "event", t.ArgType
		h.Notes = l.notes(name, "", t.Features)
	default:
		return x.foreign(name)
	}
	if l.Facts != nil {
		h.Reference = l.Facts.Reference(name)
	}
	member := ""
	for _, word := range words[1:] {
		member = ""
		if key, value, ok := strings.Cut(word, "="); ok {
			x.tags[key] = strings.Trim(value, `"'`)
		} else if !strings.ContainsAny(word, "[]{}\"'\\") {
			member = word
		}
	}
	info := l.Schema.Lookup(typ)
	if member != "" && member != "return" {
		found, at, err := x.find(p, info, member)
		if err != nil {
			return nil, err
		}
		found.Topic = name + " " + at.key()
		if words[0] != name {
			found.Topic, found.Notes = name+" return "+at.key(), slices.DeleteFunc(found.Notes, isMandatory)
			found.out = true
		}
		if h.Kind == "event" {
			found.Notes, found.out = slices.DeleteFunc(found.Notes, isMandatory), true
		}
		return found, nil
	}
	h.out = h.Kind == "event" || words[0] != name
	x.explain(h, p, info)
	if o, ok := info.(*introspect.Object); ok {
		if props := x.openTo(p, o, x.entries(p)); props.open {
			x.properties(h, o, props)
			if example := exampleDriver[name]; props.owner == "" && h.More == "" && h.Kind == "command" && !h.out {
				h.More = name + " " + example
			}
		}
	}
	return h, nil
}

// exampleDriver has a driver or a type for the commands whose other arguments depend on it.
var exampleDriver = map[string]string{"device_add": "driver=virtio-blk-pci", "object-add": "qom-type=iothread"}

func isMandatory(note string) bool { return note == mandatory }

const mandatory = "mandatory"

// properties lists the properties that a command takes beside its arguments.
func (x *explainer) properties(h *Help, o *introspect.Object, props properties) {
	h.Owner = props.owner
	for _, v := range sorted(props.values) {
		if o.Member(v.Text) == nil && isSettable(v) {
			h.Properties = append(h.Properties, Item{Name: v.Text, Type: v.help()})
		}
	}
}

// An explainer explains a topic.
type explainer struct {
	checker
	topic string
	tags  map[string]string // the discriminators that the topic has
}

// notes tells the facts of a path: since when it exists, what takes its place.
func (l *Language) notes(path, owner string, features []string) (notes []string) {
	f := l.fact(path)
	if f != nil && f.Since.Release != "" && (owner == "" || l.young(path, owner) != "") {
		notes = append(notes, f.Since.Words("since", "new"))
	}
	if slices.Contains(features, "deprecated") || f != nil && f.Deprecated != nil {
		note := "deprecated"
		if f != nil && f.Deprecated != nil && f.Deprecated.Release != "" {
			note += f.Deprecated.Words(" since", " newly")
		}
		notes = append(notes, note+l.replacement(path))
	}
	if slices.Contains(features, "unstable") {
		notes = append(notes, "unstable")
	}
	if f != nil && f.Removed.Release != "" {
		notes = append(notes, f.Removed.Words("removed in", "removed"))
	}
	if f != nil && f.If != "" {
		notes = append(notes, "needs a build with "+f.If)
	}
	return notes
}

// result tells what a command returns.
func (x *explainer) result(h *Help, t *introspect.Command) {
	p := place{command: "", path: h.Topic + "/ret-type"}
	switch r := x.Schema.Lookup(t.RetType).(type) {
	case *introspect.Object:
		if len(r.Members) == 0 {
			return
		}
		h.ResultType, h.Result = "an object", x.items(p, x.fields(p, r))
	case *introspect.Array:
		element := x.Schema.Lookup(r.ElementType)
		h.ResultType = "a list: " + x.inWords(p, element)
		if o, ok := element.(*introspect.Object); ok {
			h.ResultType, h.Result = "a list of objects", x.items(p, x.fields(p, o))
		}
	case nil:
	default:
		h.ResultType = x.inWords(p, r)
	}
}

// fields returns the members of an object with those of the branches that the topic selects.
func (x *explainer) fields(p place, t *introspect.Object) []field {
	fields, _ := x.fieldsOf(p, t, x.entries(p))
	return fields
}

// entries returns the discriminators that the topic has for a place.
func (x *explainer) entries(p place) (all []entry) {
	before := ""
	if len(p.names) > 0 {
		before = p.key() + "."
	}
	for key, text := range x.tags {
		if name, ok := strings.CutPrefix(key, before); ok {
			all = append(all, entry{key: name, deep: true, value: &value{text: text}})
		}
	}
	return all
}

// items describes members: the mandatory ones first.
func (x *explainer) items(p place, fields []field) (items []Item) {
	slices.SortStableFunc(fields, func(a, b field) int { return rankOf(a) - rankOf(b) })
	for _, f := range fields {
		at := p
		at.path = f.path
		at = at.member(f.Name)
		owner, _, _ := strings.Cut(f.path, "/")
		items = append(items, Item{Name: f.Name, Type: x.inShort(at, x.Schema.Lookup(f.Type)), Mandatory: !f.Optional,
			Note: strings.Join(x.notes(at.path, owner, f.Features), "; ")})
	}
	return items
}

// explain tells what a place takes.
func (x *explainer) explain(h *Help, p place, typ introspect.Info) {
	switch t := typ.(type) {
	case *introspect.Object:
		fields, undecided := x.fieldsOf(p, t, x.entries(p))
		h.Members = append(h.Members, x.items(p, fields)...)
		if undecided != nil {
			if h.Branches = x.branches(undecided); len(h.Branches) > 0 {
				value, _, _ := strings.Cut(strings.TrimPrefix(h.Branches[0].When, undecided.Tag+"="), ",")
				h.More = x.moreOf(p, undecided.Tag, value, p)
			}
		}
		x.elsewhereAt(h, p.path, func(name string) bool {
			return slices.ContainsFunc(fields, func(f field) bool { return f.Name == name })
		}, "")
	case *introspect.Enum:
		for _, m := range t.Members {
			h.Values = append(h.Values, Item{Name: m.Name, Note: strings.Join(x.notes(p.path+"/^"+m.Name, p.path, m.Features), "; ")})
		}
		x.elsewhereAt(h, p.path, func(name string) bool { return t.Member(name) != nil }, "^")
	case *introspect.Array:
		x.explain(h, p, x.Schema.Lookup(t.ElementType))
	case *introspect.Alternate:
		for _, t := range x.alternatives(t) {
			x.explain(h, p, t)
		}
	}
}

// elsewhereAt lists what follows a path in other versions.
func (x *explainer) elsewhereAt(h *Help, path string, has func(string) bool, sign string) {
	if x.Facts == nil {
		return
	}
	components, err := x.Facts.Components(path)
	if err != nil {
		return
	}
	for _, component := range components {
		name, ok := strings.CutPrefix(component, sign)
		if !ok || sign == "" && strings.ContainsAny(component[:1], "+^$") {
			continue
		}
		name = strings.TrimPrefix(name, " ")
		if has(name) || slices.ContainsFunc(h.Elsewhere, func(i Item) bool { return i.Name == name }) {
			continue
		}
		h.Elsewhere = append(h.Elsewhere, Item{Name: name, Note: strings.Join(x.notes(path+"/"+component, "", nil), "; ")})
	}
}

// branches lists the branches of a union. Those with the same members are one.
func (x *explainer) branches(t *introspect.Object) (branches []Branch) {
	for _, v := range t.Variants {
		o, ok := x.Schema.Lookup(v.Type).(*introspect.Object)
		if !ok || len(o.Members) == 0 {
			continue
		}
		var fields []field
		for _, m := range o.Members {
			fields = append(fields, field{Member: m})
		}
		slices.SortStableFunc(fields, func(a, b field) int { return rankOf(a) - rankOf(b) })
		var names []string
		for _, f := range fields {
			names = append(names, f.Name)
		}
		if i := slices.IndexFunc(branches, func(b Branch) bool { return slices.Equal(b.Members, names) }); i >= 0 {
			branches[i].When += "," + v.Case
			continue
		}
		branches = append(branches, Branch{When: t.Tag + "=" + v.Case, Members: names})
	}
	return branches
}

// find follows the names of a member, through any branch that has them.
func (x *explainer) find(p place, typ introspect.Info, key string) (*Help, place, error) {
	var features []string
	needed := false
	var notes []string
	for rest := key; ; {
		if rest == "" {
			break
		}
		name, after, _ := strings.Cut(rest, ".")
		o := x.objectOf(typ)
		if o == nil {
			return nil, p, x.noTopic(rest, p.key()+" has no members", nil)
		}
		if _, isList := typ.(*introspect.Array); isList && strings.Trim(name, "0123456789") == "" {
			rest = after
			continue
		}
		found, names := x.anywhere(p, o, name)
		if len(found) > 1 && after == "" {
			return x.several(p, o, name, found), p.member(name), nil
		}
		f, cases := x.leading(found, after)
		if f == nil {
			return nil, p, x.noTopic(rest, p.key()+" has no member "+fmt.Sprintf("%q", name)+x.elsewhere(p.path+"/"+introspect.Component(name)), near(name, names))
		}
		if len(cases) > 0 && (after == "" || len(cases) <= 3) {
			notes = append(notes, "with "+p.member(o.Tag).key()+"="+strings.Join(some(cases, 6), ", "))
		}
		owner := p.command
		p.path = f.path
		p = p.member(name)
		typ, features, needed = x.Schema.Lookup(f.Type), f.Features, !f.Optional
		rest = after
		if rest == "" {
			notes = append(notes, x.notes(p.path, owner, features)...)
		}
	}
	h := &Help{Kind: "member", Type: x.inWords(p, typ), Notes: notes}
	if needed {
		h.Notes = append([]string{mandatory}, h.Notes...)
	}
	x.explain(h, p, typ)
	return h, p, nil
}

// objectOf returns the object that a type is, or that a list or an alternate leads to.
func (x *explainer) objectOf(typ introspect.Info) *introspect.Object {
	switch t := typ.(type) {
	case *introspect.Object:
		return t
	case *introspect.Array:
		return x.objectOf(x.Schema.Lookup(t.ElementType))
	case *introspect.Alternate:
		for _, t := range x.alternatives(t) {
			if o := x.objectOf(t); o != nil {
				return o
			}
		}
	}
	return nil
}

// noTopic is the error of a topic that is unknown from a place on.
func (x *explainer) noTopic(at, reason string, like []string) error {
	from := max(0, strings.LastIndex(x.topic, at))
	return &Error{From: from, To: from + len(at), Reason: reason + asQuestion(like)}
}

// foreign explains a type, or what other versions have.
func (x *explainer) foreign(name string) (*Help, error) {
	if f := x.fact(name); f != nil {
		h := &Help{Topic: name, Kind: "type", Notes: x.notes(name, "", nil)}
		components, err := x.Facts.Components(name)
		if err != nil {
			components = nil
		}
		path := name
		if slices.Contains(components, "arg-type") {
			h.Kind = "command that this server does not have"
			if strings.ToUpper(name) == name {
				h.Kind = "event that this server does not have"
			}
			path += "/arg-type"
			if components, err = x.Facts.Components(path); err != nil {
				components = nil
			}
		}
		h.Reference = x.Facts.Reference(name)
		for _, c := range components {
			item := Item{Name: strings.TrimPrefix(c, "^"), Note: strings.Join(x.notes(path+"/"+c, name, nil), "; ")}
			switch c[0] {
			case '+', '$':
			case '^':
				h.Values = append(h.Values, item)
			default:
				h.Members = append(h.Members, item)
			}
		}
		return h, nil
	}
	var names []string
	for _, info := range x.Schema.Infos {
		switch info.(type) {
		case *introspect.Command, *introspect.Event:
			names = append(names, info.Head().Name)
		}
	}
	return nil, x.noTopic(name, fmt.Sprintf("there is no command, event or type %q", name), near(name, names))
}
