package cmdline

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/introspect"
)

// An entry is a value for a place, or for something below the place.
type entry struct {
	key      string // the part of the key that is left: "driver" of file.driver at the place file
	deep     bool   // the value is for the member that key names; else it is for the place itself
	exact    bool   // the key was in braces, where a dot has no meaning
	quoted   bool
	from, to int    // of what is left of the key
	value    *value // nil if nothing follows the key
}

// entries returns the entries of members.
func entries(members []*member, exact bool) (all []entry) {
	for _, m := range members {
		e := entry{key: m.key, deep: true, exact: exact, quoted: m.quoted, from: m.from, to: m.to, value: m.value}
		if !exact && m.value != nil && m.value.form == object && m.key == "" {
			e.deep = false
		}
		all = append(all, e)
	}
	return all
}

// A place is where a value goes.
type place struct {
	command  string   // whose members these are: that of a transaction's action, too
	names    []string // of the members that lead there from the command, without indices
	shown    []string // the same for people, with indices
	path     string   // the same as a path of package introspect
	from, to int      // of the key that leads there
	siblings []entry  // of the last member
}

// member returns the place of a member of an object.
func (p place) member(name string, from, to int) place {
	p.names = append(slices.Clip(p.names), name)
	p.shown = append(slices.Clip(p.shown), name)
	p.path += "/" + introspect.Component(name)
	p.from, p.to = from, to
	return p
}

// element returns the place of an element of a list.
func (p place) element(i int) place {
	p.shown = append(slices.Clip(p.shown), strconv.Itoa(i))
	return p
}

// key returns the place as people write it: "file.driver", "children.0".
func (p place) key() string {
	if len(p.shown) == 0 {
		return p.command
	}
	return strings.Join(p.shown, ".")
}

// name returns the name of the last member, or "" for the arguments.
func (p place) name() string {
	if len(p.names) == 0 {
		return ""
	}
	return p.names[len(p.names)-1]
}

// A target is what the cursor is at.
type target struct {
	place
	key     bool // a key is to be completed; else a value
	written *value
	entry   entry

	fields []field         // of a key: the members of the object
	given  map[string]bool // those that the line has
	props  []Value         // the properties of the device or object

	typ   introspect.Info // of a value
	inner bool            // the value is in brackets
	split bool            // the value is an element of a list without brackets
	json  bool            // the value's key is in quotes, so the value is to be JSON
}

// A checker compares what is written with the schema, and converts it.
type checker struct {
	*Language
	ctx      context.Context
	end      int // of the line
	cursor   int // where a completion is asked for; -1 for none
	target   *target
	errs     []*Error
	warnings []Warning
	json     bool // the line is a request in JSON: what is offered is JSON, too
}

// fail notes a mistake. If the text is empty and ends the line, something is missing there, which is no mistake yet.
func (c *checker) fail(from, to int, reason, want string) {
	c.errs = append(c.errs, &Error{From: from, To: to, Reason: reason, Want: want, Incomplete: from == to && to == c.end})
}

// noValue notes that a key has no value.
func (c *checker) noValue(p place, e entry, want string) {
	if !c.atCursor(e.to) {
		c.errs = append(c.errs, &Error{From: e.from, To: e.to, Reason: p.key() + " has no value", Want: want, Incomplete: e.to == c.end})
	}
}

// missing notes that something mandatory is missing. Its place is the end of the line, or of the braces.
func (c *checker) missing(reason, want string) {
	c.errs = append(c.errs, &Error{From: c.end, To: c.end, Reason: reason, Want: want, Incomplete: true})
}

// atCursor reports whether the text from from to to ends at the cursor.
func (c *checker) atCursor(to int) bool { return c.cursor >= 0 && to == c.cursor }

// A field is a member that an object can have.
type field struct {
	introspect.Member
	path string // of the object or the branch that has it
}

// fieldsOf returns the members of an object, including those of the branches that the entries select. The second
// result is the union whose discriminator is missing or wrong, or nil.
func (c *checker) fieldsOf(p place, t *introspect.Object, all []entry) (fields []field, undecided *introspect.Object) {
	path := p.path
	for seen := []*introspect.Object{}; t != nil && !slices.Contains(seen, t); {
		seen = append(seen, t)
		for _, m := range t.Members {
			if !slices.ContainsFunc(fields, func(f field) bool { return f.Name == m.Name }) {
				fields = append(fields, field{m, path})
			}
		}
		if t.Tag == "" {
			return fields, nil
		}
		v := t.Variant(tagOf(t.Tag, all))
		if v == nil {
			return fields, t
		}
		path += "/+" + v.Case
		t, _ = c.Schema.Lookup(v.Type).(*introspect.Object)
	}
	return fields, nil
}

