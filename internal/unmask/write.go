package unmask

import (
	"slices"
	"strings"

	"github.com/qmpkit/qmpkit/internal/syntax"
	"github.com/qmpkit/qmpkit/qapi"
)

// write returns the text of the schema's files: the main one, which includes the others, and one
// for each module. Definitions keep their order.
func write(main string, modules []string, definitions []*definition, serverNames bool) map[string][]byte {
	items := map[string][]syntax.Item{main: {pragma(definitions, serverNames)}}
	for _, name := range modules {
		if name != main {
			items[main] = append(items[main], object("include", text(name)))
		}
	}
	for _, d := range definitions {
		if doc := d.doc(); doc != nil {
			items[d.module] = append(items[d.module], doc)
		}
		items[d.module] = append(items[d.module], d.object())
	}
	files := map[string][]byte{}
	for _, name := range append(slices.Clone(modules), main) {
		files[name] = syntax.Print(&syntax.File{Items: items[name]})
	}
	return files
}

// pragma makes the exceptions from rules that QEMU's schemas make: commands that answer with
// something else than objects, and types with capital letters in the names of their members.
func pragma(definitions []*definition, serverNames bool) *syntax.Object {
	objects := map[string]bool{}
	for _, d := range definitions {
		objects[d.name] = d.kind == "struct" || d.kind == "union"
	}
	var returns, names []syntax.Value
	for _, d := range definitions {
		if d.returns.name != "" && !objects[d.returns.name] {
			returns = append(returns, text(d.name))
		}
		if d.hasCapitals() {
			names = append(names, text(d.name))
		}
	}
	p := object("doc-required", &syntax.Bool{})
	if returns != nil {
		add(p, "command-returns-exceptions", &syntax.Array{Elements: returns})
	}
	if names != nil {
		add(p, "member-name-exceptions", &syntax.Array{Elements: names})
	}
	if serverNames {
		add(p, "server-names", &syntax.Bool{Value: true})
	}
	return object("pragma", p)
}

func (d *definition) hasCapitals() bool {
	return slices.ContainsFunc(d.values, func(v *qapi.EnumValue) bool { return v.Name != strings.ToLower(v.Name) }) ||
		slices.ContainsFunc(d.members, func(m member) bool { return m.name != strings.ToLower(m.name) })
}

// doc returns the documentation: the versions, with the names of the features, which must not be
// missing then.
func (d *definition) doc() *syntax.Doc {
	marks := d.marks()
	if d.since == "" && marks == nil {
		return nil
	}
	doc := &syntax.Doc{Symbol: d.name, Sections: marks}
	seen := map[string]bool{}
	add := func(features []*qapi.Feature) {
		for _, f := range features {
			if !seen[f.Name] {
				seen[f.Name] = true
				doc.Sections = append(doc.Sections, syntax.Section{Kind: syntax.FeatureText, Name: f.Name})
			}
		}
	}
	add(d.features)
	for _, v := range d.values {
		add(v.Features)
	}
	for i := range d.members {
		add(d.members[i].features)
	}
	if d.since != "" {
		doc.Sections = append(doc.Sections, syntax.Section{Kind: syntax.Tagged, Name: "Since", Lines: []string{d.since}})
	}
	return doc
}

// marks returns the sections with the marks of earlier joins.
func (d *definition) marks() (sections []syntax.Section) {
	mark := func(kind syntax.SectionKind, name string) {
		if version, ok := d.seen[name]; ok && (name != "" || kind == syntax.Plain) {
			sections = append(sections, syntax.Section{Kind: kind, Name: name, Lines: []string{syntax.SeenMark(version)}})
		}
	}
	mark(syntax.Plain, "")
	for _, v := range d.values {
		mark(syntax.MemberText, v.Name)
	}
	for i := range d.members {
		mark(syntax.MemberText, d.members[i].name)
	}
	return sections
}

