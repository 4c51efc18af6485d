package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/spf13/pflag"
	"golang.org/x/term"

	"github.com/qmpkit/qmpkit/internal/cmdline"
	"github.com/qmpkit/qmpkit/internal/operate"
	"github.com/qmpkit/qmpkit/internal/show"
	"github.com/qmpkit/qmpkit/internal/talk"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/qmplibvirt"
)

// A shell executes lines.
type shell struct {
	out  io.Writer // results and events
	errs io.Writer // mistakes and errors
	tty  *os.File  // the terminal that shows results, nil if they go elsewhere

	at     int  // the number of a script's line, 0 for others
	indent bool // the results are for a program of the system
	plain  bool // without colours

	sessions []*session
	current  *session
	defaults switches       // of the command line
	recorder *talk.Recorder // nil if nothing is recorded

	filter *atomic.Pointer[eventFilter] // of the events above the prompt
	editor *editor                      // nil for a script
}

func newShell(out, errs io.Writer) *shell {
	sh := &shell{out: out, errs: errs, filter: new(atomic.Pointer[eventFilter])}
	sh.filter.Store(new(eventFilter))
	file := out
	if o, ok := out.(*output); ok {
		file = o.Writer
	}
	if f, ok := file.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		sh.tty = f
	}
	return sh
}

func (sh *shell) close() {
	for _, s := range sh.sessions {
		s.close()
	}
}

// A builtin is a command of the shell itself.
type builtin struct {
	usage, help string
	run         func(sh *shell, ctx context.Context, in input) error
}

// An input is the line of a builtin.
type input struct {
	line  string // without switches
	words []word // after the name
	switches
	filter *string
}

// args returns the words without quotes.
func (in input) args() []string { return unquoted(in.words) }

func unquoted(words []word) (texts []string) {
	for _, w := range words {
		texts = append(texts, unquote(w.text))
	}
	return texts
}

// tail returns the line from a word on, with switches and filter.
func (in input) tail(i int) string {
	if i >= len(in.words) {
		return ""
	}
	text := in.line[in.words[i].from:]
	if in.filter != nil {
		text += " | " + *in.filter
	}
	return text
}

// builtins is filled by init, because help lists it.
var builtins map[string]*builtin

func init() {
	builtins = map[string]*builtin{
		"help":     {"help [TOPIC]", "explain a command, an event, a type, \"COMMAND MEMBER\", or the shell", (*shell).help},
		"?":        {"? [TOPIC]", "as help", (*shell).help},
		"events":   {"events [NAME|PREFIX*]... [-n NUMBER] [-timeout TIME]", "wait for events and print them; in the shell: choose which events appear while you type (events off: none)", (*shell).events},
		"watch":    {"watch COMMAND [-interval TIME] [-n NUMBER]", "execute a command again and again, and mark what changes", (*shell).watch},
		"progress": {"progress [-interval TIME]", "show jobs and the migration until they have ended", (*shell).progress},
		"tree":     {"tree block|net|pci|qom [PATH] [-dot|-svg|-ascii]", "print a picture of the machine: its storage, network, PCI buses or objects", (*shell).tree},
		"on":       {"on NAME|all COMMAND", "execute a command in another session, or in all", (*shell).on},
		"use":      {"use NAME", "make another session the one that gets the commands", (*shell).use},
		"open":     {"open [NAME=]ADDRESS", "connect to one more server", (*shell).openMore},
		"close":    {"close NAME", "end the connection of a session; the server goes on", (*shell).closeOne},
		"sessions": {"sessions", "list the sessions", (*shell).list},
		"version":  {"version", "print the version of qmpsh, and of the QEMU that it knows", (*shell).version},
		"exit":     {"exit", "leave the shell; the server goes on (quit is QEMU's command: it ends QEMU)", func(*shell, context.Context, input) error { return errExit }},
	}
}

// errExit ends the shell.
var errExit = errors.New("exit")

// words executes the words of a command line.
func (sh *shell) words(ctx context.Context, args []string, s switches) error {
	sh.defaults = s
	line := joinWords(args)
	if len(args) == 1 {
		line = args[0] // it may be a whole line: 'query-block | jq .[0]'
	}
	stop := sh.remindOf(line)
	err := sh.line(ctx, line)
	stop()
	if errors.Is(err, errExit) {
		return nil
	}
	return err
}

