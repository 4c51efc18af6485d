package qapi

import (
	"maps"
	"slices"
)

// Symbols returns the names in the conditions of a schema, in alphabetical order. [Schema.Under]
// asks for these names.
func (s *Schema) Symbols() []string {
	found := symbolSet{}
	for _, d := range s.Definitions {
		found.addDefinition(d)
	}
	return slices.Sorted(maps.Keys(found))
}

type symbolSet map[string]bool

func (s symbolSet) addDefinition(d Definition) {
	s.add(d.Head().If)
	s.addFeatures(d.Head().Features)
	switch d := d.(type) {
	case *Enum:
		for _, v := range d.Values {
			s.add(v.If)
			s.addFeatures(v.Features)
		}
	case *Alternate:
		for _, a := range d.Alternatives {
			s.add(a.If)
		}
	case *Union:
		for _, b := range d.Branches {
			s.add(b.If)
		}
	}
	if own := ownMembers(d); own != nil {
		for _, m := range own.Members {
			s.add(m.If)
			s.addFeatures(m.Features)
		}
	}
}

func (s symbolSet) addFeatures(features []*Feature) {
	for _, f := range features {
		s.add(f.If)
	}
}

func (s symbolSet) add(c Cond) {
	switch c := c.(type) {
	case CondName:
		s[string(c)] = true
	case CondNot:
		s.add(c.Cond)
	case CondAll:
		for _, c := range c {
			s.add(c)
		}
	case CondAny:
		for _, c := range c {
			s.add(c)
		}
	}
}
