package diff

import (
	"maps"
	"slices"
	"strings"

	"github.com/qmpkit/qmpkit/qmp/introspect"
)

// index returns things by name. Of two with the same name the first one counts.
func index[T any](things []T, name func(T) string) map[string]T {
	all := make(map[string]T, len(things))
	for _, t := range things {
		if _, ok := all[name(t)]; !ok {
			all[name(t)] = t
		}
	}
	return all
}

// union returns the names that are in either index, sorted.
func union[T any](old, new map[string]T) []string {
	names := slices.Collect(maps.Keys(old))
	for name := range new {
		if _, ok := old[name]; !ok {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// typeNames compares the names of types, if both schemas have them.
func typeNames(old, new *view) (all []Change) {
	before, ok := old.typeNames()
	after, too := new.typeNames()
	if !ok || !too {
		return nil
	}
	for _, name := range union(before, after) {
		switch {
		case !after[name]:
			all = append(all, Change{Kind: Removed, What: Type, Path: name})
		case !before[name]:
			all = append(all, Change{Kind: Added, What: Type, Path: name})
		}
	}
	return all
}

// typeNames returns the names of types that someone gave them. ok is false when there are
// numbers in their place.
func (v *view) typeNames() (names map[string]bool, ok bool) {
	names = map[string]bool{}
	for _, info := range v.Infos {
		switch info.(type) {
		case *introspect.Object, *introspect.Enum, *introspect.Alternate:
			name := info.Head().Name
			if strings.Trim(name, "0123456789") == "" {
				return nil, false
			}
			if !strings.HasPrefix(name, "q_") { // QAPI's own prefix, for types without a name
				names[name] = true
			}
		}
	}
	return names, true
}