// tagOf returns the text of the discriminator.
func tagOf(tag string, all []entry) string {
	for _, e := range all {
		if e.deep && e.key == tag && e.value != nil && e.value.form <= quoted {
			return e.value.text
		}
	}
	return ""
}

// A group is the entries for one member.
type group struct {
	name     string
	from, to int // of the name where it stands first
	entries  []entry
}

// groups sorts the entries of an object by its members. A name may have dots.
func groups(fields []field, all []entry) (gs []*group) {
	for _, e := range all {
		name := e.key
		if !e.exact {
			name, _, _ = strings.Cut(e.key, ".")
			for _, f := range fields {
				if len(f.Name) > len(name) && (f.Name == e.key || strings.HasPrefix(e.key, f.Name+".")) {
					name = f.Name
				}
			}
		}
		sub := e
		sub.key, sub.deep = "", false
		if !e.exact && len(name) < len(e.key) {
			sub.key, sub.deep = e.key[len(name)+1:], true
			sub.from = e.to - len(sub.key)
		}
		i := slices.IndexFunc(gs, func(g *group) bool { return g.name == name })
		if i < 0 {
			to := e.to
			if sub.deep {
				to = sub.from - 1
			}
			gs = append(gs, &group{name: name, from: e.from, to: to})
			i = len(gs) - 1
		}
		gs[i].entries = append(gs[i].entries, sub)
	}
	return gs
}

// value converts the entries of a place to a value of a type. The result is of a type that qmp.Args can
// have. After a mistake, it is undefined.
func (c *checker) value(p place, typ introspect.Info, all []entry) any {
	if t, ok := typ.(*introspect.Alternate); ok {
		typ = c.alternative(p, t, all)
		if typ == nil {
			return nil
		}
	}
	switch t := typ.(type) {
	case *introspect.Object:
		return c.object(p, t, c.members(p, all))
	case *introspect.Array:
		return c.array(p, t, all)
	case *introspect.Enum:
		if e := c.single(p, all); e != nil {
			return c.enum(p, t, e)
		}
	case *introspect.Builtin:
		if t.JSONType == "value" || t.JSONType == "object" || t.JSONType == "array" {
			return c.free(p, nil, all)
		}
		if e := c.single(p, all); e != nil {
			return c.scalar(p, t, e)
		}
	case *propertyType:
		return c.free(p, t, all)
	default:
		return c.free(p, nil, all)
	}
	return nil
}

// single returns the entry of a place that takes one value. It returns nil after a mistake, and if there is
// no value yet.
func (c *checker) single(p place, all []entry) *entry {
	e := &all[0]
	for i := range all {
		if all[i].deep {
			c.fail(all[i].from, all[i].to, p.key()+" has no members", p.key()+"=VALUE")
			return nil
		}
	}
	if len(all) > 1 {
		again := all[1]
		c.fail(again.from, valueEnd(again), p.key()+" is given twice", "")
		return nil
	}
	if e.value == nil {
		c.noValue(p, *e, p.key()+"=VALUE")
		return nil
	}
	return e
}

func valueEnd(e entry) int {
	if e.value != nil {
		return e.value.to
	}
	return e.to
}

// members returns the entries of an object's members: those with longer keys, and those in braces.
func (c *checker) members(p place, all []entry) (in []entry) {
	for _, e := range all {
		switch {
		case e.deep:
			in = append(in, e)
		case e.value == nil:
			c.noValue(p, e, "members: "+p.key()+".NAME=VALUE, or "+p.key()+"={…}")
		case e.value.form == object:
			in = append(in, entries(e.value.members, true)...)
		case c.atCursor(e.value.to) && (e.value.form == bare || e.value.open):
			c.target = &target{place: p, written: e.value, typ: &introspect.Object{}, inner: e.exact, json: e.quoted}
		default:
			c.fail(e.value.from, e.value.to, p.key()+" is an object", "members: "+p.key()+".NAME=VALUE, or "+p.key()+"={…}")
		}
	}
	return in
}

