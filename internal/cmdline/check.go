package cmdline

import (
	"context"
	"slices"
	"strings"

	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/introspect"
)

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
		c.fail(again.from, again.end(), p.key()+" is given twice", "")
		return nil
	}
	if e.value == nil {
		c.noValue(p, *e, p.key()+"=VALUE")
		return nil
	}
	return e
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
			at = at.member(g.name)
			at.siblings = all
			c.warn(at.path, fields[i].Features, g.from, g.to, at.key())
			if p.command == "transaction" && g.name == "data" {
				at.command, at.names = tagOf(t.Tag, all), nil
			}
			result[g.name] = c.value(at, c.typeOf(at, fields[i].Type, all), g.entries)
		case len(fields) > 0 && c.isNameless(p, g, fields, given):
		case props.open:
			at := p.member(g.name)
			at.siblings = all
			result[g.name] = c.free(at, c.property(p, g, props), g.entries)
		default:
			c.unknown(p, t, g, fields, undecided, undecided != nil && tagOf(undecided.Tag, all) != "")
		}
	}
	c.missingOf(p, fields, given)
	return result
}
