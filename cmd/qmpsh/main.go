// Qmpsh is a shell for running QEMUs, storage daemons and guest agents.
//
//	qmpsh ADDRESS                          read commands from the terminal, or from standard input
//	qmpsh ADDRESS COMMAND [KEY=VALUE]...   execute one command
//	qmpsh ADDRESS events [NAME]...         print events
//
// "qmpsh -help" and, in the shell, "help" explain the rest.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/term"

	"github.com/qmpkit/qmpkit/guestagent"
	"github.com/qmpkit/qmpkit/internal/address"
	"github.com/qmpkit/qmpkit/internal/talk"
	"github.com/qmpkit/qmpkit/qmp"
)

// The exit statuses.
const (
	exitOK          = 0
	exitRefused     = 1   // the server refused the command, or failed to execute it
	exitUsage       = 2   // a mistake that was found before anything was sent
	exitNotSent     = 3   // no connection
	exitUnknown     = 4   // sent, and no answer: the server may have executed the command
	exitTimeOver    = 5   // the time for waiting for events is over
	exitOutput      = 6   // the output could not be written
	exitInterrupted = 130 // Ctrl-C
	exitTerminated  = 143 // SIGTERM or SIGHUP
)

// longHelp is the help of qmpsh; the man page has its parts, too.
const longHelp = introduction + "\n\n" + addressHelp + "\n\n" + sessionHelp + "\n\n" +
	"The exit status is\n" + statusHelp + "\n\n" + `Results for scripts do not depend on the locale or on the width of the terminal. -json prints what the server sent.
The environment variables NO_COLOR and PAGER are respected.`

const introduction = `Qmpsh is a shell for running QEMUs, storage daemons and guest agents. Without a COMMAND, it reads commands
from the terminal, with completion (Tab) and help ("help"), or from standard input.`

const addressHelp = `An ADDRESS is the address of a QMP monitor (QEMU's option -qmp), or agent: and the address of a guest agent's channel:

` + address.Help + `
  agent:ADDRESS     a guest agent: agent:/run/vm1/agent.sock, agent:libvirt:web1`

const sessionHelp = `A NAME= before an ADDRESS names the session. Several ADDRESSes in one argument have commas between them:
vm1=/run/vm1/qmp.sock,ga=agent:/run/vm1/agent.sock. A COMMAND then goes to the first one.

A COMMAND is one of the server's, with its arguments as KEY=VALUE or JSON, or one of the shell's own: events, watch,
progress, help, on, jq and others. "qmpsh ADDRESS help" lists them.`

const statusHelp = `    0  the command succeeded
    1  the server refused the command, or failed to execute it
    2  the command line or the command has a mistake; nothing was sent
    3  the command was not sent: there is no connection
    4  the command was sent, and no answer came: the server may have executed it
    5  the time is over: not all events have come, or an operation has not ended
    6  the output could not be written
   other  of "agent run": the status of the program, or 128 and the number of the signal that ended it
  130  Ctrl-C
  143  SIGTERM or SIGHUP`

const examples = `  qmpsh /run/vm1/qmp.sock
  qmpsh pid:1234 query-status
  qmpsh /run/vm1/qmp.sock -json query-block
  qmpsh /run/vm1/qmp.sock -jq '.[].device' query-block
  qmpsh /run/vm1/qmp.sock device_add driver=virtio-blk-pci id=disk1 drive=node1
  qmpsh /run/vm1/qmp.sock events SHUTDOWN -n 1 -timeout 10s`

