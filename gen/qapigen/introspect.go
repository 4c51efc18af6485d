package main

import (
	"bufio"
	"io"
	"slices"

	"github.com/spf13/cobra"

	"github.com/qmpkit/qmpkit/qapi"
	"github.com/qmpkit/qmpkit/qmp/introspect"
)

// newIntrospect makes the subcommand that prints what a server says of its schema.
func newIntrospect() *cobra.Command {
	var opts qapi.IntrospectOptions
	var defined []string
	cmd := &cobra.Command{
		Use:   "introspect [-unmask] [-define NAME]... FILE",
		Short: "print what a server built from a schema answers to query-qmp-schema",
		Long: `Introspect prints the array with which a server that was built from the schema answers
query-qmp-schema, one entry a line, each with its members in alphabetical order. Query and diff
take what it prints as a source.

All conditions hold unless -define is given: then only those names are in the configuration.
Types have numbers in place of names, as servers have them, unless -unmask is given.
What a server that is running says, capture writes.

` + statusHelp,
		Example: `  qapigen introspect qemu/qapi/qapi-schema.json
  qapigen introspect -define CONFIG_LINUX -define CONFIG_TCG qemu/qapi/qapi-schema.json`,
		Args:              takes("FILE"),
		ValidArgsFunction: completeFiles,
		RunE: func(cmd *cobra.Command, args []string) error {
			s, err := loadFile(args[0], nil)
			if err != nil {
				return err
			}
			if cmd.Flags().Changed("define") {
				opts.Config = func(name string) bool { return slices.Contains(defined, name) }
			}
			return printView(cmd.OutOrStdout(), s.Introspect(opts))
		},
	}
	cmd.Flags().BoolVar(&opts.Unmask, "unmask", false, "give types their names")
	cmd.Flags().StringArrayVar(&defined, "define", nil, "the `NAME`s in the configuration; all, if there is none")
	cmd.Flags().BoolVar(&opts.ValuesOnly, "values-only", false, "leave the members of enums out, as QEMU up to 6.1 does")
	return cmd
}

// printView prints an array with one entry a line.
func printView(w io.Writer, s *introspect.Schema) error {
	if len(s.Infos) == 0 {
		_, err := io.WriteString(w, "[]\n")
		return err
	}
	out := bufio.NewWriter(w)
	before := "[\n"
	for line, err := range s.Lines() {
		if err != nil {
			return err
		}
		out.WriteString(before)
		out.WriteString(line)
		before = ",\n"
	}
	out.WriteString("\n]\n")
	return out.Flush()
}
