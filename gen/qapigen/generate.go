package main

import (
	"cmp"
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/qmpkit/qmpkit/internal/gogen"
	"github.com/qmpkit/qmpkit/internal/unmask"
	"github.com/qmpkit/qmpkit/qapi"
	"github.com/qmpkit/qmpkit/qapi/facts"
)

// newGenerate makes the subcommand that generates Go for a schema.
func newGenerate() *cobra.Command {
	var names, out string
	var schemas, also []string
	var asJSON bool
	var opts gogen.Options
	var selected *selectionFlags
	cmd := &cobra.Command{
		Use:   "generate -schema SOURCE... [-names SCHEMA] [-also SOURCE] -package NAME -out DIR [-json]",
		Short: "write a Go package for a schema",
		Long: `Generate writes a Go package for a QAPI schema. The package has a type for each command, event,
struct, union, alternate and enum, and the code that encodes and decodes them.

` + sourceHelp + `

` + namesHelp + `

` + mergeHelp + `

` + alsoHelp + `

Generate makes the folder if it does not exist. It writes the files that changed, and removes
generated files that no longer belong to the package. It never touches files that qapigen did not
write, and refuses a folder with Go files of another package.

` + selectionHelp + `

With -json, generate prints an object. It has the package, the folder, the QEMU version, the names
of changed, unchanged and removed files, and the new names of types, with the number of names found
and the schema that has them. If there are several sources, it has the name and the version of each.

` + statusHelp,
		Example: `  qapigen generate -schema qemu/qapi/qapi-schema.json -package qemu -out ./qemu
  qapigen generate -schema unix:/run/vm1/qmp.sock -package qemu -out ./qemu
  qapigen generate -schema 5.2/qemu.json -schema 10.0/qemu.json -package qemu -out ./qemu
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
			several := len(schemas) > 1
			switch {
			case several && opts.Version != "":
				return &usageError{"-qemu-version takes one source, and there are several"}
			case several && opts.Docs:
				return &usageError{"-docs takes one schema: a package for several schemas cannot have their documentation"}
			}
			done := outcome{Package: opts.Package, Folder: out}
			report := func(s *unmask.Snapshot, from string) {
				if done.Names = namesOf(s, from); !asJSON {
					reportNames(cmd.ErrOrStderr(), s, from)
				}
			}
			load := func(opts *gogen.Options) (*qapi.Schema, error) {
				s, err := done.load(cmd.Context(), opts, schemas, names, report, progressOf(cmd, asJSON))
				if err != nil {
					return nil, err
				}
				others, err := loosen(cmd.Context(), s, also)
				opts.Also = others
				return s, err
			}
			if err := done.generate(cmd.Context(), load, opts); err != nil || !asJSON {
				return err
			}
			return writeJSON(cmd.OutOrStdout(), done)
		},
	}
	flags := cmd.Flags()
	flags.StringArrayVar(&schemas, "schema", nil,
		"the `SOURCE`: the main file of a schema (qapi-schema.json), a captured answer, or the address of a server; may be given several times")
	flags.StringVar(&names, "names", "",
		"the main file of the `SCHEMA` that gives the names of types for a server or an answer (default: the one in qapigen, of QEMU "+embeddedVersion+")")
	flags.StringArrayVar(&also, "also", nil,
		"another `SOURCE`: members that its server does not send become optional; may be given several times")
	flags.StringVar(&opts.Package, "package", "", "the `NAME` of the Go package")
	flags.StringVar(&out, "out", "", "the `DIR` to write the package to")
	flags.StringVar(&opts.Version, "qemu-version", "",
		"the QEMU `VERSION` that the generated files name (default: that of the server, or of the file VERSION in QEMU's source tree or beside an answer)")
	flags.BoolVar(&opts.Docs, "docs", false,
		"put QEMU's documentation into the comments; it is under the GPL, and only the schema in QEMU's source has it")
	flags.BoolVar(&asJSON, "json", false, "print the result as a JSON object")
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

// progressOf is where lines go that say what was merged.
func progressOf(cmd *cobra.Command, asJSON bool) io.Writer {
	if asJSON {
		return io.Discard
	}
	return cmd.ErrOrStderr()
}

// load loads the schema, or all of several.
func (done *outcome) load(ctx context.Context, opts *gogen.Options, schemas []string, names string,
	report func(*unmask.Snapshot, string), stderr io.Writer) (*qapi.Schema, error) {
	if len(schemas) == 1 {
		s, version, err := loadSchema(ctx, schemas[0], names, report)
		opts.Version = cmp.Or(opts.Version, version)
		return s, err
	}
	s, parts, err := mergeSchemas(ctx, schemas, names, report, stderr)
	if err != nil {
		return nil, err
	}
	for _, p := range parts {
		done.Sources = append(done.Sources, sourceRow{p.name, p.version})
		opts.Merged = append(opts.Merged, p.version)
	}
	opts.Version, opts.Merged = opts.Merged[0], opts.Merged[1:]
	opts.Sources, err = knownFrom(s, parts)
	return s, err
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
	opts.Facts = factsFor(func(command string) bool { return schema.Lookup(command) != nil })
	step(ctx, "writing the package "+opts.Package)
	files, err := gogen.Generate(schema, opts)
	if err != nil {
		return err
	}
	written, err := gogen.WriteDir(done.Folder, files)
	done.Changed, done.Unchanged, done.Removed = orEmpty(written.Changed), orEmpty(written.Unchanged), orEmpty(written.Removed)
	return notWritten(err)
}

// factsFor returns what is known of the server that has certain commands, nil if it is none of QEMU's.
func factsFor(has func(command string) bool) *facts.Table {
	switch {
	case has("guest-sync"):
		return facts.Guest()
	case has("device_add"):
		return facts.QEMU()
	case has("blockdev-add"):
		return facts.Storage()
	}
	return nil
}
