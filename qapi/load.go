package qapi

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
)

// Options says how a schema is loaded. The zero value is a good choice.
type Options struct {
	// Dialect is the language that the schema is judged by. [DialectAny], the zero value, takes
	// what QEMU 5.2 to 11.0 write; the others take what one version of QEMU takes, and
	// report what is wrong in the order in which it would, with the line that it would.
	Dialect Dialect

	MaxFiles    int // how many files a schema may have; 0: 1000
	MaxFileSize int // how large each of them may be, in bytes; 0: 4 MiB
	MaxErrors   int // how many diagnostics are kept; 0: 100
}

// Load reads the schema whose main file is path, with all files that it includes.
//
// The error is a [Diagnostics] if there is something wrong with the schema, and another one
// if the main file cannot be read. A nil opts stands for the zero value.
func Load(path string, opts *Options) (*Schema, error) {
	return load(osFiles{}, filepath.ToSlash(path), opts)
}

// LoadFS is like [Load] for a schema in a file system. Files outside of it cannot be
// included.
func LoadFS(fsys fs.FS, path string, opts *Options) (*Schema, error) {
	return load(fsFiles{fsys}, path, opts)
}

func load(in files, path string, opts *Options) (*Schema, error) {
	l := &loader{files: in, schema: &Schema{}}
	if opts != nil {
		l.opts = *opts
	}
	if l.opts.Dialect < 0 || int(l.opts.Dialect) >= len(rulesOf) {
		return nil, errors.New("there is no such dialect of QAPI: use one of those that Dialects returns")
	}
	l.opts.setDefaults()
	l.rules = &rulesOf[l.opts.Dialect]
	l.featureNames.allowed = l.rules.maxFeatures
	data, err := readFile(in, path, l.opts.MaxFileSize)
	if err != nil {
		return nil, fmt.Errorf("can't read schema file '%s': %w", path, err)
	}
	l.parse(path, data)
	for _, phase := range []func(){l.declare, l.define, l.check, l.checkDocs, l.checkFeatureCount} {
		if len(l.errors) > 0 {
			break
		}
		phase()
	}
	if len(l.errors) > 0 {
		return nil, l.errors
	}
	l.finish()
	return l.schema, nil
}

func (o *Options) setDefaults() {
	if o.MaxFiles == 0 {
		o.MaxFiles = 1000
	}
	if o.MaxFileSize == 0 {
		o.MaxFileSize = 4 << 20
	}
	if o.MaxErrors == 0 {
		o.MaxErrors = 100
	}
}

// loader is a schema in the making.
type loader struct {
	opts   Options
	rules  *rules
	files  files
	schema *Schema
	errors Diagnostics

	// What the phases hand on.
	pragma       pragma
	expressions  []*expression
	declarations []*declaration
	entities     []*entity
	byName       map[string]*entity
	branches     int // of all unions, and of those in them
	flatMembers  int // of all object types, with those of their bases
	enumValues   map[*Enum]map[string]bool
	enumKinds    map[*Enum][]JSONKind
	featureNames featureCount
}

// report notes a diagnostic.
func (l *loader) report(d *Diagnostic) {
	if !l.full() {
		l.errors = append(l.errors, d)
	}
}

// full tells that there are as many diagnostics as are wanted: a phase ends then.
func (l *loader) full() bool { return len(l.errors) >= l.opts.MaxErrors }

// finish makes the schema of what the phases have found.
func (l *loader) finish() {
	s := l.schema
	s.ServerNames = l.pragma.serverNames
	s.index = make(map[string]Definition, len(l.entities))
	for _, e := range l.entities {
		if e.def == nil || e.decl.owner != nil {
			continue
		}
		s.Definitions = append(s.Definitions, e.def)
		e.decl.module.Definitions = append(e.decl.module.Definitions, e.def)
		s.index[e.decl.name] = e.def
	}
}
