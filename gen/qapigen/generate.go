package main

import (
	"cmp"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/qmpkit/qmpkit/gen/gogen"
	"github.com/qmpkit/qmpkit/qapi"
)

// newGenerate makes the subcommand that emits Go for a schema.
func newGenerate() *cobra.Command {
	var schema, names, out, codec string
	var opts gogen.Options
	var selected *selectionFlags
	cmd := &cobra.Command{
		Use:   "generate -schema SOURCE [-names SCHEMA] -package NAME -out DIR",
		Short: "write typed Go for a schema",
		Long: `Generate writes a Go package with a type for each command, event, struct, union,
alternate and enum of a QAPI schema, and the code that takes them to and from the wire.

` + sourceHelp + `

` + namesHelp + `

The folder is made if it is not there. Generated files that no longer belong to the package
are removed; files that qapigen did not write are never touched.

` + selectionHelp,
		Example: `  qapigen generate -schema qemu/qapi/qapi-schema.json -package qemu -out ./qemu
  qapigen generate -schema unix:/run/vm1/qmp.sock -package qemu -out ./qemu
  qapigen generate -only device_add,device_del,DEVICE_DELETED -schema … -package qemu -out ./qemu
  //go:generate go tool qapigen generate -schema qga/qapi-schema.json -package guest -out .`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			if opts.Selection, err = selected.selection(); err != nil {
				return err
			}
			load := func() (*qapi.Schema, string, error) {
				return loadSchema(cmd.Context(), schema, names, cmd.ErrOrStderr())
			}
			return generate(load, out, codec, opts)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&schema, "schema", "", "the `SOURCE`: a schema's main file (qapi-schema.json), a captured answer, or a server's address")
	flags.StringVar(&names, "names", "",
		"the main file of the `SCHEMA` that the names of a server's types come from (default: our own, of QEMU "+embeddedVersion+")")
	flags.StringVar(&opts.Package, "package", "", "the `NAME` of the Go package")
	flags.StringVar(&out, "out", "", "the `DIR` to write the package to")
	flags.StringVar(&codec, "codec", "needed",
		"which types get code for the wire: needed (encoders for what is sent, decoders for what is received) or both (both for all)")
	flags.StringVar(&opts.Version, "qemu-version", "",
		"the QEMU `VERSION` that the files name (default: the server's, or from the file VERSION of the schema's tree, or beside an answer)")
	flags.BoolVar(&opts.Docs, "docs", false,
		"put QEMU's documentation, which is licensed under the GPL, into the comments; the schema has to be one of QEMU's own source")
	selected = addSelectionFlags(cmd)
	for _, name := range []string{"schema", "package", "out"} {
		cobra.CheckErr(cmd.MarkFlagRequired(name))
	}
	return cmd
}

// generate writes nothing before everything is known to be right.
func generate(load func() (*qapi.Schema, string, error), out, codec string, opts gogen.Options) error {
	switch codec {
	case "needed":
		opts.Codec = gogen.CodecNeeded
	case "both":
		opts.Codec = gogen.CodecBoth
	default:
		return &usageError{fmt.Sprintf("-codec %s: want needed or both", codec)}
	}
	if opts.Version != "" && !versionPattern.MatchString(opts.Version) {
		return &usageError{fmt.Sprintf("-qemu-version %s: want a version such as 10.2.0", opts.Version)}
	}
	schema, version, err := load()
	if err != nil {
		return err
	}
	opts.Version = cmp.Or(opts.Version, version)
	files, err := gogen.Generate(schema, opts)
	if err != nil {
		return err
	}
	_, err = gogen.WriteDir(out, files)
	return err
}
