package facts

import (
	_ "embed"
	"fmt"
	"slices"
	"strings"
)

// knownText has the facts that no schema shows, one in each row. PATH is a path, or several separated by commas:
//
//	removed RELEASE PATH REASON            this release removed it
//	since RELEASE PATH REASON              this release added it
//	deprecated RELEASE PATH REASON         this release deprecated it; a feature shows that later or never
//	use NAME PATH REASON                   NAME replaces it
//	optional FIRST..GONE PATH REASON       the member became optional in FIRST, or mandatory in GONE; the other is empty
//	had FIRST..GONE NODE LABEL TO REASON   a part that no schema has; LABEL is - for a command, *NAME for an optional member,
//	                                       TO is []TYPE for a list
//	from RELEASE NODE LABEL TO REASON      this release gave the part this form; it had another form before
//
//go:embed known.txt
var knownText string

// Know adds the facts of known.txt, which no schema shows: the exact release of a removal between two
// schemas, the date of a feature whose documentation names no version, and things that the oldest schema
// lacks. Know ignores a row if its path or node is not in the table, because the row is about another
// server. It also ignores a row that a schema contradicts.
func (t *Table) Know() error {
	for row := range strings.Lines(knownText) {
		fields := strings.Fields(row)
		if len(fields) == 0 || fields[0][0] == '#' {
			continue
		}
		switch {
		case len(fields) > 3 && slices.Contains([]string{"removed", "since", "deprecated", "use", "optional"}, fields[0]):
			for _, path := range strings.Split(fields[2], ",") {
				t.know(fields[0], fields[1], path)
			}
		case len(fields) > 5 && fields[0] == "had":
			t.had(fields[1], fields[2], fields[3], fields[4])
		case len(fields) > 5 && fields[0] == "from":
			t.from(fields[1], fields[2], fields[3], fields[4])
		default:
			return fmt.Errorf("facts: known.txt has a row that is incomplete: %s", row)
		}
	}
	t.forget()
	t.link()
	return nil
}

// had adds a part, or a command of QEMU, that no schema has.
func (t *Table) had(when, name, label, target string) {
	p := periodOf(when)
	label, optional := strings.CutPrefix(label, "*")
	target, list := strings.CutPrefix(target, "[]")
	n := t.nodes[name]
	switch {
	case label == "-" && n != nil && n.seen != 0: // a schema has it after all
		n.had, n.removed = period{}, p.to
		n.came(p.from)
	case label == "-" && n == nil && t.nodes["device_add"] != nil:
		n = &node{kind: target, name: name}
		n.had = p
		t.nodes[name] = n
	case label != "-" && n != nil:
		if t.nodes[target] == nil && jsonType(target) == "" && target != "-" && target != empty {
			t.nodes[target] = &node{kind: "struct", name: target}
			t.nodes[target].had = p
		}
		add := &part{label: label, target: strings.TrimPrefix(target, "-"), had: p}
		if optional {
			add.mayLack = p
		}
		if list {
			add.list = ^set(0)
		}
		n.parts = slices.DeleteFunc(n.parts, func(p *part) bool { return p.label == label && p.target == add.target })
		n.parts = append(n.parts, add)
	}
}

// from notes the release that gave a part its form. Older sources have another form.
func (t *Table) from(release, name, label, target string) {
	n := t.nodes[name]
	if n == nil {
		return
	}
	for _, p := range n.parts {
		if p.label != label || p.target != target {
			continue
		}
		p.from = release
		for i, s := range t.sources {
			if Compare(s.version, release) < 0 {
				t.unsee(p, i)
			}
		}
	}
}

// unsee removes a part from a source, and everything that nothing else in the source leads to: the names of types in an
// answer are a guess, and this one is wrong.
func (t *Table) unsee(p *part, source int) {
	if !p.seen.has(source) {
		return
	}
	for _, bits := range []*set{&p.seen, &p.optional, &p.list} {
		*bits &^= 1 << source
	}
	n := t.nodes[p.target]
	if n == nil {
		return
	}
	for other := range t.allParts() {
		if other.target == p.target && other.seen.has(source) {
			return
		}
	}
	n.seen &^= 1 << source
	for _, p := range n.parts {
		t.unsee(p, source)
	}
}

// know applies a row to a path. Its date counts only if no schema contradicts it: the schema of a build with backports
// decides.
func (t *Table) know(kind, release, path string) {
	for _, p := range t.last(path) {
		switch kind {
		case "removed":
			p.removed = release
		case "deprecated":
			p.deprecated = release
		case "use":
			p.use = release
		case "optional":
			p.mayLack = periodOf(release)
		case "since":
			p.came(release)
		}
	}
	t.forget()
}

// came notes the release that added a part.
func (p *part) came(release string) {
	p.remarks = append([]remark{{release, history}}, slices.DeleteFunc(p.remarks, func(r remark) bool { return r.source == history })...)
}

// last returns the last parts of a path.
func (t *Table) last(path string) []*part {
	if n := t.nodes[path]; n != nil {
		return []*part{&n.part}
	}
	places, err := t.walk(path)
	if err != nil {
		return nil
	}
	var parts []*part
	for _, p := range places {
		parts = append(parts, p.part)
	}
	return parts
}
