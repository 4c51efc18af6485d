package cmdline

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/qmpkit/qmpkit/qmp/introspect"
)

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
			c.fail(e.from, e.end(), p.key()+" is given twice", "either "+p.key()+"=[…] or "+p.key()+".0, "+p.key()+".1, …")
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
		switch {
		case first.value == nil && !first.deep && c.atCursor(first.to):
			first.key = g.name
			c.target = &target{place: p, key: true, entry: first, fields: []field{{Member: introspect.Member{Name: strconv.Itoa(next)}}}}
		case err != nil || strconv.Itoa(i) != g.name || i < 0:
			c.fail(g.from, g.to, p.key()+" is a list", p.key()+".0, "+p.key()+".1, … or "+p.key()+"=[…]")
		case i >= len(gs):
			c.missing(fmt.Sprintf("%s.%d is missing before %s.%d", p.key(), next, p.key(), i), "")
		default:
			result[i] = convert(p.element(i), g.entries)
		}
	}
	return result
}
