package unmask

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/qmpkit/qmpkit/qapi"
	"github.com/qmpkit/qmpkit/qmp/introspect"
)

// JoinOptions configures [Join].
type JoinOptions struct {
	// Version is the server's version, such as "11.1". Join marks the definitions, members, values
	// and alternatives that only the server has as first seen in it; see [qapi.SeenIn]. Parts that
	// an earlier Join added keep their versions.
	Version string

	// Overrides decides which type counts at a place where the kinds of types differ. The key is
	// a place as in [Conflict]. A member of a base has one place, that of the base. A row without
	// a conflict is an error.
	Overrides map[string]Choice

	// Looser lets Join decide by itself if one kind of type accepts the values of the other:
	//   - an alternate is taken instead of a type that is one of its alternatives,
	//   - the type any is taken instead of all others,
	//   - in the source, an enum and a string take each other's values,
	//   - a union of the source gets the members of a struct that none of its branches has,
	//   - two structs, unions or enums at one place become one, even if they have nothing in common.
	Looser bool
}

// A Choice is one of the two schemas that are joined.
type Choice int

// The choices.
const (
	TakeSource Choice = iota
	TakeServer
)

// A Joined is the result of [Join].
type Joined struct {
	Snapshot
	// Added lists the parts that only the server has, sorted. If the server has a new definition,
	// Added lists the definition but not its members.
	Added []Part
}

// A Part is a definition, or a part of one.
type Part struct {
	Definition string
	// Name is the name of a member, an argument, a value or an alternative. A branch is "+" and
	// its value, a feature of the definition "$" and its name. Name is empty for the definition
	// itself.
	Name string
}

// Join adds the parts that only a server has to the schema of a QEMU's source, and returns the
// result. The server is usually of a newer version. Join keeps everything of the source:
// conditions, unused types, and parts that the server no longer has. Types are the same if they
// are at the same place.
//
// If the two differ in a member, Join takes the looser form. The member is optional if one of
// them has it as optional or does not have it. It stays mandatory if the server may lack it
// because of a condition in the source. Integers have the source's width. Features are those of
// both.
//
// If the two differ in the kind of a type and opts does not decide, the error is a
// [*ConflictError].
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
			return nil, fmt.Errorf("unmask: join: %s is a union without a discriminator; schemas up to QEMU 5.2 cannot be joined", d.name)
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

// A ConflictError reports the places where the server has another kind of type than the source.
type ConflictError struct {
	Conflicts []Conflict
	Unused    []string // places in Overrides without a conflict
}

// A Conflict is a place where the kinds of types differ.
type Conflict struct {
	Place          string // "BlockdevOptionsFile.aio", "block-export-add.id", "query-version/ret-type", "Netdev+user"
	Source, Server string // the types there
}

// Error returns a line for each conflict, with what to do.
func (e *ConflictError) Error() string {
	lines := []string{"unmask: join: the server and the source differ:"}
	for _, c := range e.Conflicts {
		lines = append(lines, fmt.Sprintf("  %s is %s in the source and %s in the server: add a row to the overrides that decides",
			c.Place, c.Source, c.Server))
	}
	for _, place := range e.Unused {
		lines = append(lines, fmt.Sprintf("  %s is in the overrides, but the source and the server do not differ there: remove the row", place))
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
