package cmdline

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"github.com/qmpkit/qmpkit/qapi/facts"
	"github.com/qmpkit/qmpkit/qmp/introspect"
	"github.com/qmpkit/qmpkit/qmp/wire"
)

// A Candidate is a text that can stand at the cursor.
type Candidate struct {
	Text string
	Help string
	// Space reports that the word is then complete, so that a blank can follow.
	Space bool
}

// Complete returns the texts that can take the place of line[from:at]: commands, members, values. The part of the
// line behind the cursor counts, too: a discriminator can follow. Complete asks Values for what the server has
// now, and uses what it has if ctx ends first.
func (l *Language) Complete(ctx context.Context, line string, at int) (from int, candidates []Candidate) {
	at = max(0, min(at, len(line)))
	r := &reader{line: line[:at]}
	q := r.request()
	c := &checker{Language: l, ctx: ctx, end: len(line), cursor: at, json: q.json}
	switch {
	case q.json && q.name != nil && q.name.to == at && (q.name.open || q.name.form == bare):
		return q.name.from, c.commands(q.name, q.oob)
	case q.json:
		if m := last(q.envelope.members); m != nil && m.value == nil && m.to == at {
			return m.from, c.keysOf(m)
		}
	case q.name == nil:
		return at, c.commands(&value{}, false)
	case q.name.to == at:
		return q.name.from, c.commands(q.name, false)
	case !r.inner:
		if at > 0 && isBlank(line[at-1]) {
			q.members = append(q.members, &member{from: at, to: at})
		}
		rest := &reader{line: line, at: at}
		for !rest.end() && !isBlank(rest.peek()) {
			rest.at++
		}
		q.members = append(q.members, rest.pairs()...)
	}
	c.command(q)
	switch t := c.target; {
	case t == nil:
		return at, nil
	case t.key:
		return t.entry.from, c.keys(t)
	default:
		return t.written.from, c.valuesAt(t)
	}
}

