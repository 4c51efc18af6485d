package unmask

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/qmpkit/qmpkit/qapi"
	"github.com/qmpkit/qmpkit/qmp/introspect"
)

// JoinOptions says how a server's schema is joined with another one.
type JoinOptions struct {
	// Version is the server's, such as "11.1". What only the server has says that it was seen first
	// in it: definitions, members, values and alternatives (package qapi's SeenIn). What an earlier
	// join added keeps its version.
	Version string

	// Overrides decides where a place has another kind of type in the one than in the other:
	// nothing says then which values both take. Places are written as in [Conflict]; that of a
	// base's member is the base's, for all types that have it. A row that decides nothing is an
	// error.
	Overrides map[string]Choice

	// Looser decides by itself where one kind of type takes the values of the other:
	//   - an alternate counts before a type that is one of its alternatives,
	//   - a value of any type before all others,
	//   - in the source, an enum and a string take each other's values,
	//   - a union of the source gets the members of a struct that none of its branches has,
	//   - two structs, unions or enums at one place become one, whatever they have in common.
	Looser bool
}

// A Choice is one of the two schemas that are joined.
type Choice int

// The choices.
const (
	TakeSource Choice = iota
	TakeServer
)

// A Joined is the outcome of [Join].
type Joined struct {
	Snapshot
	// Added is what only the server has, sorted. What is in an added definition is not listed.
	Added []Part
}

// A Part is a definition, or a part of one.
type Part struct {
	Definition string
	// Name is that of a member, argument, value or alternative, "+" and the value for a branch,
	// "$" and the name for a feature of the definition itself, or empty.
	Name string
}

// Join returns the schema of a QEMU's source with all that a server has beyond it, most of all one
// of a newer version. Nothing of the source is lost: its conditions, its types that nothing
// reaches, and what the server no longer has. Types are the same if they stand at the same place.
//
// Where the two disagree on a member it takes the looser form: it is optional if it is so in one
// of them, or is not in one of them (but for those whose condition the server may not have been
// built with). Integers have the source's width. Features are those of both. The error is a
// [*ConflictError] where that is not possible and nothing in opts decides.
func Join(source *qapi.Schema, live *introspect.Schema, opts JoinOptions) (*Joined, error) {
	if err := check(live); err != nil {
		return nil, err
	}
	j := &joiner{
		builder:  newBuilder(live, newNamer(source)),
		opts:     opts,
		targets:  map[string]*definition{},
		met:      map[pair]bool{},
		decided:  map[string]bool{},
		replaced: map[string]string{},
	}
	for _, d := range described(source) {
		if d.isSimpleUnion() {
			return nil, fmt.Errorf("unmask: %s is a simple union, which only schemas up to QEMU 5.2 have: these cannot be joined", d.name)
		}
		j.targets[d.name] = d
		j.definitions = append(j.definitions, d)
	}
	j.walk()
	if err := j.err(); err != nil {
		return nil, err
	}
	j.nameTypes()
	j.merge()
	j.addNew()
	j.sort()
	s, err := load(j.main(), j.files(), j.definitions, j.usedTypes())
	if err != nil {
		return nil, err
	}
	slices.SortFunc(j.added, func(a, b Part) int {
		return cmp.Or(cmp.Compare(a.Definition, b.Definition), cmp.Compare(a.Name, b.Name))
	})
	return &Joined{*s, slices.Compact(j.added)}, nil
}

func (d *definition) isSimpleUnion() bool {
	return slices.ContainsFunc(d.branches, func(b branch) bool { return isImplicit(b.typ) })
}

// A ConflictError says where a server's schema has another kind of type than a source.
type ConflictError struct {
	Conflicts []Conflict
	Unused    []string // places of Overrides where there is no conflict
}

// A Conflict is a place where the kinds of types differ.
type Conflict struct {
	Place          string // "BlockdevOptionsFile.aio", "block-export-add.id", "query-version/ret-type", "Netdev+user"
	Source, Server string // what is there
}

// Error says what the conflicts are, a line each, and what to do.
func (e *ConflictError) Error() string {
	lines := []string{"unmask: the server and the source cannot be joined:"}
	for _, c := range e.Conflicts {
		lines = append(lines, fmt.Sprintf("  %s is %s in the source and %s in the server: a row in the overrides has to say which one counts",
			c.Place, c.Source, c.Server))
	}
	for _, place := range e.Unused {
		lines = append(lines, fmt.Sprintf("  %s is in the overrides, and nothing has to be decided there: remove the row", place))
	}
	return strings.Join(lines, "\n")
}

// err returns the error of the walk, if there is something to complain about.
func (j *joiner) err() error {
	var unused []string
	for place := range j.opts.Overrides {
		if !j.decided[place] {
			unused = append(unused, place)
		}
	}
	if len(j.conflicts)+len(unused) == 0 {
		return nil
	}
	slices.Sort(unused)
	slices.SortFunc(j.conflicts, func(a, b Conflict) int { return cmp.Compare(a.Place, b.Place) })
	return &ConflictError{slices.Compact(j.conflicts), unused}
}