// object returns the definition in the language.
func (d *definition) object() *syntax.Object {
	o := object(d.kind, text(d.name))
	switch d.kind {
	case "enum":
		if d.prefix != "" {
			add(o, "prefix", text(d.prefix))
		}
		add(o, "data", values(d.values))
	case "struct":
		if d.base != "" {
			add(o, "base", text(d.base))
		}
		add(o, "data", members(d.members))
	case "union":
		if d.base != "" {
			add(o, "base", text(d.base))
		} else {
			add(o, "base", members(d.members))
		}
		add(o, "discriminator", text(d.tag))
		add(o, "data", branches(d.branches))
	case "alternate":
		add(o, "data", members(d.members))
	default:
		if d.data != "" {
			add(o, "data", text(d.data))
		} else if len(d.members) > 0 {
			add(o, "data", members(d.members))
		}
		if d.returns.name != "" {
			add(o, "returns", d.returns.value())
		}
		d.flags.add(o)
	}
	if len(d.features) > 0 {
		add(o, "features", features(d.features))
	}
	if d.cond != nil {
		add(o, "if", condition(d.cond))
	}
	return o
}

func (f *flags) add(o *syntax.Object) {
	for _, flag := range []struct {
		key   string
		set   bool
		value bool
	}{
		{"boxed", f.boxed, true},
		{"gen", f.noGen, false},
		{"success-response", f.noReply, false},
		{"allow-oob", f.allowOOB, true},
		{"allow-preconfig", f.allowPreconfig, true},
		{"coroutine", f.coroutine, true},
	} {
		if flag.set {
			add(o, flag.key, &syntax.Bool{Value: flag.value})
		}
	}
}

func values(all []*qapi.EnumValue) *syntax.Array {
	a := &syntax.Array{}
	for _, v := range all {
		if v.If == nil && len(v.Features) == 0 {
			a.Elements = append(a.Elements, text(v.Name))
			continue
		}
		a.Elements = append(a.Elements, qualified("name", text(v.Name), v.If, v.Features))
	}
	return a
}

func members(all []member) *syntax.Object {
	o := &syntax.Object{}
	for _, m := range all {
		name := m.name
		if m.optional {
			name = "*" + name
		}
		if m.cond == nil && len(m.features) == 0 {
			add(o, name, m.typ.value())
			continue
		}
		add(o, name, qualified("type", m.typ.value(), m.cond, m.features))
	}
	return o
}

func branches(all []branch) *syntax.Object {
	o := &syntax.Object{}
	for _, b := range all {
		if b.cond == nil {
			add(o, b.value, text(b.typ))
			continue
		}
		add(o, b.value, qualified("type", text(b.typ), b.cond, nil))
	}
	return o
}

func features(all []*qapi.Feature) *syntax.Array {
	a := &syntax.Array{}
	for _, f := range all {
		if f.If == nil {
			a.Elements = append(a.Elements, text(f.Name))
			continue
		}
		a.Elements = append(a.Elements, qualified("name", text(f.Name), f.If, nil))
	}
	return a
}

// qualified is the long form of something that has a condition or features.
func qualified(key string, v syntax.Value, cond qapi.Cond, of []*qapi.Feature) *syntax.Object {
	o := object(key, v)
	if cond != nil {
		add(o, "if", condition(cond))
	}
	if len(of) > 0 {
		add(o, "features", features(of))
	}
	return o
}

func condition(c qapi.Cond) syntax.Value {
	switch c := c.(type) {
	case qapi.CondNot:
		return object("not", condition(c.Cond))
	case qapi.CondAll:
		return object("all", conditions(c))
	case qapi.CondAny:
		return object("any", conditions(c))
	}
	return text(c.String())
}

func conditions(all []qapi.Cond) *syntax.Array {
	a := &syntax.Array{}
	for _, c := range all {
		a.Elements = append(a.Elements, condition(c))
	}
	return a
}

func (r ref) value() syntax.Value {
	if r.array {
		return &syntax.Array{Elements: []syntax.Value{text(r.name)}}
	}
	return text(r.name)
}

func text(s string) *syntax.String { return &syntax.String{Text: s} }

func object(key string, v syntax.Value) *syntax.Object {
	o := &syntax.Object{}
	add(o, key, v)
	return o
}

func add(o *syntax.Object, key string, v syntax.Value) {
	o.Members = append(o.Members, syntax.Member{Key: key, Value: v})
}
