package main

import (
	"errors"

	"github.com/spf13/cobra"

	"github.com/qmpkit/qmpkit/qapi"
)

// newCheck makes the subcommand that tells what is wrong with schemas.
func newCheck() *cobra.Command {
	return &cobra.Command{
		Use:   "check FILE...",
		Short: "tell what is wrong with schemas",
		Long: `Check reads the schemas whose main files are named, with all that they include, and says
nothing if they are in order. Otherwise it prints a line for each thing that is wrong, in the
order in which QEMU would come across it:

  path:line[:column]: message

It takes what any QEMU from 5.2 on takes, and refuses what all of them refuse.`,
		Example: `  qapigen check qemu/qapi/qapi-schema.json qemu/qga/qapi-schema.json`,
		Args:    cobra.MinimumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			var errs []error
			for _, path := range args {
				if _, err := qapi.Load(path, nil); err != nil {
					errs = append(errs, err)
				}
			}
			return errors.Join(errs...)
		},
	}
}
