package main

import (
	"fmt"

	"github.com/spf13/cobra"
)

// The exit statuses of query.
const (
	exitHas    = 0
	exitHasNot = 1
	exitFailed = 2
)

// newQuery makes the subcommand that asks a schema for one thing.
func newQuery() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "query [-json] SOURCE PATH",
		Short: "tell whether a schema has a command, a member, a value or a feature",
		Long: `Query tells whether a schema has what the path describes, by libvirt's grammar:

  COMMAND-OR-EVENT [ /arg-type | /ret-type [ /COMPONENT ]... ]

A component is a member's name (*NAME if it must be optional), +CASE for a union's branch,
^VALUE of an enum, !TYPE for a JSON type, or $FEATURE; $$FEATURE is one of the member before it.
A blank stands before a name that does not begin with a letter. The answer is false if a
component does not fit what it stands behind.

` + sourceHelp + `

With -json it prints an object with source, path and has.

The exit status is 0 if the schema has it ("true"), 1 if it has not ("false"), and 2 if the
question or the schema is malformed, or cannot be had.`,
		Example: `  qapigen query qemu/qapi/qapi-schema.json blockdev-add/arg-type/+file/aio/^io_uring
  qapigen query unix:/run/vm1/qmp.sock 'blockdev-add/arg-type/+file/$dynamic-auto-read-only'`,
		Args:              takes("SOURCE", "PATH"),
		ValidArgsFunction: completePath,
		RunE: func(cmd *cobra.Command, args []string) error {
			s, err := loadNamed(cmd.Context(), args[0])
			if err != nil {
				return &failure{err, exitFailed}
			}
			has, err := s.Has(args[1])
			if err != nil {
				return &failure{advise(err, "qapigen help query has the grammar"), exitFailed}
			}
			if asJSON {
				err = writeJSON(cmd.OutOrStdout(), answer{args[0], args[1], has})
			} else {
				_, err = fmt.Fprintln(cmd.OutOrStdout(), has)
			}
			switch {
			case err != nil:
				return &failure{err, exitFailed}
			case !has:
				return &failure{nil, exitHasNot}
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print an object")
	return cmd
}

// An answer is what query says, in JSON.
type answer struct {
	Source string `json:"source"`
	Path   string `json:"path"`
	Has    bool   `json:"has"`
}
