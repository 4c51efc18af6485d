package gogen

import (
	"fmt"
	"go/format"
	"slices"
	"strconv"
	"strings"
)

// sampler writes the Go code of the examples in the package's comment, for whatever the package has.
// The code is that of a function which has a ctx and a client c, and returns an error.
type sampler struct {
	pkg        *pkg
	types      map[string]decl // enums, objects and alternates by their Go names
	commands   []*command
	enums      []*enum
	objects    []*object
	alternates []*alternate
}

func newSampler(p *pkg) *sampler {
	s := &sampler{pkg: p, types: map[string]decl{}}
	for _, m := range p.modules {
		for _, d := range m.decls {
			switch d := d.(type) {
			case *enum:
				s.types[d.name] = d
				s.enums = append(s.enums, d)
			case *object:
				s.types[d.name] = d
				s.objects = append(s.objects, d)
			case *alternate:
				s.types[d.name] = d
				s.alternates = append(s.alternates, d)
			case *command:
				s.commands = append(s.commands, d)
			}
		}
	}
	return s
}

func commandWire(c *command) string { return c.wire }
func objectName(o *object) string   { return o.name }

// first returns the first item that accept takes, and false if there is none. Items with a preferred name
// come first.
func first[T any](items []T, name func(T) string, preferred []string, accept func(T) bool) (T, bool) {
	rank := func(t T) int {
		if i := slices.Index(preferred, name(t)); i >= 0 {
			return i
		}
		return len(preferred)
	}
	var best T
	found := false
	for _, item := range items {
		if (!found || rank(item) < rank(best)) && accept(item) {
			best, found = item, true
		}
	}
	return best, found
}

// arguments returns the fields of a command's arguments.
func (s *sampler) arguments(c *command) *object {
	if c.args != nil {
		return c.args
	}
	o, _ := s.types[c.argType].(*object)
	return o
}

// texts are values of members that say more than the member's name.
var texts = map[string]string{
	"id": "id1", "job-id": "job1", "node-name": "node1", "device": "node1", "filename": "/images/disk1.raw",
	"path": "/etc/hostname", "password": "secret", "reference": "node1", "url": "http://example.org/disk1.raw", "mode": "r",
}

// text returns a value for a string member.
func text(member string) string {
	if t, ok := texts[member]; ok {
		return strconv.Quote(t)
	}
	return strconv.Quote(member)
}

// value returns an expression of the type for a member with this name, or "" if no value is short.
func (s *sampler) value(t goType, member string, depth int) string {
	switch t := t.(type) {
	case *scalar:
		switch t.name {
		case "string":
			return text(member)
		case "bool":
			return "true"
		}
		if member == "size" {
			return "1 << 30"
		}
		return "1"
	case nullType:
		return "qmp.Null{}"
	case rawType:
		return "qmp.RawJSON(`1`)"
	case *enumType:
		if e, ok := s.types[t.name].(*enum); ok && len(e.values) > 0 {
			return s.qualified(e.values[0].name)
		}
		return `""`
	case *arrayType:
		return s.list(t, member, depth)
	case *structType:
		return s.structure(t.name, depth)
	}
	return ""
}

// pointer returns an expression for a pointer to a value of a type.
func (s *sampler) pointer(t goType, value string) string {
	if name := s.name(t); name != "string" && (value[0] == '"' || value[0] == '1') { // a constant, of another type by itself
		value = name + "(" + value + ")"
	}
	return "new(" + value + ")"
}

func (s *sampler) list(t *arrayType, member string, depth int) string {
	elem := s.value(t.elem, strings.TrimSuffix(member, "s"), depth)
	if elem == "" {
		return ""
	}
	if name := s.name(t.elem); strings.HasPrefix(elem, name+"{") {
		elem = strings.TrimPrefix(elem, name)
	}
	return s.name(t) + "{" + elem + "}"
}

// name returns the type as another package writes it.
func (s *sampler) name(t goType) string {
	switch t := t.(type) {
	case *arrayType:
		return "[]" + s.name(t.elem)
	case *enumType:
		return s.qualified(t.name)
	case *structType:
		return s.qualified(t.name)
	case rawType:
		return "qmp.RawJSON"
	case nullType:
		return "qmp.Null"
	}
	return t.(*scalar).name
}

// structure returns a value of an object with its mandatory members, or of an alternate.
func (s *sampler) structure(name string, depth int) string {
	if depth > 3 {
		return ""
	}
	switch d := s.types[name].(type) {
	case *object:
		return s.object(name, d, depth)
	case *alternate:
		return s.alternate(d, depth)
	}
	return ""
}

func (s *sampler) object(name string, o *object, depth int, optional ...string) string {
	fields, ok := s.mandatory(o, depth)
	if !ok {
		return ""
	}
	return s.composite(name, append(optional, fields...))
}

// mandatory returns the mandatory fields of an object and its branch, or false if one of them has no short
// value.
func (s *sampler) mandatory(o *object, depth int) (fields []string, ok bool) {
	var tag *field
	if o.union != nil {
		tag = o.union.tag
	}
	for _, f := range o.fields {
		if f.optional || f == tag {
			continue
		}
		v := s.value(f.typ, f.wire, depth+1)
		if v == "" {
			return nil, false
		}
		if f.pointer {
			v = s.pointer(f.typ, v)
		}
		fields = append(fields, f.name+": "+v)
	}
	if tag == nil {
		return fields, len(fields) <= 6
	}
	b, v := s.branch(o.union, depth+1)
	switch {
	case v != "" && len(b.values) > 1:
		fields = append(fields, tag.name+": "+s.qualified(b.values[0].name))
	case v == "" && len(o.union.empty) > 0:
		return append(fields, tag.name+": "+s.qualified(o.union.empty[0].name)), true
	case v == "":
		return nil, false
	}
	return append(fields, o.union.field+": &"+v), true
}

