package unmask

import (
	"fmt"

	"github.com/qmpkit/qmpkit/qapi"
	"github.com/qmpkit/qmpkit/qmp/introspect"
)

// A Snapshot is the schema of a server as schema files.
type Snapshot struct {
	// Schema is the schema, as package qapi loads it from the files.
	Schema *qapi.Schema
	// Files has the text of each file by its name. All files are in one folder.
	Files map[string][]byte
	// Main is the name of the file that includes all others.
	Main string
	// Types has the types with names, sorted by name.
	Types []Type
}

// A Type is a named type of a Snapshot.
type Type struct {
	Name string
	// Use is empty if the name was recovered. Otherwise Use is the place that the name was made
	// from: "BlockdevOptionsFile/zoned", "x-frobnicate/ret-type".
	Use string
}

// Recovered returns the number of types whose names Unmask has recovered.
func (s *Snapshot) Recovered() (n int) {
	for _, t := range s.Types {
		if t.Use == "" {
			n++
		}
	}
	return n
}

// Unmask returns the schema of a server. live is its answer to query-qmp-schema, and names is the
// schema that has names for the types. The result has all parts of the server's schema, and the
// base types that several of its types share.
//
// If the answer is malformed, the error matches [ErrSchema]. If it breaks QAPI's rules, except
// those for names, the error matches a [qapi.Diagnostics] with places in the text of Files.
func Unmask(live *introspect.Schema, names *qapi.Schema) (*Snapshot, error) {
	if err := check(live); err != nil {
		return nil, err
	}
	b := newBuilder(live, newNamer(names))
	b.nameTypes()
	types := b.namedTypes()
	b.describe()
	return load(b.main(), b.files(), b.definitions, types)
}

// load writes the files and reads them. If QAPI's rules refuse the schema it tries once more
// without its rules for names, since a server's names are taken as they are.
func load(main string, modules []string, definitions []*definition, types []Type) (*Snapshot, error) {
	s := &Snapshot{Main: main, Types: types}
	read := func(serverNames bool) (err error) {
		s.Files = write(main, modules, definitions, serverNames)
		s.Schema, err = qapi.LoadFS(textFS(s.Files), main, nil)
		return err
	}
	err := read(false)
	if err != nil {
		err = read(true)
	}
	if err != nil {
		return nil, fmt.Errorf("unmask: the schema breaks QAPI's rules:\n%w", err)
	}
	return s, nil
}
