package gogen

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/qmpkit/qmpkit/qapi"
)

// Selection selects a part of a schema. The zero value selects all of it.
type Selection struct {
	// Only names commands and events. Modules names files of the schema without folder and suffix ("block-core"), and
	// stands for all of their commands and events. If either has a name, Generate generates only these commands and
	// events, and the types that they need.
	Only, Modules []string

	// Define, if not nil, names the symbols that are true in one build of QEMU; all others are false. Undefine names the
	// false symbols; all others are true. Generate then leaves out the things that this build lacks, and the rest has no
	// conditions. Only one of the two may be set.
	Define, Undefine []string
}

// of returns the schema of the selected build, and the selected part of that schema.
func (s *Selection) of(schema *qapi.Schema) (build, part *qapi.Schema, err error) {
	if build, err = s.build(schema); err != nil {
		return nil, nil, err
	}
	if len(s.Only) == 0 && len(s.Modules) == 0 {
		return build, build, nil
	}
	wanted := map[string]bool{}
	err = errors.Join(s.names(wanted, schema, build), s.modules(wanted, schema, build))
	if err != nil {
		return nil, nil, err
	}
	part = build.Only(func(d qapi.Definition) bool { return wanted[d.Head().Name] })
	return build, part, nil
}

// build returns the schema without the things that the build lacks.
func (s *Selection) build(schema *qapi.Schema) (*qapi.Schema, error) {
	listed, holds := s.Define, true
	switch {
	case s.Define != nil && s.Undefine != nil:
		return nil, errors.New("Define and Undefine exclude each other")
	case s.Undefine != nil:
		listed, holds = s.Undefine, false
	case s.Define == nil:
		return schema, nil
	}
	known := schema.Symbols()
	var errs []error
	for _, name := range listed {
		if !slices.Contains(known, name) {
			errs = append(errs, fmt.Errorf("no condition in the schema has the symbol %s%s", name, didYouMean(name, known)))
		}
	}
	if errs != nil {
		return nil, errors.Join(errs...)
	}
	return schema.Under(func(name string) bool { return slices.Contains(listed, name) == holds }), nil
}

// names adds the commands and events in Only.
func (s *Selection) names(wanted map[string]bool, schema, build *qapi.Schema) error {
	var errs []error
	for _, name := range s.Only {
		d := schema.Lookup(name)
		switch {
		case d == nil:
			errs = append(errs, fmt.Errorf("there is no command or event %s%s", name, didYouMean(name, namesIn(schema))))
		case !isSeed(d):
			errs = append(errs, fmt.Errorf("%s is neither a command nor an event: name those that use it; its type is then included", describe(d)))
		case build.Lookup(name) == nil:
			errs = append(errs, fmt.Errorf("the build has no %s: only builds with %s have it", describe(d), d.Head().If))
		}
		wanted[name] = true
	}
	return errors.Join(errs...)
}

// modules adds the commands and events of the modules in Modules.
func (s *Selection) modules(wanted map[string]bool, schema, build *qapi.Schema) error {
	var errs []error
	for _, name := range s.Modules {
		there, seeds := false, 0
		for i, m := range schema.Modules {
			if moduleName(m) != name {
				continue
			}
			there = true
			for _, d := range build.Modules[i].Definitions {
				if isSeed(d) {
					wanted[d.Head().Name] = true
					seeds++
				}
			}
		}
		switch {
		case !there:
			var all []string
			for _, m := range schema.Modules {
				all = append(all, moduleName(m))
			}
			errs = append(errs, fmt.Errorf("the schema has no module %s%s", name, didYouMean(name, all)))
		case seeds == 0:
			errs = append(errs, fmt.Errorf("module %s has no commands and no events: name the commands and events that use its types", name))
		}
	}
	return errors.Join(errs...)
}

// moduleName returns the name of a module in Selection.Modules.
func moduleName(m *qapi.Module) string { return strings.TrimSuffix(baseName(m), ".json") }

// isSeed reports whether a selection can name this definition: a command or an event.
func isSeed(d qapi.Definition) bool {
	switch d.(type) {
	case *qapi.Command, *qapi.Event:
		return true
	}
	return false
}

// namesIn returns the names of all commands and events.
func namesIn(schema *qapi.Schema) (names []string) {
	for _, d := range schema.Definitions {
		if isSeed(d) {
			names = append(names, d.Head().Name)
		}
	}
	return names
}

// comment says which part of the schema the package has, if it does not have all of it.
func (s *Selection) comment() comment {
	var c comment
	if len(s.Only) > 0 || len(s.Modules) > 0 {
		var parts []string
		if len(s.Modules) > 0 {
			parts = append(parts, "all of "+strings.Join(s.Modules, ", "))
		}
		parts = append(parts, s.Only...)
		c = append(c, "It has these commands and events, and the types that they need: "+strings.Join(parts, ", ")+".")
	}
	switch {
	case len(s.Define) > 0:
		c = append(c, "It is for a QEMU that is built with "+strings.Join(s.Define, ", ")+" and without all other symbols in the schema's conditions.")
	case s.Define != nil:
		c = append(c, "It is for a QEMU that is built without the symbols in the schema's conditions.")
	case len(s.Undefine) > 0:
		c = append(c, "It is for a QEMU that is built without "+strings.Join(s.Undefine, ", ")+" and with all other symbols in the schema's conditions.")
	case s.Undefine != nil:
		c = append(c, "It is for a QEMU that is built with all symbols in the schema's conditions.")
	}
	return c
}
