package facts

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode"

	"github.com/qmpkit/qmpkit/qapi"
	"github.com/qmpkit/qmpkit/qmp/introspect"
)

// A Fact holds everything that is known about a path.
type Fact struct {
	Path  string
	Since Date
	// Removed is the release that removed it. Its Release is "" if it still exists. If QEMU removed and added it
	// again, Since is the first addition, and Removed the last removal.
	Removed Date
	// Deprecated is the release that made it deprecated, and Unstable the one that made it unstable; nil for none.
	Deprecated, Unstable *Date
	// Use is the replacement of a deprecated thing, "" if the schema names none.
	Use string
	// If is the condition of the build that it needs, "" for none.
	If string
	// NewName is true for a type that took the place of another type and whose documentation names an older release.
	// Since may then be the date of the name: the type can be older, under another name. Names of types are not on
	// the wire.
	NewName bool

	spans      []span
	deprecated string
}

// In reports whether a version has the thing, as far as is known. If the thing has a condition, builds may
// lack it.
func (f *Fact) In(version string) bool {
	for _, s := range f.spans {
		if Compare(s.since.Release, version) <= 0 && (s.removed.Release == "" || Compare(version, s.removed.Release) < 0) {
			return true
		}
	}
	return false
}

// Times returns the times in which it existed: several if QEMU removed it and added it again.
func (f *Fact) Times() []Span { return spansOf(f.spans) }

// A place is a node that a path leads to, and the times in which it does.
type place struct {
	target string
	spans  []span
	lists  []span // the times in which it is a list of the target
	conds  []string
	part   *part // the last part of the path
}

// Path returns the facts of a path except deprecation and replacement. The path has the grammar of
// [introspect.Schema.Has]. It begins with a command, an event or the name of a type
// ("BlockdevOptionsFile/aio"). The facts of a type's part do not depend on the things that use the type.
// Path returns nil if no known version has had the path.
//
// The error matches [introspect.ErrQuery] if the path is malformed.
func (t *Table) Path(path string) (*Fact, error) {
	places, err := t.walk(path)
	if err != nil || len(places) == 0 {
		return nil, err
	}
	f := &Fact{Path: path}
	conds := map[string]bool{}
	for _, p := range places {
		f.spans = append(f.spans, p.spans...)
		for _, c := range p.conds {
			conds[c] = true
		}
	}
	f.spans = union(f.spans)
	f.Since, f.Removed = f.spans[0].since, f.spans[len(f.spans)-1].removed
	f.Use = t.useOf(places[len(places)-1].part)
	f.deprecated = places[len(places)-1].part.deprecated
	if n := t.nodes[path]; n != nil {
		f.NewName = f.Since.Instead != nil && t.usesOf(n).replaces
	}
	f.If = strings.Join(slices.Sorted(maps.Keys(conds)), ", ")
	return f, nil
}

// has reports whether something has that name.
func (t *Table) has(name string) bool {
	if name == "" || t.nodes[name] != nil {
		return name != ""
	}
	for p := range t.allParts() {
		if p.label == name || p.label == "^"+name {
			return true
		}
	}
	return false
}

// Fact returns the same as Path, and also deprecation and replacement.
func (t *Table) Fact(path string) (*Fact, error) {
	f, err := t.Path(path)
	if f == nil || err != nil {
		return nil, err
	}
	if f.deprecated != "" {
		f.Deprecated = &Date{Release: f.deprecated, Source: history}
	}
	for feature, date := range map[string]**Date{qapi.Deprecated: &f.Deprecated, qapi.Unstable: &f.Unstable} {
		for _, sign := range []string{"/$", "/$$"} {
			if !t.takes(path, sign) {
				continue
			}
			flag, err := t.Path(path + sign + feature)
			if err != nil {
				return nil, err
			}
			if flag != nil {
				if *date == nil {
					*date = &flag.Since
				}
				f.Use = cmp.Or(f.Use, flag.Use)
			}
		}
	}
	if d := f.Deprecated; d != nil && Compare(d.Release, f.Since.Release) < 0 {
		f.Deprecated = &f.Since // it was deprecated from the beginning
	}
	if err := t.branch(f); err != nil {
		return nil, err
	}
	if name := strings.TrimPrefix(path, "x-"); f.Use == "" && f.Removed.Release != "" && t.nodes[name] != nil && name != path {
		f.Use = name
	}
	return f, nil
}

// branch adds the deprecation of the value that selects a branch to the fact of the branch.
func (t *Table) branch(f *Fact) error {
	i := strings.LastIndexByte(f.Path, '/')
	if i < 0 || f.Path[i+1] != '+' {
		return nil
	}
	places, err := t.walk(f.Path[:i])
	if err != nil {
		return err
	}
	for _, p := range places {
		for _, tag := range t.tags(nil, p.target, 0) {
			value, err := t.Fact(f.Path[:i] + "/" + component(tag) + "/^" + f.Path[i+2:])
			if err != nil {
				return err
			}
			if value != nil {
				f.Deprecated, f.Unstable = cmp.Or(f.Deprecated, value.Deprecated), cmp.Or(f.Unstable, value.Unstable)
				f.Use = cmp.Or(f.Use, value.Use)
				return nil
			}
		}
	}
	return nil
}

