package cmdline

import (
	"fmt"
	"math/big"
	"strconv"
	"strings"

	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/introspect"
)

// parseBool reads a boolean as people and QEMU's command line write it.
func parseBool(text string) (value, ok bool) {
	switch text {
	case "on", "true":
		return true, true
	case "off", "false":
		return false, true
	}
	return false, false
}

// parseInt reads an integer of 64 bits, signed or not, decimal or hexadecimal. If size is true, the text may end
// with a binary unit: 10G, 1.5M, 64KiB.
func parseInt(text string, size bool) (value any, ok bool) {
	digits, negative := strings.CutPrefix(text, "-")
	base := 10
	if hex, ok := strings.CutPrefix(strings.ToLower(digits), "0x"); ok {
		digits, base = hex, 16
	}
	if digits == "" || digits[0] == '+' || digits[0] == '-' {
		return nil, false
	}
	u, err := strconv.ParseUint(digits, base, 64)
	if err != nil {
		if size && base == 10 && !negative {
			return parseSize(text)
		}
		return nil, false
	}
	switch {
	case !negative && u < 1<<63:
		return int64(u), true
	case !negative:
		return u, true
	case u <= 1<<63:
		return int64(-u), true
	}
	return nil, false
}

// parseSize reads a size with a unit. The unit is a power of 1024, as it is for QEMU.
func parseSize(text string) (any, bool) {
	i := strings.IndexFunc(text, func(c rune) bool { return (c < '0' || '9' < c) && c != '.' })
	if i <= 0 {
		return nil, false
	}
	unit := strings.ToUpper(text[i:])
	if len(unit) > 1 && !strings.HasSuffix(unit, "IB") && unit[1:] != "B" {
		return nil, false
	}
	shift := strings.IndexByte("BKMGTPE", unit[0])
	if shift < 0 || unit[0] == 'B' && len(unit) > 1 || len(unit) > 3 {
		return nil, false
	}
	number := text[:i]
	if strings.Count(number, ".") > 1 || number[0] == '.' || number[len(number)-1] == '.' || len(number) > 40 {
		return nil, false
	}
	n, ok := new(big.Rat).SetString(number)
	if !ok {
		return nil, false
	}
	n.Mul(n, new(big.Rat).SetInt(new(big.Int).Lsh(big.NewInt(1), uint(10*shift))))
	if !n.IsInt() || !n.Num().IsUint64() {
		return nil, false
	}
	if n.Num().IsInt64() {
		return n.Num().Int64(), true
	}
	return n.Num().Uint64(), true
}

// isNumber reports whether a text is a number of JSON.
func isNumber(text string) bool {
	if text == "" || text[0] != '-' && (text[0] < '0' || '9' < text[0]) {
		return false
	}
	var raw qmp.Args
	return raw.UnmarshalJSON([]byte(`{"n":`+text+`}`)) == nil && len(raw) == 1
}

// isSize reports whether an integer with this name counts bytes, so that a unit makes sense.
func isSize(p place) bool {
	name := p.name()
	switch {
	case strings.HasSuffix(name, "max-length"), strings.HasSuffix(name, "max_length"): // of a burst, in seconds
		return false
	case name == "write-threshold":
		return true
	case name == "val":
		return p.command == "memsave" || p.command == "pmemsave"
	case name == "value":
		return p.command == "balloon" || p.command == "migrate_set_speed" || p.command == "migrate-set-cache-size"
	}
	for part := range strings.FieldsFuncSeq(name, func(c rune) bool { return c == '-' || c == '_' }) {
		switch part {
		case "size", "speed", "bandwidth", "offset", "granularity", "bps", "len", "length", "transfer", "chunk", "align", "discard",
			"zero", "readahead", "mem", "begin", "start", "dpa", "gpa", "sndbuf", "hugetlbsize":
			return true
		}
	}
	return false
}

// isRate reports whether a size with this name is one for each second.
func isRate(name string) bool {
	return strings.Contains(name, "bps") || strings.Contains(name, "speed") || strings.Contains(name, "bandwidth")
}

// scalar converts a value of a type of JSON: a string, a number, a boolean or null.
func (c *checker) scalar(p place, t *introspect.Builtin, e *entry) any {
	v := e.value
	if c.atCursor(v.to) && (v.form == bare || v.open) {
		c.target = &target{place: p, written: v, typ: t, inner: e.exact, json: e.quoted}
		return nil
	}
	switch {
	case v.form > quoted:
		c.fail(v.from, v.to, p.key()+" takes no "+v.form.String(), c.inWords(p, t))
		return nil
	case t.JSONType == "string":
		return v.text
	case v.form == quoted:
		c.fail(v.from, v.to, p.key()+" takes no string", c.inWords(p, t)+", without quotes")
		return nil
	case t.JSONType == "int":
		if n, ok := parseInt(v.text, isSize(p)); ok {
			return n
		}
	case t.JSONType == "number":
		if isNumber(v.text) {
			return qmp.RawJSON(v.text)
		}
	case t.JSONType == "boolean":
		if b, ok := parseBool(v.text); ok {
			return b
		}
	case v.text == "null":
		return nil
	}
	if v.text == "" {
		c.fail(v.from, v.to, p.key()+": a value is missing", c.wantsOf(p, t))
		return nil
	}
	c.fail(v.from, v.to, fmt.Sprintf("%s: %q is not %s", p.key(), v.text, c.inWords(p, t)), c.wantsOf(p, t))
	return nil
}

