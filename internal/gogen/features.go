package gogen

import (
	"strings"

	"github.com/qmpkit/qmpkit/qapi"
	"github.com/qmpkit/qmpkit/qmp/introspect"
)

// A featureWalk finds the shortest introspection path of every feature that a command or an event reaches.
// Paths have the grammar of package introspect. The walk starts at all commands and events at once and
// takes one more component in each round. So the first path that it finds is a shortest one, and the first
// of these in the order of the schema.
type featureWalk struct {
	b     *builder
	seen  map[qapi.Type]bool
	found map[*qapi.Feature]bool
	next  []step
}

// A step is a type that the walk reaches by a path.
type step struct {
	path string
	typ  qapi.Type
	name string // of the type in constants: implicit ones have their command's
}

// features fills in the package's feature constants.
func (b *builder) features() error {
	w := &featureWalk{b: b, seen: map[qapi.Type]bool{}, found: map[*qapi.Feature]bool{}}
	for _, d := range b.schema.Definitions {
		switch d := d.(type) {
		case *qapi.Command:
			name := commandName(d)
			if err := w.add(d.Name+"/$", name, d.Features); err != nil {
				return err
			}
			if d.Arg != nil {
				w.reach(d.Name+"/arg-type", d.Arg, name)
			}
			if d.Returns != nil {
				w.reach(d.Name+"/ret-type", d.Returns, name)
			}
		case *qapi.Event:
			name := eventName(d)
			if err := w.add(d.Name+"/$", name, d.Features); err != nil {
				return err
			}
			if d.Arg != nil {
				w.reach(d.Name+"/arg-type", d.Arg, name)
			}
		}
	}
	for len(w.next) > 0 {
		steps := w.next
		w.next = nil
		for _, s := range steps {
			if err := w.visit(s); err != nil {
				return err
			}
		}
	}
	return nil
}

// add records the features at the end of a path.
func (w *featureWalk) add(prefix, owner string, features []*qapi.Feature) error {
	for _, f := range features {
		if f.Name == qapi.Deprecated || f.Name == qapi.Unstable || w.found[f] {
			continue
		}
		w.found[f] = true
		name := "Feature" + owner + goName(f.Name)
		if w.b.whole.ServerNames {
			name = w.b.scope.free(name)
		}
		if err := w.b.scope.take(name, "feature path "+prefix+f.Name); err != nil {
			return err
		}
		path := feature{name: name, path: prefix + f.Name}
		if dates := w.b.dates(w.b.factOf(path.path), nil); dates != nil {
			path.doc = comment{strings.Join(dates, " ")}
		}
		w.b.pkg.features = append(w.b.pkg.features, path)
	}
	return nil
}

// reach puts a type on the list for the next round. Arrays and alternates need no component of a path:
// reach puts their elements and alternatives on the list.
func (w *featureWalk) reach(path string, t qapi.Type, owner string) {
	switch t := t.(type) {
	case *qapi.Array:
		w.reach(path, t.Element, owner)
	case *qapi.Alternate:
		for _, a := range t.Alternatives {
			w.reach(path, a.Type, owner)
		}
	case *qapi.Enum, *qapi.Struct, *qapi.Union:
		if w.seen[t] {
			return
		}
		w.seen[t] = true
		if d := t.(qapi.Definition); !d.Head().Implicit {
			owner = w.b.typeName(d)
		}
		w.next = append(w.next, step{path, t, owner})
	}
}

func (w *featureWalk) visit(s step) error {
	switch t := s.typ.(type) {
	case *qapi.Enum:
		for _, v := range t.Values {
			if err := w.add(s.path+"/^"+v.Name+"/$", constantName(s.name, v.Name), v.Features); err != nil {
				return err
			}
		}
	case qapi.ObjectType:
		if err := w.add(s.path+"/$", s.name, t.Head().Features); err != nil {
			return err
		}
		for _, m := range t.AllMembers() {
			path := s.path + "/" + introspect.Component(m.Name)
			if err := w.add(path+"/$$", s.name+fieldName(m.Name), m.Features); err != nil {
				return err
			}
			w.reach(path, m.Type, s.name+fieldName(m.Name))
		}
		if u, ok := t.(*qapi.Union); ok {
			for _, b := range u.Branches {
				if b.Type != nil {
					w.reach(s.path+"/+"+b.Value, b.Type, s.name+goName(b.Value))
				}
			}
		}
	}
	return nil
}
