// Qapigen writes Go bindings for QEMU's QAPI schemas, and works with such schemas.
//
//	qapigen generate -schema SOURCE [-names SCHEMA] -package NAME -out DIR
//	qapigen print [-qemu-version VERSION] -out DIR FILE...
//	qapigen check [-dialect VERSION] FILE...
//	qapigen introspect [-unmask] [-define NAME]... FILE
//	qapigen query SOURCE PATH
//	qapigen diff [-json] [-breaking] OLD NEW
//	qapigen capture [-out FILE] ADDRESS
//	qapigen join -schema FILE [-overrides FILE] -out DIR SOURCE
//
// Generate writes a Go package for a schema, or for what a running server says of its own. Print
// writes a copy of schemas without their prose. Check tells what is wrong with schemas. Introspect prints
// what a server built from a schema answers to query-qmp-schema, query tells whether a schema, or
// a running server, has something, and diff what changed from one to another. Capture keeps what a
// server says of its schema. Flags take one dash or two.
//
// The exit status is 0 if all went well, 1 if something is wrong with a schema or a file, and
// 2 if the command line cannot be understood; query and diff have statuses of their own. A
// schema's diagnostics go to standard error, one a line: path:line[:column]: message. Nothing is
// written unless all went well.
package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"

	"github.com/qmpkit/qmpkit/qapi"
)

func main() {
	// A run is over before there is much garbage: collecting it would take a quarter of the time.
	debug.SetGCPercent(400)
	os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
}

// The exit statuses.
const (
	exitOK      = 0
	exitFailure = 1
	exitUsage   = 2
)

// run runs qapigen and returns its exit status.
func run(args []string, stdout, stderr io.Writer) int {
	root := newRoot()
	root.SetArgs(twoDashes(args))
	root.SetOut(stdout)
	root.SetErr(stderr)
	cmd, err := root.ExecuteC()
	if err == nil {
		return exitOK
	}
	if failed, ok := errors.AsType[*failure](err); ok {
		if failed.err != nil {
			report(stderr, failed.err)
		}
		return failed.status
	}
	report(stderr, err)
	fmt.Fprintf(stderr, "Run '%s -help' for how it is used.\n", cmd.CommandPath())
	return exitUsage
}

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "qapigen",
		Short: "Go bindings for QEMU's QAPI schemas",
		Long: `Qapigen writes Go bindings for QEMU's QAPI schemas, and works with such schemas.
Flags take one dash or two.`,
		SilenceErrors:     true,
		SilenceUsage:      true,
		CompletionOptions: cobra.CompletionOptions{DisableDefaultCmd: true},
	}
	root.AddCommand(newGenerate(), newPrint(), newCheck(), newIntrospect(), newQuery(), newDiff(), newCapture(), newJoin())
	root.RunE = func(*cobra.Command, []string) error { return &usageError{"no command given"} }
	for _, cmd := range root.Commands() {
		cmd.RunE = failing(cmd.RunE)
	}
	return root
}

// failure is what a command ends with that was understood: an error to report, if there is one,
// and an exit status.
type failure struct {
	err    error
	status int
}

func (f *failure) Error() string { return fmt.Sprint(f.err) }
func (f *failure) Unwrap() error { return f.err }

// usageError is an error of a command's own that has to do with how it was called.
type usageError struct{ message string }

func (u *usageError) Error() string { return u.message }

// failing returns run with its errors marked as failures, but those about its usage.
func failing(run func(*cobra.Command, []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		err := run(cmd, args)
		if _, ok := errors.AsType[*usageError](err); ok || err == nil {
			return err
		}
		if failed, ok := errors.AsType[*failure](err); ok {
			return failed
		}
		return &failure{err, exitFailure}
	}
}

// report writes an error, or those that were joined; the diagnostics of a schema say themselves
// where they come from.
func report(w io.Writer, err error) {
	switch err := err.(type) {
	case qapi.Diagnostics:
		fmt.Fprintln(w, err)
	case interface{ Unwrap() []error }:
		for _, err := range err.Unwrap() {
			report(w, err)
		}
	default:
		fmt.Fprintln(w, "qapigen:", err)
	}
}

// twoDashes returns args with two dashes before flags that have one, as Go's own tools
// write them.
func twoDashes(args []string) []string {
	var out []string
	for i, arg := range args {
		if arg == "--" {
			return append(out, args[i:]...)
		}
		if len(arg) > 2 && arg[0] == '-' && arg[1] != '-' && !strings.ContainsAny(arg[1:2], "0123456789./") {
			arg = "-" + arg
		}
		out = append(out, arg)
	}
	return out
}
