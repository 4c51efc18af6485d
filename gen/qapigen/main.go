// Qapigen writes Go bindings for QEMU's QAPI schemas. It also compares, checks and queries such schemas.
//
//	qapigen generate -schema SOURCE [-names SCHEMA] -package NAME -out DIR   write a Go package for a schema
//	qapigen capture [-out FILE] ADDRESS                                      save the schema of a running server
//	qapigen join -schema FILE [-overrides FILE] -out DIR SOURCE              add a server's new parts to a schema
//	qapigen print [-qemu-version VERSION] -out DIR FILE...                   copy schemas without their documentation
//	qapigen check [-dialect VERSION] [-json] FILE...                         report errors in schemas
//	qapigen introspect [-unmask] [-define NAME]... FILE                      print a server's answer, from its schema
//	qapigen query [-json] SOURCE PATH                                        report whether a schema has something
//	qapigen diff [-json] [-breaking] OLD NEW                                 report changes, and which break a client
//	qapigen since PATH...                                                    print which QEMU added or removed it
//	qapigen list -qemu FIRST..LAST [MODULE...]                               list what is new, gone and deprecated
//	qapigen facts [-from FILE] -out FILE SOURCE...                           write the table of since and list
//	qapigen vet -qemu FIRST..LAST [PACKAGE...]                               report uses of things that a QEMU lacks
//	qapigen page [-out FILE]                                                 write an HTML page to search in
//	qapigen completion SHELL                                                 write a script for bash, zsh, fish or powershell
//	qapigen version [-json]                                                  print versions of qapigen and of QEMU
//	qapigen help [COMMAND]                                                   explain a command in full
//
// A FILE or SCHEMA is the main file of a schema: qapi/qapi-schema.json, qga/qapi-schema.json or
// storage-daemon/qapi/qapi-schema.json of a QEMU tree, or of a copy made by print. A SOURCE, also OLD
// and NEW, is one of these, a file that capture wrote, or the ADDRESS of a running server:
//
//	unix:PATH         a Unix socket; PATH alone if the socket exists; @NAME for an abstract socket
//	tcp:HOST:PORT     HOST is a name or an IP address; an IPv6 address is in brackets
//	vsock:CID:PORT    the CID of a virtual machine, or 2 for its host
//	pid:PID           the monitor in the command line of a running QEMU (Linux)
//
// Flags take one dash or two.
//
// The exit status is 0 if the command succeeded, 1 if it failed, and 2 if the command line is
// wrong. In check, query, diff, since and vet, a status has another meaning: see their help. The
// errors of a schema go to standard error, a line each: path:line[:column]: message. If a command
// fails, it writes no files. A command that takes longer than a second says on standard error what
// it is doing.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/qmpkit/qmpkit/qapi"
)

func main() {
	// A run is over before there is much garbage: collecting it would take a quarter of the time.
	debug.SetGCPercent(400)
	if isVetTool(os.Args[1:]) {
		vetTool()
	}
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
	completing := len(args) > 1 && strings.HasPrefix(args[0], cobra.ShellCompRequestCmd)
	if last := args[max(0, len(args)-1):]; completing && isOneDash(last[0]) {
		var completions strings.Builder
		status := run(append(slices.Clone(args[:len(args)-1]), "-"+last[0]), &completions, stderr)
		io.WriteString(stdout, oneDash(completions.String()))
		return status
	}
	progress := newProgress(stderr)
	defer progress.step("")
	stderr = progress
	root.SetArgs(twoDashes(args))
	root.SetOut(stdout)
	root.SetErr(stderr)
	cmd, err := root.ExecuteContextC(context.WithValue(context.Background(), progressKey{}, progress))
	progress.step("")
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
	fmt.Fprintf(stderr, "Run '%s -help' for its usage.\n", cmd.CommandPath())
	return exitUsage
}

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "qapigen",
		Short: "Go bindings for QEMU's QAPI schemas",
		Long: `Qapigen writes Go bindings for QEMU's QAPI schemas. It also compares, checks and queries such schemas.

` + addressHelp + `

Flags take one dash or two.
` + statusHelp + `
In check, query, diff, since and vet, a status has another meaning: see their help.`,
		Example: `  qapigen generate -schema qemu/qapi/qapi-schema.json -package qemu -out ./qemu
  qapigen generate -schema unix:/run/vm1/qmp.sock -package qemu -out ./qemu
  qapigen diff qemu-7.2/qapi/qapi-schema.json unix:/run/vm1/qmp.sock`,
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.SetFlagErrorFunc(flagError)
	root.AddCommand(newGenerate(), newPrint(), newCheck(), newIntrospect(), newQuery(), newDiff(), newCapture(), newJoin(),
		newSince(), newList(), newFacts(), newPage(), newVet(),
		newCompletion(root), newVersion())
	root.SetHelpCommand(newHelp(root))
	root.Args = unknownCommand
	root.RunE = func(*cobra.Command, []string) error {
		return &usageError{"no command given: generate makes a Go package"}
	}
	for _, cmd := range root.Commands() {
		cmd.RunE = failing(cmd.RunE)
	}
	return root
}

// A failure is the end of a command whose command line was right: an error to report, if there is one, and
// an exit status.
type failure struct {
	err    error
	status int
}

func (f *failure) Error() string { return fmt.Sprint(f.err) }
func (f *failure) Unwrap() error { return f.err }

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

// isOneDash reports whether an argument is a flag with one dash, as Go's own tools write flags.
func isOneDash(arg string) bool {
	return strings.HasPrefix(arg, "-") && !strings.HasPrefix(arg, "--") && !strings.ContainsAny(arg[1:min(2, len(arg))], "0123456789./")
}

// twoDashes returns args with two dashes before flags that have one.
func twoDashes(args []string) []string {
	var out []string
	for i, arg := range args {
		if arg == "--" {
			return append(out, args[i:]...)
		}
		if len(arg) > 2 && isOneDash(arg) {
			arg = "-" + arg
		}
		out = append(out, arg)
	}
	return out
}