// branch returns a branch of a union and a value of it, or "" if no branch has a short value.
func (s *sampler) branch(u *union, depth int) (branch, string) {
	value := ""
	b, _ := first(u.branches, func(b branch) string { return b.values[0].wire }, []string{"http", "inet"},
		func(b branch) bool {
			v := s.structure(b.typ, depth)
			if v != "" {
				value = v
			}
			return v != ""
		})
	return b, value
}

// alternate returns a value of an alternate, a string if possible.
func (s *sampler) alternate(a *alternate, depth int) string {
	kind := func(alt alternative) string {
		if alt.typ == goType(stringType) {
			return "string"
		}
		return ""
	}
	value := ""
	first(a.alternatives, kind, []string{"string"}, func(alt alternative) bool {
		v := s.value(alt.typ, strings.ToLower(alt.name), depth+1)
		if v == "" {
			return false
		}
		if !alt.typ.nilable() {
			v = s.pointer(alt.typ, v)
		}
		value = s.composite(a.name, []string{alt.name + ": " + v})
		return true
	})
	return value
}

// composite returns a composite literal, on one line if it is short.
func (s *sampler) composite(name string, fields []string) string {
	name = s.qualified(name)
	if line := name + "{" + strings.Join(fields, ", ") + "}"; len(fields) < 2 || len(line) < 60 && !strings.Contains(line, "\n") {
		return line
	}
	return name + "{\n" + strings.Join(fields, ",\n") + ",\n}"
}

// request returns a value of a command with its mandatory arguments, after the given optional ones.
func (s *sampler) request(c *command, optional ...string) string {
	if o := s.arguments(c); o != nil {
		return s.object(c.name, o, 0, optional...)
	}
	return ""
}

// execute returns the code that executes a command and prints its result. literal is the request.
func (s *sampler) execute(c *command, literal string) string {
	if c.result == nil {
		return "return " + literal + ".Do(ctx, c)"
	}
	v := resultVariable(c)
	return checked(v, literal+".Do(ctx, c)", s.print(c.result, v))
}

// isQuery reports whether a command has a result and needs no arguments.
func (s *sampler) isQuery(c *command) bool {
	return c.result != nil && s.request(c) == s.composite(c.name, nil)
}

// resultVariable returns the name of the variable for the result of a command.
func resultVariable(c *command) string {
	if _, ok := c.result.(*arrayType); ok {
		return "all"
	}
	return "v"
}

// checked returns the code that calls a function with an error, and then the code that follows.
func checked(variable, call, then string) string {
	return variable + ", err := " + call + "\nif err != nil {\nreturn err\n}\n" + then
}

// qualified returns a name of the package as another package writes it.
func (s *sampler) qualified(name string) string { return s.pkg.opts.Package + "." + name }

// print returns the code that prints the most useful part of a value.
func (s *sampler) print(t goType, v string) string {
	switch t := t.(type) {
	case *arrayType:
		return fmt.Sprintf("for _, v := range %s {\n%s\n}", v, s.print(t.elem, "v"))
	case *structType:
		if o, ok := s.types[t.name].(*object); ok {
			return s.printObject(o, v)
		}
	}
	return "fmt.Println(" + v + ")"
}

func (s *sampler) printObject(o *object, v string) string {
	if f, ok := s.telling(o, false); ok {
		return "fmt.Println(" + v + "." + f.name + ")"
	}
	if f, ok := s.telling(o, true); ok {
		return "fmt.Println(qmp.Value(" + v + "." + f.name + "))"
	}
	return "fmt.Println(" + v + ")"
}

// telling returns the most useful field of an object: a string or an enum, else a number.
func (s *sampler) telling(o *object, optional bool) (*field, bool) {
	kind := func(f *field) string {
		switch t := f.typ.(type) {
		case *enumType:
			return "enum"
		case *scalar:
			return t.name
		}
		return ""
	}
	return first(o.fields, kind, []string{"string", "enum"}, func(f *field) bool {
		return kind(f) != "" && f.optional == optional && f.pointer == optional && !isSecretType(f.typ)
	})
}

func isSecretType(t goType) bool {
	if a, ok := t.(*arrayType); ok {
		return isSecretType(a.elem)
	}
	return t == goType(secretType)
}

// example returns a sentence, whose last character is missing, and the code after it, if there is any.
func example(sentence, code string) comment {
	if code == "" {
		return comment{sentence + "."}
	}
	return comment{sentence + ":", code}
}

// code returns the formatted statements as a paragraph of a comment.
func code(statements ...string) string {
	const before, after = "package p\n\nfunc f() {\n", "\n}\n"
	text := before + strings.Join(statements, "\n") + after
	formatted, err := format.Source([]byte(text))
	if err != nil {
		panic(fmt.Sprintf("gogen: an example is no Go: %v\n%s", err, text))
	}
	return strings.TrimSuffix(strings.TrimPrefix(string(formatted), before), after)
}