// A target is what the cursor is at.
type target struct {
	place
	key     bool // a key stands at the cursor; else a value
	written *value
	entry   entry

	fields []field         // of a key: the members of the object
	given  map[string]bool // the keys of the line
	props  []Value         // the properties of the device or object

	typ   introspect.Info // of a value
	inner bool            // the value is in brackets
	split bool            // the value is an element of a list without brackets
	json  bool            // the value's key is in quotes, so the value is to be JSON
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

func last(members []*member) *member {
	if len(members) == 0 {
		return nil
	}
	return members[len(members)-1]
}

// commands returns the commands that begin with what was written; if oob is true, those that can be executed
// out of band.
func (c *checker) commands(v *value, oob bool) (candidates []Candidate) {
	for command := range c.Schema.Commands() {
		if strings.HasPrefix(command.Name, v.text) && (command.AllowOOB || !oob) {
			text := v.restore(command.Name, false)
			candidates = append(candidates, Candidate{Text: text, Help: c.summary(command), Space: v.form == bare})
		}
	}
	slices.SortStableFunc(candidates, func(a, b Candidate) int { return strings.Compare(a.Text, b.Text) })
	return candidates
}

// summary names the mandatory arguments of a command.
func (c *checker) summary(command *introspect.Command) string {
	var parts []string
	if t, ok := c.Schema.Lookup(command.ArgType).(*introspect.Object); ok {
		optional := false
		for _, m := range t.Members {
			if optional = optional || m.Optional; !m.Optional {
				parts = append(parts, m.Name+"=")
			}
		}
		if optional || len(t.Variants) > 0 || c.openTo(place{command: command.Name}, t, nil).open {
			parts = append(parts, "…")
		}
	}
	text := strings.Join(parts, " ")
	if slices.Contains(command.Features, "deprecated") {
		return joined(text, "deprecated"+c.replacement(command.Name))
	}
	return joined(text, c.young(command.Name, ""))
}

func joined(parts ...string) string {
	return strings.Join(slices.DeleteFunc(parts, func(s string) bool { return s == "" }), "; ")
}

// young says since when something exists, if it is newer than its owner and than the oldest version with facts.
func (l *Language) young(path, owner string) string {
	f := l.fact(path)
	if f == nil || facts.Compare(f.Since.Release, l.Facts.Versions()[0]) <= 0 {
		return ""
	}
	if o := l.fact(owner); owner != "" && o != nil && o.Since.Release == f.Since.Release {
		return ""
	}
	return f.Since.Words("since", "new")
}

// replacement says what to use in place of something.
func (l *Language) replacement(path string) string {
	if f := l.fact(path); f != nil && f.Use != "" {
		return ", use " + f.Use
	}
	return ""
}

// keysOf completes the members of a request in JSON.
func (c *checker) keysOf(m *member) (candidates []Candidate) {
	for _, name := range []string{"execute", "arguments", "exec-oob"} {
		if strings.HasPrefix(name, m.key) {
			candidates = append(candidates, Candidate{Text: keyText(name, m.quoted || m.key == "", true, ": ")})
		}
	}
	return candidates
}

// keyText returns a key as it is written.
func keyText(name string, quoted, exact bool, after string) string {
	if quoted || exact && strings.ContainsAny(name, "=:,[]{}\"' \t\r\n\\") {
		return string(appendQuoted(nil, name)) + after
	}
	return name + after
}

// keys completes a key.
func (c *checker) keys(t *target) (candidates []Candidate) {
	typed := t.entry.key
	add := func(name, after, help string) {
		if strings.HasPrefix(name, typed) && !t.given[name] {
			if t.entry.exact {
				after = ": "
			}
			candidates = append(candidates, Candidate{Text: keyText(name, t.entry.quoted || c.json, t.entry.exact, after), Help: help})
		}
	}
	fields := slices.Clone(t.fields)
	slices.SortStableFunc(fields, func(a, b field) int { return rankOf(a) - rankOf(b) })
	for _, f := range fields {
		if !strings.HasPrefix(f.Name, typed) {
			continue
		}
		at := t.place
		at.path = f.path
		owner := strings.TrimSuffix(f.path, "/arg-type")
		at = at.member(f.Name)
		typ := c.Schema.Lookup(f.Type)
		help := c.inShort(at, typ)
		if typ == nil {
			help = ""
		} else if !f.Optional {
			help = "mandatory: " + help
		}
		if slices.Contains(f.Features, "deprecated") {
			help = joined(help, "deprecated"+c.replacement(at.path))
		}
		if typ == nil && f.Type == "" { // an index
			add(f.Name, "=", help)
			continue
		}
		help = joined(help, c.young(at.path, owner))
		plain, below := true, false
		switch typ := typ.(type) {
		case *introspect.Object:
			plain, below = false, true
		case *introspect.Alternate:
			below = slices.ContainsFunc(c.alternatives(typ), func(t introspect.Info) bool { return introspect.JSONType(t) == "object" })
		}
		if plain || t.entry.exact {
			add(f.Name, "=", help)
		}
		if below && !t.entry.exact {
			if plain {
				help = joined("members of a new one", c.young(at.path, owner))
			}
			add(f.Name, ".", help)
		}
	}
	for _, v := range sorted(t.props) {
		if slices.ContainsFunc(fields, func(f field) bool { return f.Name == v.Text }) || !isPlainKey(v.Text) || !isSettable(v) {
			continue
		}
		add(v.Text, "=", v.help())
	}
	return candidates
}

// inShort describes a type in a few words.
func (c *checker) inShort(p place, t introspect.Info) string {
	if e, ok := t.(*introspect.Enum); ok && len(e.Members) > 10 {
		return "one of " + strconv.Itoa(len(e.Members)) + " values"
	}
	return c.inWords(p, t)
}

// sorted sorts properties by name, those for tests and experiments last.
func sorted(values []Value) []Value {
	return slices.SortedStableFunc(slices.Values(values), func(a, b Value) int {
		if x := strings.HasPrefix(a.Text, "x-"); x != strings.HasPrefix(b.Text, "x-") {
			if x {
				return 1
			}
			return -1
		}
		return strings.Compare(a.Text, b.Text)
	})
}

// help returns the type of a property and what else is known of it.
func (v Value) help() string {
	if v.Type == "" || v.Help == v.Type || strings.HasPrefix(v.Help, v.Type+" ") {
		return v.Help
	}
	return strings.TrimSuffix(v.Type+": "+v.Help, ": ")
}

// isSettable reports whether a property can be given: a child is a part of the device.
func isSettable(v Value) bool { return !strings.HasPrefix(v.Type, "child<") }

// isPlainKey reports whether a property can be written as a key.
func isPlainKey(name string) bool {
	return name != "" && !strings.ContainsAny(name, ".=:,{}\"' \t\r\n\\")
}

// rankOf orders members: the mandatory ones, the optional ones, those that are deprecated.
func rankOf(f field) int {
	switch {
	case slices.Contains(f.Features, "deprecated"):
		return 2
	case f.Optional:
		return 1
	}
	return 0
}

// valuesAt completes a value.
func (c *checker) valuesAt(t *target) (candidates []Candidate) {
	v := t.written
	t.json = t.json || c.json
	if a, ok := t.typ.(*introspect.Array); ok && !t.inner {
		t.typ, t.split = c.Schema.Lookup(a.ElementType), true
		if introspect.JSONType(t.typ) != "string" && introspect.JSONType(t.typ) != "int" {
			return c.brackets(v, "[")
		}
	}
	seen := map[string]bool{}
	add := func(text, help string, literal bool) {
		if !strings.HasPrefix(text, v.text) || seen[text] || literal && v.form == quoted {
			return
		}
		seen[text] = true
		v := v
		if t.json && v.form == bare && !literal {
			v = &value{form: quoted}
		}
		shown := v.restore(text, !literal && c.isMistaken(t.typ, text) || t.inner && strings.ContainsAny(text, ",[]{}"))
		if t.split && strings.ContainsAny(shown, ",'\"") {
			return
		}
		if strings.HasSuffix(text, "/") && v.form == quoted {
			shown = shown[:len(shown)-1]
		}
		candidates = append(candidates, Candidate{Text: shown, Help: help, Space: !t.inner && !t.split && !strings.HasSuffix(text, "/")})
	}
	types := []introspect.Info{t.typ}
	if a, ok := t.typ.(*introspect.Alternate); ok {
		types = c.alternatives(a)
		if c.isReference(a) && len(c.kindsOf(t.place)) == 0 {
			for _, node := range c.values(c.ctx, "node") {
				add(node.Text, node.Help, false)
			}
		}
	}
	for _, typ := range types {
		switch typ := typ.(type) {
		case *introspect.Enum:
			for _, m := range byName(typ.Members) {
				if strings.HasPrefix(m.Name, v.text) {
					help := c.young(t.path+"/^"+m.Name, t.path)
					if slices.Contains(m.Features, "deprecated") {
						help = joined("deprecated"+c.replacement(t.path+"/^"+m.Name), help)
					}
					add(m.Name, help, false)
				}
			}
			continue
		case *introspect.Object:
			if t.inner || len(types) == 1 {
				candidates = append(candidates, c.brackets(v, "{")...)
			}
			continue
		case *introspect.Array:
			if t.inner || len(types) == 1 {
				candidates = append(candidates, c.brackets(v, "[")...)
			}
			continue
		case *propertyType:
			c.ofProperty(t, typ, add)
		}
		switch introspect.JSONType(typ) {
		case "boolean":
			c.booleans(t, add)
		case "null":
			add("null", "nothing", true)
		case "string", "int", "value":
			for _, kind := range c.kindsOf(t.place) {
				for _, value := range c.values(c.ctx, kind.typed(v.text)) {
					add(value.Text, value.Help, introspect.JSONType(typ) == "int")
				}
			}
		}
	}
	return candidates
}

// byName sorts the values of an enum by name. The order of the schema means nothing to people.
func byName(members []introspect.EnumMember) []introspect.EnumMember {
	return slices.SortedFunc(slices.Values(members), func(a, b introspect.EnumMember) int { return strings.Compare(a.Name, b.Name) })
}

// typed adds what was typed to a kind that has too many values to list.
func (k Kind) typed(text string) Kind {
	if k == "file" || k == "qom-path" {
		return k + Kind(":"+text)
	}
	return k
}

// brackets offers the bracket that begins a value.
func (c *checker) brackets(v *value, bracket string) []Candidate {
	if v.form != bare || v.text != "" {
		return nil
	}
	return []Candidate{{Text: bracket}}
}

// booleans completes a boolean.
func (c *checker) booleans(t *target, add func(text, help string, literal bool)) {
	names := []string{"on", "off"}
	if t.json || t.written.text != "" && strings.HasPrefix("true", t.written.text) || t.written.text != "" && strings.HasPrefix("false", t.written.text) {
		names = append([]string{"true", "false"}, names...)
		if t.json {
			names = names[:2]
		}
	}
	for _, name := range names {
		add(name, "", true)
	}
}

// ofProperty completes the value of a property.
func (c *checker) ofProperty(t *target, typ *propertyType, add func(text, help string, literal bool)) {
	if typ.name == "bool" {
		c.booleans(t, add)
		return
	}
	if of, ok := strings.CutPrefix(typ.name, "link<"); ok {
		for _, v := range c.values(c.ctx, Kind("object:"+strings.TrimSuffix(of, ">"))) {
			add(v.Text, v.Help, false)
		}
	}
	if c.Facts == nil || typ.name == "" || strings.ContainsAny(typ.name, "/<> ") {
		return
	}
	components, err := c.Facts.Components(typ.name)
	if err != nil {
		return
	}
	for _, component := range components {
		if name, ok := strings.CutPrefix(component, "^"); ok {
			add(name, "", false)
		}
	}
}

// isMistaken reports whether text without quotes would not be taken for a string.
func (c *checker) isMistaken(t introspect.Info, text string) bool {
	switch t := t.(type) {
	case *introspect.Alternate:
		for _, typ := range c.alternatives(t) {
			if takesBare(typ, text) {
				return introspect.JSONType(typ) != "string"
			}
		}
	case *propertyType:
		if t.name != "" {
			return false
		}
		_, isString := (&checker{cursor: -1}).freeScalar(place{}, t, &value{text: text}).(string)
		return !isString
	}
	return false
}

// restore writes a text in the form that the value has, or in quotes if it needs them.
func (v *value) restore(text string, quote bool) string {
	switch {
	case v.form == quoted:
		if !v.single || strings.Contains(text, "'") {
			return string(appendQuoted(nil, text))
		}
		return "'" + text + "'"
	case text == "" || quote || strings.ContainsAny(text, " \t\r\n\"'\\") || strings.IndexByte("[{", text[0]) >= 0 || strings.IndexFunc(text, isControl) >= 0:
		if strings.Contains(text, "'") || strings.IndexFunc(text, isControl) >= 0 {
			return string(appendQuoted(nil, text))
		}
		return "'" + text + "'"
	}
	return text
}

func isControl(c rune) bool { return c < ' ' || c == 0x7f || !strconv.IsPrint(c) && c != ' ' }

// appendQuoted appends a string of JSON.
func appendQuoted(to []byte, text string) []byte {
	e := wire.NewEncoder(to)
	e.String(strings.ToValidUTF8(text, "\uFFFD"))
	return e.Bytes()
}
