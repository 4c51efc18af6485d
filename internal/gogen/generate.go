package gogen

import (
	"bytes"
	"errors"
	"fmt"
	"go/token"
	"strings"

	"github.com/qmpkit/qmpkit/qapi"
	"github.com/qmpkit/qmpkit/qapi/facts"
)

// Options configures Generate.
type Options struct {
	// Package is the name of the generated package.
	Package string
	// Version is the QEMU version of the schema. The head of each file names it. It may be empty.
	Version string
	// Also holds the versions, or other names, of the servers that the schema was loosened for
	// (see qapi.Schema.Loosen). The package's comment names them.
	Also []string
	// Facts holds the versions that the comments give for each thing. If it is nil, the comments give the versions in
	// the schema.
	Facts *facts.Table
	// Merged holds the versions of the other QEMUs, if the schema was merged from several.
	Merged []string
	// Sources says which of these schemas have a thing. The comments use it for things that Facts does not know. It may
	// be nil.
	Sources *facts.Table
	// Selection selects a part of the schema.
	Selection Selection
	// Docs puts QEMU's documentation into the comments. That text is under the GPL, and the head of each file says so.
	Docs bool
}

// Generate returns the files of a Go package for the schema, by file name. It does not write them. The same
// schema gives the same bytes. If Go cannot express a part of the schema, the error names that part.
func Generate(schema *qapi.Schema, opts Options) (map[string][]byte, error) {
	if !token.IsIdentifier(opts.Package) || opts.Package == "_" {
		return nil, fmt.Errorf("%q cannot be the name of a Go package", opts.Package)
	}
	if opts.Docs && !schema.HasProse() {
		return nil, errors.New("there is no prose in the schema: QEMU's documentation is in the schema files of its source only, not in a copy that qapigen print made")
	}
	if err := checkSecrets(schema); err != nil {
		return nil, err
	}
	// 1. Select a part of the schema.
	whole, part, err := opts.Selection.of(schema)
	if err != nil {
		return nil, err
	}
	// 2. Build the model of the Go code: names, types, encoders and decoders.
	b, err := build(schema, whole, part, opts)
	if err != nil {
		return nil, err
	}
	// 3. Emit the Go code: a file for each module of the schema, and the files of the package as a whole.
	files := map[string][]byte{}
	for _, f := range b.pkg.emit() {
		var b bytes.Buffer
		if err := f.code.Render(&b); err != nil {
			reason, _, _ := strings.Cut(err.Error(), "\n") // the whole text follows
			return nil, fmt.Errorf("%s would not be Go: %s", f.name, reason)
		}
		if files[f.name] != nil {
			return nil, fmt.Errorf("two modules of the schema would both be %s", f.name)
		}
		files[f.name] = b.Bytes()
	}
	return files, nil
}
