package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/spf13/pflag"
	"golang.org/x/term"

	"github.com/qmpkit/qmpkit/internal/operate"
	"github.com/qmpkit/qmpkit/internal/show"
	"github.com/qmpkit/qmpkit/internal/talk"
	"github.com/qmpkit/qmpkit/qmp"
)

// A shell executes lines.
type shell struct {
	out  io.Writer // results and events
	errs io.Writer // mistakes and errors
	tty  *os.File  // the terminal that shows results, nil if they go elsewhere

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
	if f, ok := out.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
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
var builtins map[string]builtin

func init() {
	builtins = map[string]builtin{
		"help":     {"help [TOPIC]", "explain a command, an event, a type, \"COMMAND MEMBER\", or the shell", (*shell).help},
		"?":        {"? [TOPIC]", "as help", (*shell).help},
		"events":   {"events [NAME|PREFIX*]... [-n NUMBER] [-timeout TIME]", "wait for events and print them; in the shell: choose which events appear while you type (events off: none)", (*shell).events},
		"watch":    {"watch COMMAND [-interval TIME] [-n NUMBER]", "execute a command again and again, and mark what changes", (*shell).watch},
		"progress": {"progress [-interval TIME]", "show jobs and the migration until they have ended", (*shell).progress},
		"tree":     {"tree block|net|pci|qom [PATH] [-dot|-svg|-ascii]", "print a picture of the machine: its storage, network, PCI buses or objects", (*shell).tree},
		"on":       {"on NAME|all COMMAND", "execute a command in another session, or in all", (*shell).on},
		"use":      {"use NAME", "make another session the one that gets the commands", (*shell).use},
		"open":     {"open [NAME=]ADDRESS", "connect to one more server", (*shell).openMore},
		"sessions": {"sessions", "list the sessions", (*shell).list},
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
	err := sh.line(ctx, line)
	if errors.Is(err, errExit) {
		return nil
	}
	return err
}

// line executes a line.
func (sh *shell) line(ctx context.Context, line string) error {
	words, filter := scan(line)
	if len(words) == 0 {
		return nil
	}
	if filter != nil {
		line = strings.TrimRight(line[:strings.LastIndex(line, *filter)], " |")
	}
	if op, _ := operate.Match(unquoted(words)); op != nil {
		if filter != nil {
			return usagef("%s has no result for a filter", op.Name)
		}
		return sh.operation(ctx, line, words)
	}
	b, own := builtins[words[0].text]
	wraps := words[0].text == "on" || words[0].text == "watch"
	in := input{line: line, filter: filter, switches: sh.defaults}
	set := pflag.NewFlagSet(words[0].text, pflag.ContinueOnError)
	set.SetOutput(io.Discard)
	set.Usage = func() {}
	in.register(set)
	for i := 1; i < len(words); i++ {
		w := words[i]
		if !isSwitch(w.text) {
			in.words = append(in.words, w)
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
		program, ok := strings.CutPrefix(*filter, "jq ")
		if !ok {
			return sh.piped(ctx, in, own, *filter)
		}
		in.jq = unquote(strings.TrimSpace(program))
	}
	if own {
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

// piped executes a line, and gives its output as JSON to a program.
func (sh *shell) piped(ctx context.Context, in input, own bool, program string) error {
	if program == "" {
		return usagef("a program is missing after the bar: want jq PROGRAM, or a program of the system")
	}
	var b bytes.Buffer
	other := sh.to(&b)
	in.filter = nil
	var err error
	if own {
		err = builtins[firstWord(in.line)].run(other, ctx, in)
	} else {
		in.json = true
		err = other.command(ctx, sh.current, in)
	}
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, "sh", "-c", program)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = &b, sh.out, sh.errs
	cmd.WaitDelay = endLimit // its children may have the output open
	if err := cmd.Run(); err != nil {
		return usagef("%s: %w", program, err)
	}
	return nil
}

// to returns a shell with the same sessions that writes its results to w.
func (sh *shell) to(w io.Writer) *shell {
	other := *sh
	other.out, other.tty = w, nil
	return &other
}

func firstWord(line string) string {
	words, _ := scan(line)
	if len(words) == 0 {
		return ""
	}
	return words[0].text
}

// command executes a command of the server and prints its result.
func (sh *shell) command(ctx context.Context, s *session, in input) error {
	result, name, err := sh.ask(ctx, s, in.line, in.timeout)
	if err != nil {
		return err
	}
	return sh.print(ctx, name, result, in.switches)
}

// ask executes a command and returns its result and its name.
func (sh *shell) ask(ctx context.Context, s *session, line string, timeout time.Duration) (qmp.RawJSON, string, error) {
	ctx, cancel := within(ctx, timeout)
	defer cancel()
	// The language asks the server for names, so it needs a connection.
	x, err := s.executor(ctx)
	if err != nil {
		return nil, "", err
	}
	command, err := s.lang.parse(ctx, line)
	if err != nil {
		return nil, "", err
	}
	for _, w := range command.Warnings {
		fmt.Fprintln(sh.errs, "warning:", w.Text)
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
	if err == nil {
		s.mute.Store(false)
	}
	return result, command.Name, err
}

// namedNodes is the query that ends some QEMUs: see package job.
const namedNodes = "query-named-block-nodes"

// hasRiskyJob reports whether there is a job during which namedNodes can end a QEMU.
func hasRiskyJob(ctx context.Context, x qmp.Executor) bool {
	jobs, _ := ask[[]struct{ Type string }](ctx, x, "query-jobs", nil)
	return slices.ContainsFunc(jobs, func(j struct{ Type string }) bool { return j.Type == "backup" || j.Type == "stream" })
}

// print prints a result. It does nothing if no command was executed.
func (sh *shell) print(ctx context.Context, name string, result qmp.RawJSON, s switches) error {
	if name == "" {
		return nil
	}
	var b bytes.Buffer
	if err := sh.format(ctx, &b, name, result, s); err != nil {
		return err
	}
	return sh.page(b.Bytes())
}

// format writes a result in the form that the switches select.
func (sh *shell) format(ctx context.Context, w io.Writer, name string, result qmp.RawJSON, s switches) error {
	switch {
	case s.jq != "":
		outputs, err := show.Filter(ctx, result, s.jq)
		for _, text := range outputs {
			writeJSON(w, text, s.json)
		}
		if err != nil {
			return &usageError{err}
		}
		return nil
	case s.json:
		_, err := fmt.Fprintf(w, "%s\n", result)
		return err
	}
	return showResult(w, name, result, sh.screen(), s.all)
}

// writeJSON writes a value with indentation, or a string without quotes; as it is if raw.
func writeJSON(w io.Writer, text []byte, raw bool) {
	var line string
	var b bytes.Buffer
	switch {
	case raw:
		fmt.Fprintf(w, "%s\n", text)
	case json.Unmarshal(text, &line) == nil && len(text) > 0 && text[0] == '"':
		fmt.Fprintln(w, printable(line))
	case json.Indent(&b, text, "", "  ") == nil:
		fmt.Fprintf(w, "%s\n", b.Bytes())
	}
}

// printable replaces control characters, so that a server cannot control the terminal.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' && r != '\n' && r != '\t' || r == 0x7f {
			return '�'
		}
		return r
	}, text)
}

// report prints an error. A mistake in a line is shown at its place.
func (sh *shell) report(err error) { sh.reportOf("", err) }

// reportOf is report for one session of several.
func (sh *shell) reportOf(session string, err error) {
	prefix := "qmpsh: "
	if session != "" {
		prefix += session + ": "
	}
	if m, ok := errors.AsType[*mistake](err); ok {
		if session != "" {
			fmt.Fprintln(sh.errs, prefix)
		}
		fmt.Fprintln(sh.errs, m.mark(sh.screen().width))
		return
	}
	text := strings.TrimPrefix(strings.TrimPrefix(err.Error(), "qmp: "), session+" is not connected: ")
	if short := ending(err); short != "" {
		text = short
	}
	fmt.Fprintln(sh.errs, prefix+text)
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

// script executes the lines of standard input, up to the first error.
func (sh *shell) script(ctx context.Context, in io.Reader) error {
	input := bufio.NewScanner(in)
	input.Buffer(nil, 64<<20)
	for input.Scan() {
		line := input.Text()
		for needsMore(line) && input.Scan() {
			line += "\n" + input.Text()
		}
		if text := strings.TrimSpace(line); text == "" || text[0] == '#' {
			continue
		}
		if err := sh.line(ctx, line); errors.Is(err, errExit) {
			return nil
		} else if err != nil {
			return err
		}
	}
	if err := input.Err(); err != nil {
		return usagef("standard input: %w", err)
	}
	return nil
}

// page prints a text. If it does not fit on the screen, it goes through a pager.
func (sh *shell) page(text []byte) error {
	if sh.editor == nil || sh.tty == nil || bytes.Count(text, []byte("\n")) < sh.screen().height-1 {
		_, err := sh.out.Write(text)
		return err
	}
	pager := os.Getenv("PAGER")
	if pager == "" {
		pager = "less"
	}
	if pager == "cat" {
		_, err := sh.out.Write(text)
		return err
	}
	cmd := exec.Command("sh", "-c", pager)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(text), os.Stdout, os.Stderr
	cmd.Env = append(os.Environ(), "LESS=-RFX")
	sh.editor.hold(true)
	defer sh.editor.hold(false)
	err := cmd.Start()
	if err == nil {
		defer onSignals(endSignals, func(s os.Signal) { _ = cmd.Process.Signal(s) })() // it restores the terminal
		err = cmd.Wait()
	}
	if err != nil {
		if _, ended := errors.AsType[*exec.ExitError](err); !ended || cmd.ProcessState.ExitCode() == 127 {
			_, err := sh.out.Write(text)
			return err
		}
	}
	return nil
}
