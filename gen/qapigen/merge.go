package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"

	"github.com/qmpkit/qmpkit/internal/address"
	"github.com/qmpkit/qmpkit/internal/unmask"
	"github.com/qmpkit/qmpkit/qapi"
	"github.com/qmpkit/qmpkit/qapi/facts"
	"github.com/qmpkit/qmpkit/qmp/introspect"
)

// mergeHelp says what several schemas become, for the help of generate.
const mergeHelp = `If -schema is given several times, the package is for the servers of all these sources. It has each
command, event, member, value, branch and feature that at least one source has. A member is optional
if one of the sources lacks it, or may leave it out. If one source takes a string and another a
string or null, the package takes both. Comments say which QEMU versions have a thing if not all
have it. Qapigen must know the version of each source: it asks a server, and otherwise reads the
file VERSION of QEMU's source tree or beside an answer. The newest source gives the names of types.`

// An ingredient is one of the schemas that a package is for.
type ingredient struct {
	*source
	name, version string
}

// mergeSchemas returns the schema that has what all sources have, in the looser form of them, and the
// sources, the newest first.
func mergeSchemas(ctx context.Context, sources []string, names string, report func(*unmask.Snapshot, string), stderr io.Writer) (*qapi.Schema, []ingredient, error) {
	parts, err := openIngredients(ctx, sources)
	if err != nil {
		return nil, nil, err
	}
	slices.SortStableFunc(parts, func(a, b ingredient) int { return facts.Compare(b.version, a.version) })
	merged, _, err := namedSchema(ctx, parts[0].source, parts[0].name, names, report)
	if err != nil {
		return nil, nil, err
	}
	for _, p := range parts[1:] {
		step(ctx, "merging "+p.name)
		joined, err := unmask.Join(merged, p.inspect(), unmask.JoinOptions{Looser: true})
		if err != nil {
			return nil, nil, notMerged(err, parts[0], p)
		}
		merged = joined.Schema
		fmt.Fprintf(stderr, "merged QEMU %s (%s): %d parts added\n", p.version, p.name, len(joined.Added))
	}
	for _, p := range parts {
		merged.Loosen(p.inspect())
	}
	return merged, parts, nil
}

// openIngredients opens all sources. They are of servers of one kind, each of a version that is known.
func openIngredients(ctx context.Context, sources []string) (parts []ingredient, err error) {
	seen := map[string]bool{}
	for _, name := range sources {
		where := name
		if _, ok := address.Of(name); !ok {
			where = filepath.Clean(name)
		}
		if seen[where] {
			return nil, &usageError{"-schema " + name + " is given twice"}
		}
		seen[where] = true
	}
	for _, name := range sources {
		s, err := openSource(ctx, name)
		if err != nil {
			return nil, named(name, err)
		}
		version := cmp.Or(s.version, treeVersion(name))
		if s.schema == nil {
			version = cmp.Or(s.version, versionIn(filepath.Dir(name)))
		}
		if version == "" {
			return nil, named(name, errors.New("the version of QEMU is not known, which several schemas need: write it to a file VERSION beside the source"))
		}
		p := ingredient{s, name, version}
		if len(parts) > 0 && parts[0].server() != p.server() {
			return nil, fmt.Errorf("%s is a schema of %s, and %s of %s: one package is for one kind of server", parts[0].name, parts[0].server(), name, p.server())
		}
		parts = append(parts, p)
	}
	return parts, nil
}

// server says which server a source is of.
func (p ingredient) server() string { return serverOf(p.has) }

// serverOf says which server has certain commands.
func serverOf(has func(command string) bool) string {
	switch factsFor(has) {
	case facts.Guest():
		return "the guest agent"
	case facts.QEMU():
		return "QEMU"
	case facts.Storage():
		return "qemu-storage-daemon"
	}
	return "another server"
}

func (s *source) has(command string) bool {
	if s.schema != nil {
		return s.schema.Lookup(command) != nil
	}
	return s.view.Lookup(command) != nil
}

// inspect returns the view of a source, with the names of types if it has them.
func (p ingredient) inspect() *introspect.Schema {
	if p.view == nil {
		p.view = p.schema.Introspect(qapi.IntrospectOptions{Unmask: true})
	}
	return p.view
}

// notMerged says where two schemas differ too much for one package, and what to do.
func notMerged(err error, newest, other ingredient) error {
	conflict, ok := errors.AsType[*unmask.ConflictError](err)
	if !ok {
		return named(other.name, err)
	}
	var errs []error
	for _, c := range conflict.Conflicts {
		errs = append(errs, fmt.Errorf("%s: %s is %s, and %s in %s: no type takes both", other.name, c.Place, c.Server, c.Source, newest.name))
	}
	return errors.Join(append(errs, errors.New("leave one of the two out, or choose with qapigen join -overrides and generate from what it writes"))...)
}

// knownFrom returns what the sources say of versions, for what the facts do not know; nil if two are of
// one release.
func knownFrom(merged *qapi.Schema, parts []ingredient) (*facts.Table, error) {
	table := facts.New()
	for i, p := range parts {
		if slices.ContainsFunc(parts[:i], func(other ingredient) bool { return facts.Release(other.version) == facts.Release(p.version) }) {
			return nil, nil
		}
		s := p.schema
		if s == nil {
			snapshot, err := unmask.Unmask(p.view, merged)
			if err != nil {
				return nil, named(p.name, err)
			}
			s = snapshot.Schema
		}
		if err := table.Add(p.version, s, false); err != nil {
			return nil, err
		}
	}
	return table, nil
}
