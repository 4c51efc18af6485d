package main

import (
	"bufio"
	"io"
	"slices"

	"github.com/spf13/cobra"

	"github.com/qmpkit/qmpkit/qapi"
	"github.com/qmpkit/qmpkit/qmp/introspect"
)

// newIntrospect makes the subcommand that prints a server's answer from its schema.
func newIntrospect() *cobra.Command {
	var opts qapi.IntrospectOptions
	var defined []string
	cmd := &cobra.Command{
		Use:   "introspect [-unmask] [-define NAME]... FILE",
		Short: "print the answer of a server to query-qmp-schema, made from its schema",
		Long: `Introspect prints the answer to query-qmp-schema of a server that is built from the schema. It
prints a line for each entry, with the members in alphabetical order. Query and diff can read the
output. To save the answer of a running server, use capture.

With -define, only the named symbols are true; without it, all conditions of the schema are true. As
in the answer of a server, types have numbers. With -unmask, they have their names.

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
	cmd.Flags().StringArrayVar(&defined, "define", nil, "the `NAME` of a symbol that is true; without -define, all are true; may be given several times")
	cmd.Flags().BoolVar(&opts.ValuesOnly, "values-only", false, "leave out the members of enums, as QEMU 6.1 and older do")
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
