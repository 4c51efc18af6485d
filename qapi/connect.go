package qapi

import (
	"iter"
	"strings"
)

// newDoc returns the documentation of a declaration for the model.
func newDoc(d *declaration) *Doc {
	if d.doc == nil {
		return nil
	}
	doc := &Doc{Pos: d.module.at(d.doc.Pos), Sections: make([]DocSection, len(d.doc.Sections))}
	for i, s := range d.doc.Sections {
		doc.Sections[i] = DocSection{Kind: s.Kind, Name: s.Name, Pos: d.module.at(s.Pos), Lines: s.Lines}
	}
	if since := doc.Tagged("Since"); since != nil {
		doc.Since = strings.Join(strings.Fields(since.Text()), " ")
	}
	return doc
}

// documented yields the parts that a definition's documentation may describe, with its features:
// the members, values or alternatives that are its own and not those of another definition that
// it names; then, without a name, the definition as a whole.
func documented(def Definition) iter.Seq2[string, []*Feature] {
	return func(yield func(string, []*Feature) bool) {
		if documentedParts(def, yield) {
			yield("", def.Head().Features)
		}
	}
}

// documentedParts yields the parts with names, and returns false if the caller must stop.
func documentedParts(def Definition, yield func(string, []*Feature) bool) bool {
	switch def := def.(type) {
	case *Enum:
		for _, v := range def.Values {
			if !yield(v.Name, v.Features) {
				return false
			}
		}
	case *Alternate:
		for _, a := range def.Alternatives {
			if !yield(a.Name, nil) {
				return false
			}
		}
	}
	s := ownMembers(def)
	if s == nil {
		return true
	}
	for _, m := range s.Members {
		if !yield(m.Name, m.Features) {
			return false
		}
	}
	return true
}

// ownMembers returns the struct that holds a definition's own members, nil if there is none.
func ownMembers(def Definition) *Struct {
	var t ObjectType
	switch def := def.(type) {
	case *Struct:
		return def
	case *Union:
		t = def.Base
	case *Command:
		t = def.Arg
	case *Event:
		t = def.Arg
	}
	if s, ok := t.(*Struct); ok && s.Implicit {
		return s
	}
	return nil
}

// checkDocumented checks that the documentation of a definition describes its features, and about
// its members if the dialect asks for it.
func (l *loader) checkDocumented(def Definition) *Diagnostic {
	if def == nil || def.Head().Doc == nil {
		return nil
	}
	doc := def.Head().Doc
	var members, features map[string]bool // what is described; made when it is needed
	if l.rules.docs.complete && !l.pragma.except(def.Head().Name, documentationExceptions) {
		members = doc.names(DocMember)
	}
	for name, of := range documented(def) {
		if members != nil && name != "" && !members[name] {
			return fail("member '", name, "' lacks documentation")
		}
		if len(of) > 0 && features == nil {
			features = doc.names(DocFeature)
		}
		for _, f := range of {
			if !features[f.Name] {
				return fail("feature '", f.Name, "' lacks documentation")
			}
		}
	}
	return nil
}

// checkDocs checks that documentation describes only parts that exist: the fifth phase, or in
// some dialects a part of the fourth.
func (l *loader) checkDocs() {
	if l.rules.docs.classic {
		return
	}
	for _, e := range l.entities {
		if l.full() {
			break
		}
		l.checkDescribed(e)
	}
}

// checkDescribed checks that the documentation of an entity describes only its parts.
func (l *loader) checkDescribed(e *entity) {
	if e.def == nil || e.def.Head().Doc == nil {
		return
	}
	for _, problem := range []*Diagnostic{
		checkDescriptions(e.def, DocMember, "member"),
		checkDescriptions(e.def, DocFeature, "feature"),
	} {
		if problem != nil && l.rules.docs.classic {
			problem.Pos = e.def.Head().Doc.Pos
			problem.Pos.Column = 0
		}
		l.reportIn(e, problem)
	}
}

// checkDescriptions checks the descriptions of one kind.
func checkDescriptions(def Definition, kind DocKind, what string) *Diagnostic {
	known := map[string]bool{} // filled when it is needed
	var absent []*DocSection
	doc := def.Head().Doc
	for i := range doc.Sections {
		s := &doc.Sections[i]
		if s.Kind != kind {
			continue
		}
		if len(known) == 0 {
			addDocumented(known, def, kind)
		}
		if !known[s.Name] {
			absent = append(absent, s)
		}
	}
	if absent == nil {
		return nil
	}
	names := make([]string, len(absent))
	for i, s := range absent {
		names[i] = s.Name
	}
	verb := " does"
	if len(names) > 1 {
		verb = " do"
	}
	problem := fail("documented ", what, plural(names), " ", quoted(names), verb, " not exist")
	problem.Pos = absent[0].Pos
	return problem
}

// addDocumented adds the names that descriptions of one kind may have.
func addDocumented(known map[string]bool, def Definition, kind DocKind) {
	for name, features := range documented(def) {
		if kind == DocMember {
			known[name] = true
			continue
		}
		for _, f := range features {
			known[f.Name] = true
		}
	}
}
