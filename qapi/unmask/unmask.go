package unmask

import (
	"fmt"

	"github.com/qmpkit/qmpkit/qapi"
	"github.com/qmpkit/qmpkit/qmp/introspect"
)

// A Snapshot is the schema of a server, written as QEMU writes its own.
type Snapshot struct {
	// Schema is the schema, as package qapi loads it from the files.
	Schema *qapi.Schema
	// Files holds the text of the schema's files by their names. They are all in one folder.
	Files map[string][]byte
	// Main is the name of the file that includes all others.
	Main string
	// Types holds the types that have a name, sorted by it.
	Types []Type
}

// A Type is a type of the server's, and what became of its name.
type Type struct {
	Name string
	// Use is empty if the name was recovered. The name of a new type is made of the place where
	// it is used: "BlockdevOptionsFile/zoned", "x-frobnicate/ret-type".
	Use string
}

// Recovered returns the number of types that have the name which the names' schema has for them.
func (s *Snapshot) Recovered() (n int) {
	for _, t := range s.Types {
		if t.Use == "" {
			n++
		}
	}
	return n
}

// Unmask returns the schema of a server, given what it answered to query-qmp-schema, with the
// names that another schema has. All that the server has is in it, and nothing else but the base
// types that its types have in common.
//
// The error matches [ErrSchema] if the answer is no schema, and is a [qapi.Diagnostics] if QAPI's
// rules refuse it, but for those for names. The places are those in the text that was to be Files.
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
		return nil, fmt.Errorf("unmask: the schema is one that QEMU would not take:\n%w", err)
	}
	return s, nil
}