// object converts the entries of an object.
func (c *checker) object(p place, t *introspect.Object, all []entry) any {
	fields, undecided := c.fieldsOf(p, t, all)
	props := c.openTo(p, t, all)
	result := qmp.Args{}
	given := map[string]bool{}
	for _, g := range groups(fields, all) {
		given[g.name] = true
		c.keyTarget(p, g, fields, given, props)
		i := slices.IndexFunc(fields, func(f field) bool { return f.Name == g.name })
		switch {
		case i >= 0:
			at := p
			at.path = fields[i].path
			at = at.member(g.name, g.from, g.to)
			at.siblings = all
			c.warn(at.path, fields[i].Features, g.from, g.to, at.key())
			if p.command == "transaction" && g.name == "data" {
				at.command, at.names = tagOf(t.Tag, all), nil
			}
			result[g.name] = c.value(at, c.typeOf(at, fields[i].Type, all), g.entries)
		case len(fields) > 0 && c.isNameless(p, g, fields, given):
		case props.open:
			at := p.member(g.name, g.from, g.to)
			at.siblings = all
			result[g.name] = c.free(at, c.property(p, g, props), g.entries)
		default:
			c.unknown(p, t, g, fields, undecided)
		}
	}
	c.missingOf(p, fields, given)
	return result
}

// missingOf notes the mandatory members that are missing.
func (c *checker) missingOf(p place, fields []field, given map[string]bool) {
	var names []string
	want := ""
	for _, f := range fields {
		if f.Optional || given[f.Name] {
			continue
		}
		at := p
		at.path = f.path
		at = at.member(f.Name, c.end, c.end)
		names = append(names, at.key())
		if want == "" {
			want = at.key() + "=" + c.inWords(at, c.Schema.Lookup(f.Type))
		}
	}
	switch len(names) {
	case 0:
	case 1:
		c.missing("the mandatory member "+names[0]+" is missing", want)
	default:
		c.missing("the mandatory members "+strings.Join(names, ", ")+" are missing", want)
	}
}

// isNameless notes a mistake if a word without an equals sign is not the name of a member, but rather a value whose name was
// left out: "device_del disk0".
func (c *checker) isNameless(p place, g *group, fields []field, given map[string]bool) bool {
	e := g.entries[0]
	if len(g.entries) > 1 || e.deep || e.exact || e.value != nil || g.name == "" || c.atCursor(e.to) {
		return false
	}
	var names []string
	want := "NAME=" + g.name
	for _, f := range slices.Backward(fields) {
		names = append(names, f.Name)
		if !f.Optional && !given[f.Name] {
			want = f.Name + "=" + g.name
		}
	}
	if len(near(g.name, names)) > 0 {
		return false
	}
	c.fail(g.from, e.to, strconv.Quote(g.name)+" is a value without a name", want)
	return true
}

// keyTarget notes that the cursor is at a key of the object.
func (c *checker) keyTarget(p place, g *group, fields []field, given map[string]bool, props properties) {
	for _, e := range g.entries {
		if !e.deep && e.value == nil && c.atCursor(e.to) {
			if len(g.entries) == 1 {
				delete(given, g.name)
			}
			e.key = g.name
			c.target = &target{place: p, key: true, entry: e, fields: fields, given: given, props: props.values}
		}
	}
}

// array converts the entries of a list.
func (c *checker) array(p place, t *introspect.Array, all []entry) any {
	element := c.Schema.Lookup(t.ElementType)
	if slices.ContainsFunc(all, func(e entry) bool { return e.deep }) {
		return c.indexed(p, all, func(at place, in []entry) any { return c.value(at, element, in) })
	}
	e := c.single(p, all)
	if e == nil {
		return nil
	}
	v := e.value
	elements := v.elements
	switch {
	case v.form == list:
	case v.form == object:
		c.fail(v.from, v.to, p.key()+" is a list", "[…]")
		return nil
	case e.exact && v.form == bare && c.atCursor(v.to):
		c.target = &target{place: p, written: v, typ: t, inner: true, json: e.quoted}
		return nil
	case e.exact:
		c.fail(v.from, v.to, p.key()+" is a list", "["+v.text+"]")
		return nil
	default:
		elements = split(v)
		if v.text == "" && c.atCursor(v.to) {
			c.target = &target{place: p, written: v, typ: t}
			return nil
		}
	}
	result := []any{}
	for i, v := range elements {
		result = append(result, c.value(p.element(i), element, []entry{{exact: v.form != bare || e.value.form == list, from: v.from, to: v.to, value: v}}))
		if c.target != nil && c.target.written == v {
			c.target.split = e.value.form == bare
		}
	}
	return result
}

// split takes a list without brackets apart: a,b.
func split(v *value) (elements []*value) {
	if v.form == quoted || v.escaped {
		return []*value{v}
	}
	if v.text == "" {
		return nil
	}
	from := v.from
	for text := range strings.SplitSeq(v.text, ",") {
		elements = append(elements, &value{from: from, to: from + len(text), text: text})
		from += len(text) + 1
	}
	return elements
}

