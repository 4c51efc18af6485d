package main

import (
	"errors"
	"strings"

	"github.com/spf13/cobra"

	"github.com/qmpkit/qmpkit/qapi"
)

// newCheck makes the subcommand that reports errors in schemas.
func newCheck() *cobra.Command {
	var dialect string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "check [-dialect any|5.2|7.2|10.0|10.2] [-json] FILE...",
		Short: "report errors in schemas",
		Long: `Check reads schemas and reports their errors. FILE is the main file of a schema; check also reads the
files that it includes. It prints a line for each error, in the order in which QEMU would find them,
and nothing if the schemas are correct:

  path:line[:column]: message

QEMU changed the language several times. With -dialect VERSION, check applies the rules of this
QEMU, also to the documentation. The first line is then the error that QEMU itself would report, at
the same place. Without -dialect, check accepts the language of QEMU 5.2 to 11.0.

With -json, check prints an array of objects with file, line, column (if it is known) and message.

The exit status is 0 if the schemas are correct, 1 if not, and 2 if the command line is wrong.`,
		Example: `  qapigen check qemu/qapi/qapi-schema.json qemu/qga/qapi-schema.json
  qapigen check -dialect 10.2 qemu/qapi/qapi-schema.json
  qapigen check -json qemu/qapi/qapi-schema.json | jq -r '.[].file'`,
		Args:              takes("FILE..."),
		ValidArgsFunction: completeFiles,
		RunE: func(cmd *cobra.Command, args []string) error {
			d, ok := qapi.ParseDialect(dialect)
			if !ok {
				return &usageError{"unknown dialect '" + dialect + "': want one of " + dialectNames()}
			}
			var errs []error
			for _, path := range args {
				step(cmd.Context(), "reading "+path)
				if _, err := loadFile(path, &qapi.Options{Dialect: d}); err != nil {
					errs = append(errs, err)
				}
			}
			err := errors.Join(errs...)
			if !asJSON {
				return err
			}
			if err := writeJSON(cmd.OutOrStdout(), problemsIn(err)); err != nil || errs == nil {
				return err
			}
			return &failure{nil, exitFailure}
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print an array of objects")
	cmd.Flags().StringVar(&dialect, "dialect", qapi.DialectAny.String(), "the `VERSION` of QEMU whose rules apply, or any")
	cobra.CheckErr(cmd.RegisterFlagCompletionFunc("dialect", completeFrom(tellAbout().Dialects...)))
	return cmd
}

// A problem is an error in a schema, in JSON.
type problem struct {
	File    string `json:"file,omitempty"`
	Line    int    `json:"line,omitempty"`
	Column  int    `json:"column,omitempty"`
	Message string `json:"message"`
}

// problemsIn splits an error that can be joined from several.
func problemsIn(err error) []problem {
	problems := []problem{} // and not null
	switch err := err.(type) {
	case nil:
	case *qapi.Diagnostic:
		problems = append(problems, problem{err.Pos.File, err.Pos.Line, err.Pos.Column, err.Message})
	case interface{ Unwrap() []error }:
		for _, err := range err.Unwrap() {
			problems = append(problems, problemsIn(err)...)
		}
	default:
		problems = append(problems, problem{Message: err.Error()})
	}
	return problems
}

// dialectNames lists the names of the dialects.
func dialectNames() string {
	var names []string
	for _, d := range qapi.Dialects() {
		names = append(names, d.String())
	}
	return strings.Join(names, ", ")
}
