package qapi

import "slices"

// nameSet finds names by their form in C. It numbers them in the order in which they are added.
// The zero value is an empty set.
type nameSet struct {
	asIs  bool // find them by what they are themselves
	names []string
	index map[string]int // by name in C; only of a large set
}

// few is how many names are found fastest without a map.
const few = 16

// find returns the number of the name that is the same in C, -1 if there is none.
func (s *nameSet) find(name string) int {
	if s.index == nil {
		return slices.IndexFunc(s.names, func(other string) bool {
			return name == other || !s.asIs && sameInC(name, other)
		})
	}
	if i, ok := s.index[s.key(name)]; ok {
		return i
	}
	return -1
}

// add adds a name. If there is one already that is the same in C, it returns that and false.
func (s *nameSet) add(name string) (other string, ok bool) {
	if i := s.find(name); i >= 0 {
		return s.names[i], false
	}
	s.names = append(s.names, name)
	switch {
	case s.index != nil:
		s.index[s.key(name)] = len(s.names) - 1
	case len(s.names) > few:
		s.index = make(map[string]int, 2*len(s.names))
		for i, name := range s.names {
			s.index[s.key(name)] = i
		}
	}
	return "", true
}

// key returns the form by which a name is found.
func (s *nameSet) key(name string) string {
	if s.asIs {
		return name
	}
	return cName(name)
}