// indexed converts the entries of a list whose keys begin with an index: bitmaps.0=x.
func (c *checker) indexed(p place, all []entry, convert func(place, []entry) any) any {
	for _, e := range all {
		if !e.deep {
			c.fail(e.from, valueEnd(e), p.key()+" is given twice", "either "+p.key()+"=[…] or "+p.key()+".0, "+p.key()+".1, …")
			return nil
		}
	}
	gs := groups(nil, all)
	given := map[string]bool{}
	for _, g := range gs {
		given[g.name] = true
	}
	next := 0 // the first index that is not given
	for given[strconv.Itoa(next)] {
		next++
	}
	result := make([]any, len(gs))
	for _, g := range gs {
		i, err := strconv.Atoi(g.name)
		first := g.entries[0]
		at := p
		at.from, at.to = g.from, g.to
		switch {
		case first.value == nil && !first.deep && c.atCursor(first.to):
			first.key = g.name
			c.target = &target{place: p, key: true, entry: first, fields: []field{{Member: introspect.Member{Name: strconv.Itoa(next)}}}}
		case err != nil || strconv.Itoa(i) != g.name || i < 0:
			c.fail(g.from, g.to, p.key()+" is a list", p.key()+".0, "+p.key()+".1, … or "+p.key()+"=[…]")
		case i >= len(gs):
			c.missing(fmt.Sprintf("%s.%d is missing before %s.%d", p.key(), next, p.key(), i), "")
		default:
			result[i] = convert(at.element(i), g.entries)
		}
	}
	return result
}

// alternative chooses the type of a value that can have several. It returns nil after a mistake, and if the
// cursor is at the value.
func (c *checker) alternative(p place, t *introspect.Alternate, all []entry) introspect.Info {
	types := c.alternatives(t)
	first := all[0]
	for _, e := range all {
		if e.deep {
			first = e
		}
	}
	find := func(fits func(introspect.Info) bool) introspect.Info {
		if i := slices.IndexFunc(types, fits); i >= 0 {
			return types[i]
		}
		return nil
	}
	isObject := func(t introspect.Info) bool { return introspect.JSONType(t) == "object" }
	isArray := func(t introspect.Info) bool { return introspect.JSONType(t) == "array" }
	isString := func(t introspect.Info) bool { return introspect.JSONType(t) == "string" }
	var typ introspect.Info
	v := first.value
	switch {
	case first.deep && first.key != "" && first.key[0] >= '0' && first.key[0] <= '9':
		if typ = find(isArray); typ == nil {
			typ = find(isObject)
		}
	case first.deep:
		if typ = find(isObject); typ == nil {
			typ = find(isArray)
		}
	case v == nil:
		c.noValue(p, first, c.inWords(p, t))
		return nil
	case v.form == object:
		typ = find(isObject)
	case v.form == list:
		typ = find(isArray)
	case c.atCursor(v.to) && (v.form == bare || v.open):
		c.target = &target{place: p, written: v, typ: t, inner: first.exact, json: first.quoted}
		return nil
	case v.form == quoted:
		typ = find(isString)
	default:
		typ = find(func(t introspect.Info) bool { return takesBare(t, v.text) })
	}
	if typ == nil {
		from, to := first.from, first.to
		if v != nil {
			from, to = v.from, v.to
		}
		c.fail(from, to, p.key()+" takes no such value", c.inWords(p, t))
	}
	return typ
}

// alternatives returns the types of an alternate, without alternates. The order is that in which takesBare
// is to be asked: null, boolean, numbers, enums, strings.
func (c *checker) alternatives(t *introspect.Alternate) (types []introspect.Info) {
	for _, name := range t.Types {
		if typ := c.Schema.Lookup(name); typ != nil {
			if _, deep := typ.(*introspect.Alternate); !deep {
				types = append(types, typ)
			}
		}
	}
	order := []string{"null", "boolean", "int", "number", "string"}
	rank := func(t introspect.Info) int { return slices.Index(order, introspect.JSONType(t)) }
	slices.SortStableFunc(types, func(a, b introspect.Info) int { return rank(a) - rank(b) })
	return types
}

// takesBare reports whether text without quotes is a value of a type.
func takesBare(t introspect.Info, text string) bool {
	switch introspect.JSONType(t) {
	case "null":
		return text == "null"
	case "boolean":
		_, ok := parseBool(text)
		return ok
	case "int":
		_, ok := parseInt(text, false)
		return ok
	case "number":
		return isNumber(text)
	case "string", "value":
		return true
	}
	return false
}
