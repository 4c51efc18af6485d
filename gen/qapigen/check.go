package main

import (
	"errors"
	"strings"

	"github.com/spf13/cobra"

	"github.com/qmpkit/qmpkit/qapi"
)

// newCheck makes the subcommand that tells what is wrong with schemas.
func newCheck() *cobra.Command {
	var dialect string
	cmd := &cobra.Command{
		Use:   "check [-dialect any|5.2|7.2|10.0|10.2] FILE...",
		Short: "tell what is wrong with schemas",
		Long: `Check reads the schemas whose main files are named, with all that they include, and says
nothing if they are in order. Otherwise it prints a line for each thing that is wrong, in the
order in which QEMU would come across it:

  path:line[:column]: message

The language has changed from one QEMU to the next. With a version for -dialect, check takes
what that QEMU takes and refuses what it refuses, the rules for documentation included: the
first line is then about what QEMU itself would report, and at the same place. Otherwise it
takes what QEMU 5.2 to 11.0 write.`,
		Example: `  qapigen check qemu/qapi/qapi-schema.json qemu/qga/qapi-schema.json
  qapigen check -dialect 10.2 qemu/qapi/qapi-schema.json`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			d, ok := qapi.ParseDialect(dialect)
			if !ok {
				return &usageError{"there is no dialect '" + dialect + "': it is one of " + dialectNames()}
			}
			var errs []error
			for _, path := range args {
				if _, err := qapi.Load(path, &qapi.Options{Dialect: d}); err != nil {
					errs = append(errs, err)
				}
			}
			return errors.Join(errs...)
		},
	}
	cmd.Flags().StringVar(&dialect, "dialect", qapi.Any.String(), "the `VERSION` of QEMU whose rules apply, or any")
	return cmd
}

// dialectNames lists the names of the dialects.
func dialectNames() string {
	var names []string
	for _, d := range qapi.Dialects() {
		names = append(names, d.String())
	}
	return strings.Join(names, ", ")
}
