package qapi

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
)

// Options configures [Load]. The zero value is fine for most programs.
type Options struct {
	// Dialect is the language of the schema. [DialectAny], the zero value, accepts the schemas of
	// QEMU 5.2 to 11.0. Any other dialect accepts the schemas that one version of QEMU accepts, and
	// reports the same errors as that version, in the same order and at the same lines.
	Dialect Dialect

	MaxFiles    int // maximum number of files; 0 means 1000
	MaxFileSize int // maximum size of a file in bytes; 0 means 4 MiB
	MaxErrors   int // maximum number of diagnostics that are returned; 0 means 100
}

// Load reads the schema whose main file is path, with all files that it includes.
//
// If the schema has errors, Load returns a [Diagnostics]. If the main file cannot be read, it
// returns another error. A nil opts means the zero value.
func Load(path string, opts *Options) (*Schema, error) {
	return load(osFiles{}, filepath.ToSlash(path), opts)
}

// LoadFS is like [Load] for a schema in fsys. The schema cannot include files outside of fsys.
func LoadFS(fsys fs.FS, path string, opts *Options) (*Schema, error) {
	return load(fsFiles{fsys}, path, opts)
}

func load(in files, path string, opts *Options) (*Schema, error) {
	l := &loader{files: in, schema: &Schema{}}
	if opts != nil {
		l.opts = *opts
	}
	if l.opts.Dialect < 0 || int(l.opts.Dialect) >= len(rulesOf) {
		return nil, errors.New("qapi: unknown dialect; Dialects returns the dialects")
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

	// The results of the phases.
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

// full reports whether there are enough diagnostics: a phase ends then.
func (l *loader) full() bool { return len(l.errors) >= l.opts.MaxErrors }

// finish makes the schema from the results of the phases.
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