// line executes a line.
func (sh *shell) line(ctx context.Context, line string) error {
	line = withoutComment(line)
	words, filter := scan(line)
	if len(words) == 0 {
		return nil
	}
	if words[0].text != "events" {
		sh.current.forget()
	}
	if filter != nil {
		line = strings.TrimRight(line[:strings.LastIndex(line, *filter)], " |")
	}
	if op, _ := operate.Match(unquoted(words)); op != nil {
		return sh.operation(ctx, line, words, filter)
	}
	b := builtins[words[0].text] // nil for a command of the server
	wraps := words[0].text == "on" || words[0].text == "watch"
	in := input{line: line, filter: filter, switches: sh.defaults}
	set := pflag.NewFlagSet(words[0].text, pflag.ContinueOnError)
	set.SetOutput(io.Discard)
	set.Usage = func() {}
	in.register(set)
	for i := 1; i < len(words); i++ {
		w := words[i]
		if words[0].text == "on" && beginsProgram(unquoted(append(words[:1:1], in.words...)), w.text) {
			in.words = append(in.words, words[i:]...)
			break
		}
		if !isSwitch(w.text) {
			in.words = append(in.words, w)
			continue
		}
		if w.text == "-n" && (i+1 == len(words) || !isNumber(words[i+1].text)) {
			in.dry = true
			in.line = blankOut(in.line, w.from, w.to)
			continue
		}
		args, to := twoDashes([]string{w.text}), w.to
		if f := lookup(set, args[0]); f != nil && f.NoOptDefVal == "" && !strings.Contains(args[0], "=") && i+1 < len(words) {
			i++
			args, to = append(args, unquote(words[i].text)), words[i].to
		}
		if err := set.Parse(args); err != nil {
			return &mistake{line: line, from: w.from, to: to, reason: strings.ReplaceAll(err.Error(), "--", "-"),
				want: "one of the switches of help switches"}
		}
		in.line = blankOut(in.line, w.from, to)
	}
	if filter != nil && !wraps {
		more, err := in.filtered()
		if err != nil {
			return err
		}
		if more != nil && !in.dry {
			return sh.piped(ctx, in, b, *more)
		}
	}
	if b != nil {
		return b.run(sh, ctx, in)
	}
	return sh.command(ctx, sh.current, in)
}

// lookup returns the flag with which an argument begins.
func lookup(set *pflag.FlagSet, arg string) *pflag.Flag {
	if name, ok := strings.CutPrefix(arg, "--"); ok {
		return set.Lookup(name)
	}
	return set.ShorthandLookup(arg[1:])
}

// command executes a command of the server and prints its result.
func (sh *shell) command(ctx context.Context, s *session, in input) error {
	switch {
	case in.dry:
		return sh.preview(ctx, s, in)
	case in.count > 0:
		return usagef("-n %d is for events and watch; -n without a number prints the request and does not send it", in.count)
	}
	result, name, err := sh.ask(ctx, s, in.line, in.timeout)
	if err != nil {
		return err
	}
	return sh.print(ctx, name, result, in.switches)
}

// preview prints the request of a command, without its secrets, and does not send it.
func (sh *shell) preview(ctx context.Context, s *session, in input) error {
	ctx, cancel := within(ctx, in.timeout)
	defer cancel()
	_, command, err := sh.prepare(ctx, s, in.line)
	if err != nil {
		return err
	}
	args, err := command.Args.MarshalJSON()
	if err != nil {
		return &usageError{err}
	}
	request := fmt.Appendf(nil, `{"execute":%q,"arguments":%s}`, command.Name, args)
	if command.OOB {
		request = fmt.Appendf(nil, `{"exec-oob":%q,"arguments":%s}`, command.Name, args)
	}
	request = qmp.Redact(request)
	if in.json {
		return sh.json(sh.out, request)
	}
	var parts struct{ Arguments json.RawMessage }
	if err := json.Unmarshal(request, &parts); err != nil {
		return &usageError{err}
	}
	_, err = fmt.Fprintf(sh.out, "%s %s\n", command.Name, sh.escapeJSON(parts.Arguments))
	return err
}

// prepare connects to the server and reads a command.
func (sh *shell) prepare(ctx context.Context, s *session, line string) (qmp.Executor, *cmdline.Command, error) {
	// The language asks the server for names, so it needs a connection.
	x, err := s.executor(ctx)
	if err != nil {
		return nil, nil, err
	}
	command, err := s.lang.parse(ctx, line)
	if err != nil {
		return nil, nil, err
	}
	for _, w := range command.Warnings {
		fmt.Fprintln(sh.errs, "warning:", show.EscapeText(w.Text))
	}
	return x, command, nil
}

