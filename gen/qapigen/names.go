package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/qmpkit/qmpkit/internal/unmask"
	"github.com/qmpkit/qmpkit/qapi"
	"github.com/qmpkit/qmpkit/qmp/introspect"
	"github.com/qmpkit/qmpkit/testdata/schema"
)

// namesHelp says where names come from, for the help of generate.
const namesHelp = `A running server, and an answer that capture wrote, have no names of types. Generate takes the names
from a schema of another version: the newest schema in qapigen, or the schema of -names. A type has
the same name if it is used at the same place. Other types are named after the place where they are
used. Generate lists these on standard error, with the number of names that it found.`

// alsoHelp says what -also does, for the help of generate.
const alsoHelp = `With -also SOURCE, the package also serves this server: members of results and events that it may
leave out become optional. -also adds nothing to the package. Without -also, a mandatory member is
zero if a server of another version does not send it.`

// loosen makes optional what other servers do not send, and returns their versions, or the names of
// those whose version is not known.
func loosen(ctx context.Context, s *qapi.Schema, others []string) ([]string, error) {
	var versions []string
	for _, name := range others {
		other, err := openSource(ctx, name)
		if err != nil {
			return nil, fmt.Errorf("-also %w", named(name, err))
		}
		known := ""
		if other.view == nil {
			other.view, known = other.schema.Introspect(qapi.IntrospectOptions{}), treeVersion(name)
		}
		s.Loosen(other.view)
		versions = append(versions, cmp.Or(other.version, known, versionIn(filepath.Dir(name)), filepath.Base(name)))
	}
	return versions, nil
}

// loadSchema returns the schema that a source has, and the version of QEMU that it is of, "" if
// there is no telling. That of a server gets its names from the schema names; report is told of
// that, and what the schema names is called.
func loadSchema(ctx context.Context, name, names string, report func(*unmask.Snapshot, string)) (*qapi.Schema, string, error) {
	s, err := openSource(ctx, name)
	if err != nil {
		return nil, "", named(name, err)
	}
	return namedSchema(ctx, s, name, names, report)
}

// namedSchema is loadSchema of a source that is open.
func namedSchema(ctx context.Context, s *source, name, names string, report func(*unmask.Snapshot, string)) (*qapi.Schema, string, error) {
	if s.view == nil {
		if names != "" {
			return nil, "", &usageError{"-names: " + name + " is a schema, which has its own names"}
		}
		return s.schema, treeVersion(name), nil
	}
	if s.version == "" { // an answer in a file, which is in no tree
		s.version = versionIn(filepath.Dir(name))
	}
	step(ctx, "finding the names of the types of "+name)
	from, label, err := loadNames(names, s.view)
	if err != nil {
		return nil, "", err
	}
	snapshot, err := unmask.Unmask(s.view, from)
	if err != nil {
		return nil, "", fmt.Errorf("%s: %w", name, err)
	}
	report(snapshot, label)
	return snapshot.Schema, s.version, nil
}

// loadNames returns the schema that names come from, and what it is called: the file, or, if none
// is given, the one of our own that is most like the server's.
func loadNames(file string, view *introspect.Schema) (*qapi.Schema, string, error) {
	if file == "" {
		return nearest(view)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, "", fmt.Errorf("-names %s: %w", file, withoutPath(err))
	}
	if isAnswer(text) {
		return nil, "", &usageError{"-names " + file + ": this is a server's answer, which has no names: give the main file of a QEMU's schema, or of a copy made by qapigen print"}
	}
	s, err := qapi.Load(file, nil)
	if err == nil && len(s.Definitions) == 0 {
		err = errors.New("-names " + file + ": this has no definitions: " + wantMain)
	}
	return s, file, err
}

// nearest returns the one of our own schemas that a server's is most like, by the commands that
// both have among those that one of them has.
func nearest(view *introspect.Schema) (best *qapi.Schema, label string, err error) {
	most := -1.0
	for _, path := range []string{schema.NewestQEMU, schema.NewestStorage} {
		s, err := qapi.LoadFS(schema.FS, path, nil)
		if err != nil {
			return nil, "", err
		}
		if n := likeness(view, s); n > most {
			version, main, _ := strings.Cut(path, "/")
			most, best, label = n, s, "QEMU "+version+"'s "+main
		}
	}
	return best, label, nil
}

// embeddedVersion is the version that our own schemas are up to.
const embeddedVersion = schema.Newest

func likeness(view *introspect.Schema, s *qapi.Schema) float64 {
	both, one := 0, len(s.Commands())
	for c := range view.Commands() {
		if _, ok := s.Lookup(c.Name).(*qapi.Command); ok {
			both++
		} else {
			one++
		}
	}
	return float64(both) / float64(max(one, 1))
}

// mostNewNames is how many new names are told one by one.
const mostNewNames = 40

// reportNames says how many names were recovered, and what is new.
func reportNames(w io.Writer, s *unmask.Snapshot, from string) {
	fmt.Fprintf(w, "recovered %d of %d type names from %s", s.Recovered(), len(s.Types), from)
	var lines []string
	for _, t := range s.Types {
		if t.Use != "" {
			lines = append(lines, fmt.Sprintf("  %s (%s)\n", t.Name, t.Use))
		}
	}
	if lines == nil {
		fmt.Fprintln(w)
		return
	}
	verb := "are"
	if len(lines) == 1 {
		verb = "is"
	}
	fmt.Fprintf(w, "; %d %s new:\n", len(lines), verb)
	if more := len(lines) - mostNewNames; more > 0 {
		lines = append(lines[:mostNewNames], fmt.Sprintf("  and %d more\n", more))
	}
	fmt.Fprint(w, strings.Join(lines, ""))
}