// enum converts a value of an enum.
func (c *checker) enum(p place, t *introspect.Enum, e *entry) any {
	v := e.value
	if c.atCursor(v.to) && (v.form == bare || v.open) {
		c.target = &target{place: p, written: v, typ: t, inner: e.exact, json: e.quoted}
		return nil
	}
	if v.form > quoted {
		c.fail(v.from, v.to, p.key()+" takes no "+v.form.String(), c.inWords(p, t))
		return nil
	}
	if v.text == "" && v.form == bare {
		c.fail(v.from, v.to, p.key()+": a value is missing", c.inWords(p, t))
		return nil
	}
	if m := t.Member(v.text); m != nil {
		c.warn(p.path+"/^"+v.text, m.Features, v.from, v.to, p.key()+"="+v.text)
		return v.text
	}
	var names []string
	for _, m := range t.Members {
		names = append(names, m.Name)
	}
	reason := p.key() + " has no value " + strconv.Quote(v.text) + c.elsewhere(p.path+"/^"+v.text)
	c.fail(v.from, v.to, reason, c.inWords(p, t)+didYouMean(v.text, names))
	return nil
}

// A propertyType is the type of a property of a device or an object, for which the schema has no type.
type propertyType struct {
	introspect.Builtin
	name   string         // QEMU's name for it: "uint32", "OnOffAuto"; "" if it is not known
	values func() []Value // of an object, its members; nil if they are not known
}

// isInt reports whether the type is one of QOM's integers.
func (t *propertyType) isInt() bool {
	switch t.name {
	case "int", "int8", "int16", "int32", "int64", "uint4", "uint8", "uint16", "uint32", "uint64", "size":
		return true
	}
	return false
}

// free converts a value whose type the schema does not have. t is nil if nothing is known about it.
func (c *checker) free(p place, t *propertyType, all []entry) any {
	if t == nil {
		t = &propertyType{}
	}
	for _, e := range all {
		if e.deep || len(all) > 1 && e.value != nil && e.value.form == object {
			return c.freeMembers(p, t, all)
		}
	}
	e := c.single(p, all)
	if e == nil {
		return nil
	}
	v := e.value
	if c.atCursor(v.to) && (v.form == bare || v.open) {
		c.target = &target{place: p, written: v, typ: t, inner: e.exact, json: e.quoted}
		return nil
	}
	switch v.form {
	case list:
		result := []any{}
		for i, v := range v.elements {
			result = append(result, c.free(p.element(i), nil, []entry{{exact: true, from: v.from, to: v.to, value: v}}))
		}
		return result
	case object:
		return c.freeMembers(p, t, all)
	case quoted:
		return v.text
	}
	return c.freeScalar(p, t, v)
}

// freeScalar converts text without quotes.
func (c *checker) freeScalar(p place, t *propertyType, v *value) any {
	switch {
	case p.command == "device_add" && p.name() == "addr":
		return v.text // the number 5 would be function 5 of slot 0, and the string "5" is slot 5
	case t.name == "bool":
		if b, ok := parseBool(v.text); ok {
			return b
		}
		c.fail(v.from, v.to, p.key()+" is a boolean", "on or off")
	case t.isInt():
		size := !strings.Contains(p.name(), "freq") // QEMU has units of 1000 there
		if n, ok := parseInt(v.text, size); ok {
			return n
		}
		c.fail(v.from, v.to, p.key()+" is an integer ("+t.name+")", "an integer, or a size such as 64K")
	case t.name == "":
		if n, ok := parseInt(v.text, false); ok && !strings.Contains(v.text, "x") && !strings.Contains(v.text, "X") {
			return n
		}
		switch {
		case v.text == "null":
			return nil
		case v.text == "true", v.text == "false":
			return v.text == "true"
		case isNumber(v.text):
			return qmp.RawJSON(v.text)
		}
	}
	return v.text
}

// freeMembers converts the members of a value without a type: an object, or a list if all keys are indices.
func (c *checker) freeMembers(p place, t *propertyType, all []entry) any {
	in := c.members(p, all)
	dotted, numbers := len(in) > 0, true
	for _, e := range in {
		name, _, _ := strings.Cut(e.key, ".")
		dotted = dotted && !e.exact
		numbers = numbers && name != "" && strings.Trim(name, "0123456789") == ""
	}
	if dotted && numbers {
		return c.indexed(p, in, func(at place, in []entry) any { return c.free(at, nil, in) })
	}
	result := qmp.Args{}
	given := map[string]bool{}
	props := properties{open: true, typ: t}
	if t.values != nil {
		props.values = t.values()
	}
	for _, g := range groups(nil, in) {
		given[g.name] = true
		c.keyTarget(p, g, nil, given, props)
		result[g.name] = c.free(p.member(g.name), c.property(p, g, props), g.entries)
	}
	return result
}
