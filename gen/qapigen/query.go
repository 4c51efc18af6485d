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

// newQuery makes the subcommand that asks whether a schema has a thing.
func newQuery() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "query [-json] SOURCE PATH",
		Short: "report whether a schema has a command, a member, a value or a feature",
		Long: `Query reports whether a schema has a command, an event or a part of one. PATH names it in the
grammar of libvirt:

  COMMAND-OR-EVENT [ /arg-type | /ret-type [ /COMPONENT ]... ]

A COMPONENT is one of

  NAME        a member; *NAME if the member must be optional
  +CASE       a branch of a union
  ^VALUE      a value of an enum
  !TYPE       a JSON type
  $FEATURE    a feature of a command, an event, a type or a value
  $$FEATURE   a feature of the member before it

Write a blank before a NAME that does not begin with a letter. If a component does not fit the
component before it, the answer is false.

` + sourceHelp + `

With -json, query prints an object with source, path and has.

The exit status is 0 if the answer is true, 1 if it is false, and 2 if there is no answer: the path
or the schema is malformed, or the source cannot be read.`,
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
