package main

import (
	"cmp"
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/qmpkit/qmpkit/gen/gogen"
	"github.com/qmpkit/qmpkit/qapi"
	"github.com/qmpkit/qmpkit/qapi/facts"
	"github.com/qmpkit/qmpkit/qapi/unmask"
)

// newGenerate makes the subcommand that emits Go for a schema.
func newGenerate() *cobra.Command {
	var schema, names, out string
	var also []string
	var asJSON bool
	var opts gogen.Options
	var selected *selectionFlags
	cmd := &cobra.Command{
		Use:   "generate -schema SOURCE [-names SCHEMA] [-also SOURCE] -package NAME -out DIR [-json]",
		Short: "write typed Go for a schema",
		Long: `Generate writes a Go package with a type for each command, event, struct, union,
alternate and enum of a QAPI schema, and the code that takes them to and from the wire.

` + sourceHelp + `

` + namesHelp + `

` + alsoHelp + `

The folder is made if it is not there. Files that are the same already are not written. Generated
files that no longer belong to the package are removed; files that qapigen did not write are never
touched. A folder with Go files of another package, generated or not, is refused.

` + selectionHelp + `

With -json, an object on standard output says what was done: package, folder, version, the names of
files that changed, that are unchanged and that were removed, and of the names of types how many
were recovered, and from where, and which are new.

` + statusHelp,
		Example: `  qapigen generate -schema qemu/qapi/qapi-schema.json -package qemu -out ./qemu
  qapigen generate -schema unix:/run/vm1/qmp.sock -package qemu -out ./qemu
  qapigen generate -schema qemu/qapi/qapi-schema.json -also qemu-7.2.json -package qemu -out ./qemu
  qapigen generate -only device_add,device_del,DEVICE_DELETED -schema … -package qemu -out ./qemu
  //go:generate go tool qapigen generate -schema qga/qapi-schema.json -package guest -out .`,
		Args: takes(),
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			if err := notEmpty(cmd, "schema", "names", "package", "out"); err != nil {
				return err
			}
			if opts.Selection, err = selected.selection(); err != nil {
				return err
			}
			done := outcome{Package: opts.Package, Folder: out}
			report := func(s *unmask.Snapshot, from string) {
				if done.Names = namesOf(s, from); !asJSON {
					reportNames(cmd.ErrOrStderr(), s, from)
				}
			}
			load := func(opts *gogen.Options) (*qapi.Schema, error) {
				s, version, err := loadSchema(cmd.Context(), schema, names, report)
				if err != nil {
					return nil, err
				}
				opts.Version = cmp.Or(opts.Version, version)
				opts.Also, err = loosen(cmd.Context(), s, also)
				return s, err
			}
			if err := done.generate(cmd.Context(), load, opts); err != nil || !asJSON {
				return err
			}
			return writeJSON(cmd.OutOrStdout(), done)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&schema, "schema", "", "the `SOURCE`: a schema's main file (qapi-schema.json), a captured answer, or a server's address")
	flags.StringVar(&names, "names", "",
		"the main file of the `SCHEMA` that the names of a server's types come from (default: our own, of QEMU "+embeddedVersion+")")
	flags.StringArrayVar(&also, "also", nil,
		"another `SOURCE`, whose server the package is for as well: what it does not send becomes optional; may be given several times")
	flags.StringVar(&opts.Package, "package", "", "the `NAME` of the Go package")
	flags.StringVar(&out, "out", "", "the `DIR` to write the package to")
	flags.StringVar(&opts.Version, "qemu-version", "",
		"the QEMU `VERSION` that the files name (default: the server's, or from the file VERSION of the schema's tree, or beside an answer)")
	flags.BoolVar(&opts.Docs, "docs", false,
		"put QEMU's documentation, which is licensed under the GPL, into the comments; the schema has to be one of QEMU's own source")
	flags.BoolVar(&asJSON, "json", false, "print an object that says what was done")
	selected = addSelectionFlags(cmd)
	for _, name := range []string{"schema", "package", "out"} {
		cobra.CheckErr(cmd.MarkFlagRequired(name))
	}
	for name, complete := range map[string]completer{
		"schema": completeFiles, "names": completeFiles, "also": completeFiles, "out": completeFolders,
	} {
		cobra.CheckErr(cmd.RegisterFlagCompletionFunc(name, complete))
	}
	return cmd
}

// generate makes the package. It writes nothing before everything is known to be right.
func (done *outcome) generate(ctx context.Context, load func(*gogen.Options) (*qapi.Schema, error), opts gogen.Options) error {
	if opts.Version != "" && !versionPattern.MatchString(opts.Version) {
		return &usageError{fmt.Sprintf("-qemu-version %s: want a version such as 10.2.0", opts.Version)}
	}
	schema, err := load(&opts)
	if err != nil {
		return err
	}
	done.Version = opts.Version
	opts.Facts = factsFor(schema)
	step(ctx, "writing the package "+opts.Package)
	files, err := gogen.Generate(schema, opts)
	if err != nil {
		return err
	}
	written, err := gogen.WriteDir(done.Folder, files)
	done.Changed, done.Unchanged, done.Removed = orEmpty(written.Changed), orEmpty(written.Unchanged), orEmpty(written.Removed)
	return notWritten(err)
}

// factsFor returns what is known of the server that a schema is of, nil if it is none of QEMU's.
func factsFor(schema *qapi.Schema) *facts.Table {
	switch {
	case schema.Lookup("guest-sync") != nil:
		return facts.Guest()
	case schema.Lookup("device_add") != nil:
		return facts.QEMU()
	case schema.Lookup("block-export-add") != nil:
		return facts.Storage()
	}
	return nil
}