// ask executes a command and returns its result and its name.
func (sh *shell) ask(ctx context.Context, s *session, line string, timeout time.Duration) (qmp.RawJSON, string, error) {
	ctx, cancel := within(ctx, timeout)
	defer cancel()
	x, command, err := sh.prepare(ctx, s, line)
	if err != nil {
		return nil, "", err
	}
	if command.Name == "quit" && s.kind != kindGuest && sh.editor != nil {
		if !sh.editor.confirm("quit ends " + string(s.kind) + " itself; to leave the shell, type exit. End " + s.name + "?") {
			return nil, "", nil
		}
	}
	if command.Name == namedNodes && sh.editor != nil && hasRiskyJob(ctx, x) {
		if !sh.editor.confirm(namedNodes + " can end some QEMUs while they have a backup or a stream; tree block is safe. Send it?") {
			return nil, "", nil
		}
	}
	var opts []qmp.CallOption
	if command.OOB {
		opts = append(opts, qmp.OutOfBand())
	}
	result, err := command.Raw().Do(ctx, x, opts...)
	switch {
	case err == nil:
		s.mute.Store(false)
	case s.kind == kindGuest && errors.Is(err, qmp.ErrCommandNotFound):
		err = frozen(ctx, x, err)
	}
	return result, command.Name, err
}

// frozen says so if a guest agent refuses a command because file systems are frozen. The agent's own text does not.
func frozen(ctx context.Context, x qmp.Executor, err error) error {
	if status, _ := ask[string](ctx, x, "guest-fsfreeze-status", nil); status == "frozen" {
		return fmt.Errorf("%w: file systems of the guest are frozen; agent thaw thaws them", err)
	}
	return err
}

// namedNodes is the query that ends some QEMUs: see package job.
const namedNodes = "query-named-block-nodes"

// hasRiskyJob reports whether there is a job during which namedNodes can end a QEMU.
func hasRiskyJob(ctx context.Context, x qmp.Executor) bool {
	jobs, _ := ask[[]struct{ Type string }](ctx, x, "query-jobs", nil)
	return slices.ContainsFunc(jobs, func(j struct{ Type string }) bool { return j.Type == "backup" || j.Type == "stream" })
}

// report prints an error. A mistake in a line is shown at its place.
func (sh *shell) report(err error) { sh.reportOf("", err) }

// reportOf is report for one session of several.
func (sh *shell) reportOf(session string, err error) {
	prefix := "qmpsh: "
	if sh.at > 0 {
		prefix += fmt.Sprintf("line %d: ", sh.at)
	}
	if session != "" {
		prefix += session + ": "
	}
	if m, ok := errors.AsType[*mistake](err); ok {
		if session != "" || sh.at > 0 {
			fmt.Fprintln(sh.errs, strings.TrimRight(prefix, " "))
		}
		fmt.Fprintln(sh.errs, show.EscapeText(m.mark(sh.screen().width)))
		return
	}
	text := strings.TrimPrefix(strings.TrimPrefix(err.Error(), "qmp: "), session+" is not connected: ")
	if short := ending(err); short != "" {
		text = short
	}
	if errors.Is(err, qmplibvirt.ErrUntracked) {
		text = "not sent: libvirt would not notice this change, and could then not restore or migrate the machine; qmpsh -untracked sends it"
	}
	fmt.Fprintln(sh.errs, show.Wrap(show.EscapeText(prefix+text), sh.screen().width))
}

// ending describes the end of a command that was not answered. It returns "" for other errors. An operation describes its
// end itself, since it knows what it has left.
func ending(err error) string {
	if _, ok := errors.AsType[*operationError](err); ok {
		return ""
	}
	state := ""
	_, dial := errors.AsType[*dialError](err)
	switch {
	case dial:
		state = "; the command was not sent"
	case errors.Is(err, qmp.ErrOutcomeUnknown):
		state = "; the command was sent, and the server may still execute it"
	case errors.Is(err, qmp.ErrNotSent):
		state = "; the command was not sent"
	}
	switch {
	case errors.Is(err, errInterrupted):
		return "interrupted" + state
	case errors.Is(err, errTerminated):
		return "terminated" + state
	case errors.Is(err, errTimeOver) && state != "":
		return "no answer in the time of -timeout" + state
	}
	return ""
}