func main() {
	os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// run runs qmpsh and returns its exit status.
func run(args []string, stdin *os.File, stdout, stderr io.Writer) int {
	return runWith(context.Background(), args, stdin, stdout, stderr)
}

// runWith is run with a context whose end interrupts what waits.
func runWith(ctx context.Context, args []string, stdin *os.File, stdout, stderr io.Writer) int {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	root := newRoot(cancel, stdin)
	root.SetArgs(dryRun(endSwitches(twoDashes(args))))
	root.SetIn(stdin)
	out := &output{Writer: stdout}
	root.SetOut(out)
	root.SetErr(stderr)
	cmd, err := root.ExecuteContextC(ctx)
	switch {
	case err == nil && out.err == nil:
		return exitOK
	case err == nil, out.err != nil && errors.Is(err, out.err):
		fmt.Fprintln(stderr, "qmpsh:", out.err)
		return exitOutput
	}
	if failed, ok := errors.AsType[*failure](err); ok {
		return failed.status
	}
	fmt.Fprintln(stderr, "qmpsh:", err)
	fmt.Fprintf(stderr, "Run '%s -help' for its usage.\n", cmd.CommandPath())
	return exitUsage
}

// An output is the standard output. It keeps the first error, because a result that was not written must not look like
// a success.
type output struct {
	io.Writer
	err *outputError
}

func (o *output) Write(p []byte) (int, error) {
	n, err := o.Writer.Write(p)
	if err != nil {
		if o.err == nil {
			o.err = &outputError{err}
		}
		return n, o.err
	}
	return n, nil
}

// An outputError is the error of the output. The server has executed the command.
type outputError struct{ error }

func (e *outputError) Unwrap() error { return e.error }

// A failure is the end of a program whose error has been printed.
type failure struct{ status int }

func (f *failure) Error() string { return fmt.Sprintf("exit status %d", f.status) }

// newRoot makes the command. interrupt ends what a script waits for.
func newRoot(interrupt context.CancelCauseFunc, stdin *os.File) *cobra.Command {
	s := switches{interval: time.Second}
	root := &cobra.Command{
		Use:           "qmpsh [flags] ADDRESS [COMMAND [KEY=VALUE]...]",
		Short:         "a shell for running QEMUs",
		Long:          longHelp,
		Example:       examples,
		Version:       versionText(),
		Args:          cobra.MinimumNArgs(1),
		SilenceErrors: true,
		SilenceUsage:  true,
		RunE: func(cmd *cobra.Command, args []string) error {
			sh := newShell(cmd.OutOrStdout(), cmd.ErrOrStderr())
			defer func() { sh.close() }()
			sh.defaults = s
			if s.record != "" {
				f, err := os.OpenFile(s.record, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
				if err != nil {
					return sh.fail(&usageError{err})
				}
				defer f.Close()
				sh.recorder = talk.NewRecorder(f)
				defer sh.recorder.Close()
			}
			interactive := len(args) == 1 && term.IsTerminal(int(stdin.Fd()))
			stop := sh.onInterrupt(interrupt)
			err := sh.open(cmd.Context(), args[0])
			if interactive {
				stop()
			} else {
				defer stop()
			}
			if err != nil {
				return sh.fail(err)
			}
			switch {
			case len(args) > 1:
				return sh.fail(sh.words(cmd.Context(), args[1:], s))
			case interactive:
				return sh.fail(sh.loop(cmd.Context(), stdin))
			}
			return sh.fail(sh.script(cmd.Context(), stdin))
		},
	}
	s.register(root.Flags())
	root.Flags().BoolVar(&s.untracked, "untracked", false, "send commands that libvirt does not notice, such as device_add; docs/libvirt.md explains the danger")
	root.Flags().Bool("version", false, "print the version of qmpsh, and of the QEMU that it knows")
	root.SetVersionTemplate("{{.Version}}")
	root.Flags().SortFlags = false
	root.CompletionOptions.DisableDefaultCmd = true
	root.ValidArgsFunction = completeWords
	root.AddCommand(append(talkCommands(interrupt), newCompletion(root), newMan(root))...)
	return root
}

// fail prints an error, and returns what ends the program with the error's status.
func (sh *shell) fail(err error) error {
	if err == nil {
		return nil
	}
	if failed, ok := errors.AsType[*failure](err); ok {
		return failed
	}
	sh.report(err)
	return &failure{statusOf(err)}
}

// Errors that are the causes of contexts, or that say how a wait has ended.
var (
	errInterrupted = errors.New("interrupted")
	errTerminated  = errors.New("terminated")
	errTimeOver    = errors.New("the time is over")
)

// A usageError is a mistake that was found before anything was sent.
type usageError struct{ err error }

func (e *usageError) Error() string { return e.err.Error() }
func (e *usageError) Unwrap() error { return e.err }

func usagef(format string, args ...any) error { return &usageError{fmt.Errorf(format, args...)} }

// statusOf returns the exit status for an error.
func statusOf(err error) int {
	_, usage := errors.AsType[*usageError](err)
	_, refused := errors.AsType[*qmp.Error](err)
	_, encode := errors.AsType[*qmp.EncodeError](err)
	_, failed := errors.AsType[*operationError](err)
	_, dial := errors.AsType[*dialError](err)
	_, output := errors.AsType[*outputError](err)
	program, ended := errors.AsType[*guestagent.ExitError](err)
	switch {
	case err == nil:
		return exitOK
	case output:
		return exitOutput
	case ended && program.ExitCode > 0 && program.ExitCode < 256:
		return program.ExitCode
	case ended:
		return 128 + program.Signal&127
	case errors.Is(err, errInterrupted):
		return exitInterrupted
	case errors.Is(err, errTerminated):
		return exitTerminated
	case usage, encode:
		return exitUsage
	case dial:
		return exitNotSent
	case failed && errors.Is(err, errTimeOver):
		return exitTimeOver
	case refused:
		return exitRefused
	case errors.Is(err, qmp.ErrOutcomeUnknown):
		return exitUnknown
	case errors.Is(err, qmp.ErrNotSent):
		return exitNotSent
	case errors.Is(err, errTimeOver), failed && errors.Is(err, context.DeadlineExceeded):
		return exitTimeOver
	case failed:
		return exitRefused
	}
	return exitNotSent
}

// endLimit is how long a command may take to end after Ctrl-C. After that, another Ctrl-C ends the program.
const endLimit = time.Second

// onInterrupt calls cancel at Ctrl-C and at the signals that ask the program to end, until the returned function is
// called. So an operation can undo its steps. A second signal ends the program, if the first one has not ended the
// command within endLimit.
func (sh *shell) onInterrupt(cancel context.CancelCauseFunc) (stop func()) {
	c := make(chan os.Signal, 1)
	signal.Notify(c, append([]os.Signal{os.Interrupt}, endSignals...)...)
	done := make(chan struct{})
	go func() {
		select {
		case s := <-c:
			cause := errInterrupted
			if s != os.Interrupt {
				cause = errTerminated
			}
			cancel(cause)
		case <-done:
			return
		}
		select {
		case <-done:
		case <-time.After(endLimit):
			if sh.editor == nil || !sh.editor.isHeld() { // a pager has its own Ctrl-C
				if sh.editor != nil {
					sh.editor.restore() // nobody else does so if the signal ends the program
				}
				signal.Stop(c)
				fmt.Fprintln(sh.errs, "qmpsh: still undoing what was begun; Ctrl-C again leaves at once, and leaves it as it is")
			}
		}
	}()
	return func() {
		signal.Stop(c)
		close(done)
	}
}

// within returns a context that ends after the time of -timeout, if there is one.
func within(ctx context.Context, timeout time.Duration) (context.Context, context.CancelFunc) {
	if timeout <= 0 {
		return context.WithCancel(ctx)
	}
	return context.WithTimeoutCause(ctx, timeout, errTimeOver)
}

// switches are the options of a command, on the command line and in the shell.
type switches struct {
	json            bool
	all             bool
	jq              string
	timeout         time.Duration
	count           int
	interval        time.Duration
	record          string
	dot, svg, ascii bool
	dry             bool
	untracked       bool
	compact         bool // of jq -c
}

func (s *switches) register(f *pflag.FlagSet) {
	f.BoolVar(&s.json, "json", s.json, "print results and events as JSON")
	f.StringVar(&s.jq, "jq", s.jq, "print what this jq `PROGRAM` makes of the result")
	f.BoolVar(&s.all, "all", s.all, "print all columns of tables")
	f.DurationVar(&s.timeout, "timeout", s.timeout, "the longest `TIME` to wait for an answer or for events: 10s, 5m")
	f.IntVarP(&s.count, "count", "n", s.count, "end after this `NUMBER` of events, or of rounds of watch")
	f.BoolVar(&s.dry, "dry-run", s.dry, "print what a command or an operation would send, and change nothing; also: -n")
	f.DurationVar(&s.interval, "interval", s.interval, "the `TIME` between two rounds of watch and progress")
	f.StringVar(&s.record, "record", s.record, "write the conversation to this `FILE`, without secrets")
	f.BoolVar(&s.dot, "dot", s.dot, "print a tree as DOT, for graphviz")
	f.BoolVar(&s.ascii, "ascii", s.ascii, "print a tree without box characters")
	f.BoolVar(&s.svg, "svg", s.svg, "print a tree as SVG")
}

// isOneDash reports whether an argument is a flag with one dash, as Go's own tools write flags.
func isOneDash(arg string) bool {
	return len(arg) > 2 && arg[0] == '-' && (arg[1] >= 'a' && arg[1] <= 'z') && arg[2] != '='
}

// dryRun returns args with --dry-run for a -n without a number.
func dryRun(args []string) []string {
	out := slices.Clone(args)
	for i, arg := range out {
		if arg == "--" {
			break
		}
		if arg == "-n" && (i+1 == len(out) || !isNumber(out[i+1])) {
			out[i] = "--dry-run"
		}
	}
	return out
}

func isNumber(text string) bool {
	_, err := strconv.Atoi(text)
	return err == nil
}

// twoDashes returns args with two dashes before flags that have one.
func twoDashes(args []string) []string {
	var out []string
	for i, arg := range args {
		if arg == "--" {
			return append(out, args[i:]...)
		}
		if isOneDash(arg) {
			arg = "-" + arg
		}
		out = append(out, arg)
	}
	return out
}

// newCompletion makes the subcommand that writes the completion script of a shell.
func newCompletion(root *cobra.Command) *cobra.Command {
	return &cobra.Command{
		Use:   "completion bash|zsh|fish|powershell",
		Short: "write a script that makes a shell complete qmpsh's command line",
		Long: `Completion writes a script for a shell. With it, the shell completes the commands and the arguments that the
server at the ADDRESS has.`,
		Example:   "  source <(qmpsh completion bash)",
		Args:      cobra.ExactArgs(1),
		ValidArgs: []string{"bash", "zsh", "fish", "powershell"},
		RunE: func(cmd *cobra.Command, args []string) error {
			out := cmd.OutOrStdout()
			switch args[0] {
			case "bash":
				return root.GenBashCompletionV2(out, true)
			case "zsh":
				return root.GenZshCompletion(out)
			case "fish":
				return root.GenFishCompletion(out, true)
			case "powershell":
				return root.GenPowerShellCompletionWithDesc(out)
			}
			return fmt.Errorf("unknown shell %s: want one of %s", args[0], strings.Join(cmd.ValidArgs, ", "))
		},
	}
}

// completeAddress completes the name of a machine of a libvirt daemon, and otherwise lets the shell complete a file.
func completeAddress(ctx context.Context, word string) ([]string, cobra.ShellCompDirective) {
	var out []string
	for _, c := range machines(ctx, word) {
		out = append(out, c.text+"\t"+c.help)
	}
	if out == nil {
		return nil, cobra.ShellCompDirectiveDefault
	}
	return out, cobra.ShellCompDirectiveNoFileComp
}

// completeWords completes a command for the shell that runs qmpsh: it asks the server.
func completeWords(cmd *cobra.Command, args []string, word string) ([]string, cobra.ShellCompDirective) {
	ctx, cancel := context.WithTimeout(cmd.Context(), 2*time.Second)
	defer cancel()
	if len(args) == 0 {
		return completeAddress(ctx, word)
	}
	sh := newShell(io.Discard, io.Discard)
	defer sh.close()
	if err := sh.open(ctx, args[0]); err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	line := joinWords(append(args[1:], ""))
	from, candidates := sh.complete(ctx, line+word, len(line)+len(word))
	prefix := word[:max(0, min(len(word), from-len(line)))]
	var out []string
	directive := cobra.ShellCompDirectiveNoFileComp
	for _, c := range candidates {
		out = append(out, prefix+c.text+"\t"+c.help)
		if !c.space {
			directive |= cobra.ShellCompDirectiveNoSpace
		}
	}
	return out, directive
}
