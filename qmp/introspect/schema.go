package introspect

import "iter"

// Schema is a server's schema. Do not modify it after it was made. Several goroutines can read
// it.
type Schema struct {
	// Infos holds the entries in the order of the array.
	Infos []Info

	index map[string]Info
}

// New makes a schema from entries. If two entries have the same name, queries find the first one.
// QEMU sends no such schema.
func New(infos []Info) *Schema {
	s := &Schema{Infos: infos, index: make(map[string]Info, len(infos))}
	for _, info := range infos {
		name := info.Head().Name
		if _, ok := s.index[name]; !ok {
			s.index[name] = info
		}
	}
	return s
}

// Lookup returns the entry with this name, or nil if there is none. Commands, events and types
// share one name space.
func (s *Schema) Lookup(name string) Info { return s.index[name] }

// Commands returns the commands, in order.
func (s *Schema) Commands() iter.Seq[*Command] { return only[*Command](s) }

// Events returns the events, in order.
func (s *Schema) Events() iter.Seq[*Event] { return only[*Event](s) }

func only[I Info](s *Schema) iter.Seq[I] {
	return func(yield func(I) bool) {
		for _, info := range s.Infos {
			if info, ok := info.(I); ok && !yield(info) {
				return
			}
		}
	}
}
