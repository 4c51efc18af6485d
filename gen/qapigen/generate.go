package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/qmpkit/qmpkit/gen/gogen"
	"github.com/qmpkit/qmpkit/qapi"
)

// newGenerate makes the subcommand that emits Go for a schema.
func newGenerate() *cobra.Command {
	var schema, out, codec string
	var opts gogen.Options
	cmd := &cobra.Command{
		Use:   "generate -schema FILE -package NAME -out DIR",
		Short: "write typed Go for a schema",
		Long: `Generate writes a Go package with a type for each command, event, struct, union,
alternate and enum of a QAPI schema, and the code that takes them to and from the wire.

The folder is made if it is not there. Generated files that no longer belong to the package
are removed; files that qapigen did not write are never touched.`,
		Example: `  qapigen generate -schema qemu/qapi/qapi-schema.json -package qemu -out ./qemu
  //go:generate go tool qapigen generate -schema qga/qapi-schema.json -package guest -out .`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			return generate(schema, out, codec, opts)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&schema, "schema", "", "the schema's main `FILE` (qapi-schema.json)")
	flags.StringVar(&opts.Package, "package", "", "the `NAME` of the Go package")
	flags.StringVar(&out, "out", "", "the `DIR` to write the package to")
	flags.StringVar(&codec, "codec", "needed",
		"which types get code for the wire: needed (encoders for what is sent, decoders for what is received) or both (both for all)")
	flags.StringVar(&opts.Version, "qemu-version", "",
		"the QEMU `VERSION` that the files name (default: from the file VERSION of the schema's tree)")
	for _, name := range []string{"schema", "package", "out"} {
		cobra.CheckErr(cmd.MarkFlagRequired(name))
	}
	return cmd
}

// generate writes nothing before everything is known to be right.
func generate(path, out, codec string, opts gogen.Options) error {
	switch codec {
	case "needed":
		opts.Codec = gogen.CodecNeeded
	case "both":
		opts.Codec = gogen.CodecBoth
	default:
		return &usageError{fmt.Sprintf("-codec %s: want needed or both", codec)}
	}
	if opts.Version == "" {
		opts.Version = treeVersion(path)
	} else if !versionPattern.MatchString(opts.Version) {
		return &usageError{fmt.Sprintf("-qemu-version %s: want a version such as 10.2.0", opts.Version)}
	}
	schema, err := qapi.Load(path, nil)
	if err != nil {
		return err
	}
	files, err := gogen.Generate(schema, opts)
	if err != nil {
		return err
	}
	return gogen.WriteDir(out, files)
}
