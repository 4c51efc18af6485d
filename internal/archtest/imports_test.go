package archtest

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
)

func TestRooms(t *testing.T) {
	report(t, tableFaults(rooms))
	here := map[string]bool{}
	for _, p := range platforms {
		t.Run(p.String(), func(t *testing.T) {
			packages := list(t, p)
			for _, found := range packages {
				if path, ok := found.room(); ok {
					here[path] = true
				}
			}
			report(t, importFaults(rooms, packages))
			report(t, weightFaults(rooms, packages))
		})
	}
	for _, r := range rooms {
		if !here[r.path] {
			t.Errorf("%s has a row but is not a package: remove the row", r.path)
		}
	}
}

func report(t *testing.T, faults []string) {
	t.Helper()
	for _, fault := range faults {
		t.Error(fault)
	}
}

// tableFaults tells what is wrong with the table itself.
func tableFaults(rooms []room) (faults []string) {
	above := map[string]bool{}
	for _, r := range rooms {
		if above[r.path] {
			faults = append(faults, r.path+" has two rows")
		}
		if r.why == "" {
			faults = append(faults, r.path+" has no reason")
		}
		for _, imported := range r.rooms {
			if !above[imported] {
				faults = append(faults, r.path+" is to import "+imported+", which is not above it")
			}
		}
		above[r.path] = true
	}
	return faults
}

// importFaults tells which imports the table does not allow.
func importFaults(rooms []room, packages map[string]*pkg) (faults []string) {
	for _, path := range slices.Sorted(maps.Keys(packages)) {
		found := packages[path]
		name, ok := found.room()
		if !ok {
			continue
		}
		i := slices.IndexFunc(rooms, func(r room) bool { return r.path == name })
		if i < 0 {
			faults = append(faults, name+" is new: give it a row in the table of rooms")
			continue
		}
		for _, imported := range found.Imports {
			if !rooms[i].mayImport(packages[imported]) {
				faults = append(faults, fmt.Sprintf("%s (%s) may not import %s", name, rooms[i].why, imported))
			}
		}
	}
	return faults
}

// mayImport is false for nil too, which stands for what go list does not tell: "C".
func (r room) mayImport(p *pkg) bool {
	if p == nil {
		return false
	}
	if path, ok := p.room(); ok {
		return r.top || slices.Contains(r.rooms, path)
	}
	return p.Standard || p.Module != nil && slices.Contains(r.modules, p.Module.Path)
}

// weightFaults tells which lean rooms link something heavy, and by which way.
func weightFaults(rooms []room, packages map[string]*pkg) (faults []string) {
	for _, r := range rooms {
		found := packages[module+"/"+r.path]
		if !r.lean || found == nil {
			continue
		}
		for _, dep := range heavy {
			if slices.Contains(found.Deps, dep) {
				way := chain(packages, found.ImportPath, dep)
				faults = append(faults, r.path+" may not link "+dep+": "+strings.Join(way, " -> "))
			}
		}
	}
	return faults
}

// chain returns a way from one package to another that it depends on.
func chain(packages map[string]*pkg, from, to string) []string {
	if from == to {
		return []string{to}
	}
	for _, next := range packages[from].Imports {
		if p := packages[next]; next == to || p != nil && slices.Contains(p.Deps, to) {
			return append([]string{from}, chain(packages, next, to)...)
		}
	}
	return []string{from, "?", to} // by a name that the standard library maps to another
}