// tags adds the discriminators of a node, and of its base and alternatives.
func (t *Table) tags(tags []string, name string, depth int) []string {
	n := t.nodes[name]
	if n == nil || depth > maxDepth {
		return tags
	}
	if tag, _, _ := strings.Cut(n.tag, ":"); tag != "" {
		tags = append(tags, tag)
	}
	for _, p := range n.parts {
		if p.isSilent() {
			tags = t.tags(tags, p.target, depth+1)
		}
	}
	return tags
}

// takes reports whether a path may go on with a feature: "/$" of a command, an event, a type or a value,
// "/$$" of a member.
func (t *Table) takes(path, sign string) bool {
	first, rest, ok := strings.Cut(path, "/")
	last := path[strings.LastIndexByte(path, '/')+1:]
	switch {
	case !ok || last[0] == '^':
		return sign == "/$"
	case strings.ContainsRune("+$!", rune(last[0])), t.nodes[first].isEntry() && !strings.Contains(rest, "/"):
		return false
	}
	return sign == "/$$"
}

func (t *Table) walk(path string) ([]place, error) {
	components := strings.Split(path, "/")
	for _, c := range components {
		if c == "" {
			return nil, fmt.Errorf("%w '%s': a component is empty", introspect.ErrQuery, path)
		}
	}
	entry := t.nodes[components[0]]
	if entry == nil {
		return nil, nil
	}
	places := []place{{target: entry.name, spans: t.entrySpans(entry), conds: conditions(nil, entry.cond), part: &entry.part}}
	var before []place // the places before the last component, for the features of members and values
	for i, c := range components[1:] {
		var label string
		optional := c[0] == '*'
		from := places
		switch {
		case c[0] == '!':
			places = t.typed(places, c[1:])
			continue
		case strings.HasPrefix(c, "$$"), c[0] == '$' && components[i][0] == '^':
			label, from = plain(components[i])+"/"+c, before
		default:
			label = plain(c)
		}
		member := places
		before, places = from, nil
		for _, p := range from {
			places = t.follow(places, p, label, optional, 0)
		}
		if strings.Contains(label, "/") { // a feature exists only while its member or value does
			places = within(places, member)
		}
	}
	return places, nil
}

// within limits some places to the times of others.
func within(places, others []place) (in []place) {
	var spans []span
	for _, p := range others {
		spans = append(spans, p.spans...)
	}
	for _, p := range places {
		if p.spans = intersections(p.spans, union(spans)); p.spans != nil {
			in = append(in, p)
		}
	}
	return in
}

// follow adds the places to which a label leads from another place.
func (t *Table) follow(places []place, from place, label string, optional bool, depth int) []place {
	n := t.nodes[from.target]
	if n == nil || depth > maxDepth {
		return places
	}
	arrows := t.arrowsOf(n)
	for _, a := range arrows[label] {
		spans := a.spans
		if optional {
			spans = a.optional
		}
		if to, ok := from.along(a, spans); ok {
			places = append(places, to)
		}
	}
	for _, as := range arrows {
		for _, a := range as {
			if !a.part.isSilent() {
				break
			}
			if to, ok := from.along(a, a.spans); ok {
				places = t.follow(places, to, label, optional, depth+1)
			}
		}
	}
	return places
}

// typed returns the places with values of a JSON type. A list matches "array" and the type of its elements.
func (t *Table) typed(places []place, jsonType string) (of []place) {
	for _, p := range places {
		if n := t.nodes[p.target]; n != nil && n.isEntry() {
			continue
		}
		of = t.alternatives(of, p)
		if jsonType == "array" {
			of = append(of, p)
		}
	}
	if jsonType != "array" {
		return slices.DeleteFunc(of, func(p place) bool { return t.jsonType(p.target) != jsonType })
	}
	for i := range of {
		of[i].spans = of[i].lists
	}
	return slices.DeleteFunc(of, func(p place) bool { return len(p.spans) == 0 })
}

// alternatives adds a place or, for an alternate, the places of its alternatives.
func (t *Table) alternatives(places []place, p place) []place {
	n := t.nodes[p.target]
	if n == nil || n.kind != "alternate" {
		return append(places, p)
	}
	for label, arrows := range t.arrowsOf(n) {
		for _, a := range arrows {
			if to, ok := p.along(a, a.spans); ok && label[0] == '|' {
				places = append(places, to)
			}
		}
	}
	return places
}

func (p place) along(a arrow, spans []span) (to place, ok bool) {
	to.target, to.part, to.conds = a.target, a.part, conditions(p.conds, a.part.cond)
	to.spans = intersections(p.spans, spans)
	to.lists = intersections(p.spans, a.lists)
	return to, to.spans != nil
}

func conditions(conds []string, cond string) []string {
	if cond == "" || slices.Contains(conds, cond) {
		return conds
	}
	return append(slices.Clip(conds), cond)
}

// plain returns a component without the sign before a member's name.
func plain(component string) string {
	if strings.ContainsRune("+^$<|", rune(component[0])) || unicode.IsLetter(rune(component[0])) {
		return component
	}
	return component[1:]
}

// jsonType returns the JSON type of a type.
func (t *Table) jsonType(name string) string {
	if n := t.nodes[name]; n != nil && n.kind == "enum" {
		return "string"
	} else if n != nil {
		return "object"
	}
	if name == empty {
		return "object"
	}
	return jsonType(name)
}

// jsonType returns the JSON type of a built-in type, "" for another name.
func jsonType(name string) string {
	switch name {
	case "str":
		return "string"
	case "bool":
		return "boolean"
	case "number", "null":
		return name
	case "any":
		return "value"
	case "int", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "size":
		return "int"
	}
	return ""
}
