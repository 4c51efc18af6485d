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
	"time"

	"github.com/spf13/pflag"

	"github.com/qmpkit/qmpkit/internal/operate"
	"github.com/qmpkit/qmpkit/internal/show"
	"github.com/qmpkit/qmpkit/qmp"
)

// operation executes a line such as "add disk data1 /srv/data1.img". With -n, it prints the commands that the operation
// would send. filter is what follows a bar.
func (sh *shell) operation(ctx context.Context, line string, words []word, filter *string) error {
	words, s, err := sh.operationSwitches(line, words)
	if err != nil {
		return err
	}
	if filter != nil {
		program, ok := strings.CutPrefix(*filter, "jq ")
		if !ok {
			return usagef("the result of an operation goes through jq only: want | jq PROGRAM")
		}
		s.jq = unquote(strings.TrimSpace(program))
	}
	op, values, err := operate.Parse(unquoted(words))
	if err != nil {
		return &usageError{err}
	}
	ctx, cancel := within(ctx, s.timeout)
	defer cancel()
	env, err := sh.env(ctx, sh.current, op)
	if err != nil {
		return err
	}
	if sh.tty != nil && op.Name != "console" { // a console controls the terminal
		out := &show.Escaper{W: sh.out}
		defer out.Close()
		env.Out = out
	}
	if s.json || s.jq != "" {
		env.Notes = sh.errs
		env.Show = func(value any) error {
			result, err := json.Marshal(value)
			if err != nil {
				return err
			}
			return sh.print(ctx, op.Name, result, s)
		}
	}
	if !s.dry {
		defer sh.endProgress()
		sh.current.unseen.Store(true)
		defer sh.current.unseen.Store(false)
		return operationFailed(ctx, op.Run(ctx, env, values))
	}
	err = op.DryRun(ctx, env, values, func(command string, arguments []byte) {
		fmt.Fprintln(sh.out, strings.TrimSpace(command+" "+string(sh.escapeJSON(arguments))))
	})
	if errors.Is(err, operate.ErrRest) {
		fmt.Fprintln(sh.out, "…", err)
		return nil
	}
	return operationFailed(ctx, err)
}

// operationSwitches takes the switches out of the words of an operation. The words of a program for the guest stay.
func (sh *shell) operationSwitches(line string, words []word) (rest []word, s switches, err error) {
	s = sh.defaults
	wrong := func(w word, reason, want string) (rest []word, _ switches, err error) {
		return nil, s, &mistake{line: line, from: w.from, to: w.to, reason: reason, want: want}
	}
	op, n := operate.Match(unquoted(words))
	takesAll := slices.ContainsFunc(op.Args, func(a operate.Arg) bool { return a.Rest })
	for i := 0; i < len(words); i++ {
		w := words[i]
		switch name := strings.TrimPrefix(w.text, "-"); { // or two dashes
		case takesAll && i >= n && !isSwitch(w.text) && !strings.Contains(w.text, "="):
			return append(rest, words[i:]...), s, nil
		case takesAll && i >= n && w.text == "--":
			return append(rest, words[i:]...), s, nil
		case w.text == "-n" || w.text == "-dry-run" || name == "-dry-run":
			s.dry = true
		case w.text == "-json" || name == "-json":
			s.json = true
		case w.text == "-jq" || name == "-jq":
			if i++; i == len(words) {
				return wrong(w, "-jq: a program expected", "-jq PROGRAM")
			}
			s.jq = unquote(words[i].text)
		case w.text == "-timeout" || name == "-timeout":
			if i++; i < len(words) {
				s.timeout, err = time.ParseDuration(words[i].text)
			}
			if i == len(words) || err != nil || s.timeout <= 0 {
				return wrong(w, "-timeout: a time expected", "-timeout 10s")
			}
		default:
			rest = append(rest, w)
		}
	}
	return rest, s, nil
}

// beginsProgram reports whether the words are an operation that takes the next word, and all that follow, as they are. The
// operation can be for another session.
func beginsProgram(words []string, next string) bool {
	for len(words) > 2 && words[0] == "on" {
		words = words[2:]
	}
	op, _ := operate.Match(words)
	return op != nil && slices.ContainsFunc(op.Args, func(a operate.Arg) bool { return a.Rest }) &&
		(next == "--" || !isSwitch(next) && !strings.Contains(next, "="))
}

// endSwitches inserts "--" before the words that an operation takes as they are: the program of "agent run". args are those
// of the command line, and the switches among them have two dashes.
func endSwitches(args []string) []string {
	set := pflag.NewFlagSet("", pflag.ContinueOnError)
	new(switches).register(set)
	var words []string // the ADDRESS and what follows, without switches
	for i := 0; i < len(args); i++ {
		arg := args[i]
		if arg == "--" {
			if len(words) > 0 && beginsProgram(words[1:], arg) {
				return slices.Insert(slices.Clone(args), i, arg) // the command line takes one, the operation the other
			}
			break
		}
		if isSwitch(arg) {
			if f := lookup(set, arg); f != nil && f.NoOptDefVal == "" && !strings.Contains(arg, "=") {
				i++
			}
			continue
		}
		if len(words) > 0 && beginsProgram(words[1:], arg) {
			return slices.Insert(slices.Clone(args), i, "--")
		}
		words = append(words, arg)
	}
	return args
}

// An operationError is the error of an operation, which was sent unless the error says otherwise.
type operationError struct {
	error
	ended error // why the context has ended; nil if it has not. An operation can end with another error then.
}

func (e *operationError) Unwrap() []error {
	if e.ended == nil {
		return []error{e.error}
	}
	return []error{e.error, e.ended}
}

// operationFailed returns the error of the shell for that of an operation with a context.
func operationFailed(ctx context.Context, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, operate.ErrMistake):
		return &usageError{err}
	}
	return &operationError{err, context.Cause(ctx)}
}

// env returns what an operation in a session uses.
func (sh *shell) env(ctx context.Context, s *session, op *operate.Operation) (*operate.Env, error) {
	x, err := s.executor(ctx)
	switch {
	case err != nil:
		return nil, err
	case s.kind == kindGuest && !s.runs(op):
		return nil, usagef("%s is a guest agent, and %s needs a machine: use the session of the machine, and open the agent beside it", s.name, op.Name)
	case s.kind == kindStorage && !s.runs(op):
		return nil, usagef("%s is a storage daemon, and %s needs a machine: use the commands of the daemon", s.name, op.Name)
	case s.kind == kindGuest:
		env := &operate.Env{Agent: x, Out: sh.out}
		if sh.editor == nil {
			env.Stdin = os.Stdin
		}
		if sh.tty != nil && !isDumb() {
			env.Progress = sh.showProgress
		}
		return env, nil
	}
	if s.env == nil || s.env.Conn != qmp.Conn(s.client) {
		s.env = &operate.Env{Conn: s.client}
	}
	s.env.Out, s.env.Notes, s.env.Show, s.env.Agent, s.env.Stdin, s.env.Progress = sh.out, nil, nil, nil, nil, nil
	if agent := sh.agentOf(s); agent != nil {
		x, err := agent.executor(ctx)
		if err != nil {
			return nil, err
		}
		s.env.Agent = x
	}
	if sh.editor == nil {
		s.env.Stdin = os.Stdin
	}
	if sh.tty != nil && !isDumb() {
		s.env.Progress = sh.showProgress
	}
	return s.env, nil
}

// agentOf returns the session with the guest agent of a machine: the one with its name and "-agent", or the only one.
func (sh *shell) agentOf(machine *session) *session {
	var agents []*session
	for _, s := range sh.sessions {
		if s.kind == kindGuest {
			if s.name == machine.name+"-agent" {
				return s
			}
			agents = append(agents, s)
		}
	}
	if len(agents) == 1 {
		return agents[0]
	}
	return nil
}

// showProgress overwrites the line of the operation's progress.
func (sh *shell) showProgress(text string, current, total int64) {
	line := text + ": " + size(current)
	if total > 0 {
		line += " of " + size(total)
	}
	line = show.Cut(show.Escape(line), sh.screen().width-1)
	if sh.editor != nil {
		sh.editor.progress(line)
		return
	}
	_, _ = io.WriteString(sh.tty, clearLine+line)
}

// endProgress removes the line.
func (sh *shell) endProgress() {
	switch {
	case sh.editor != nil:
		sh.editor.progress("")
	case sh.tty != nil && !isDumb():
		_, _ = io.WriteString(sh.tty, clearLine)
	}
}

// isJobEvent reports whether an event says how a job goes on. These of an operation's own jobs would hide its result.
func isJobEvent(name string) bool {
	return name == "JOB_STATUS_CHANGE" || strings.HasPrefix(name, "BLOCK_JOB_") && name != "BLOCK_JOB_ERROR"
}

// operations lists the operations that make sense in a session.
func (s *session) operations() (all []operate.Operation) {
	return slices.DeleteFunc(operate.All(), func(op operate.Operation) bool { return !s.runs(&op) })
}

// runs reports whether an operation makes sense in a session.
func (s *session) runs(op *operate.Operation) bool {
	switch s.kind {
	case kindGuest:
		return !op.NeedsMachine()
	case kindStorage:
		return strings.HasPrefix(op.Name, "job ")
	}
	return true
}

// operationNames lists the operations, for help and completion.
func (s *session) operationNames() (names []candidate) {
	for _, op := range s.operations() {
		names = append(names, candidate{text: op.Name, help: op.Help, space: true})
	}
	return names
}

// nextWords returns the words with which the names of operations go on after these words.
func (s *session) nextWords(words []word) (names []candidate) {
	for _, op := range s.operations() {
		name := strings.Fields(op.Name)
		if len(name) <= len(words) || slices.ContainsFunc(names, func(c candidate) bool { return c.text == name[len(words)] }) {
			continue
		}
		same := true
		for i, w := range words {
			same = same && w.text == name[i]
		}
		if same {
			help := op.Help
			if len(name) > len(words)+1 {
				help = "operations: help operations"
			}
			names = append(names, candidate{text: name[len(words)], help: help, space: true})
		}
	}
	return names
}

// completeOperation returns the candidates for the arguments of an operation.
func (sh *shell) completeOperation(ctx context.Context, op *operate.Operation, words []word, last word) (from int, candidates []candidate) {
	given := map[string]string{}
	positional := 0
	for _, w := range words {
		if name, value, ok := strings.Cut(w.text, "="); ok {
			given[name] = unquote(value)
			continue
		}
		for _, a := range op.Args[min(positional, len(op.Args)):] {
			positional++
			if _, named := given[a.Name]; a.Positional && !named {
				given[a.Name] = unquote(w.text)
				break
			}
		}
	}
	name, prefix, named := strings.Cut(last.text, "=")
	next := true
	for _, a := range op.Args {
		_, has := given[a.Name]
		switch {
		case named && a.Name == name:
			return last.from + len(name) + 1, matching(sh.argumentValues(ctx, a, given, prefix), prefix)
		case named || has && !a.Repeated:
			continue
		}
		if a.Positional && next {
			next = false
			candidates = append(candidates, matching(sh.argumentValues(ctx, a, given, last.text), last.text)...)
		}
		if key := a.Name + "="; strings.HasPrefix(key, last.text) && !strings.HasPrefix(a.Kind, "properties") {
			candidates = append(candidates, candidate{text: key, help: a.Help})
		}
	}
	return last.from, candidates
}

// argumentValues lists the values that an argument can have.
func (sh *shell) argumentValues(ctx context.Context, a operate.Arg, given map[string]string, prefix string) (values []candidate) {
	kind, of, _ := strings.Cut(a.Kind, ":")
	switch kind {
	case "bool":
		kind, of = "enum", "on,off"
	case "bitmap", "bus":
		of = given[of]
	case "file", "qom-path":
		of = prefix
	}
	if kind == "enum" {
		for _, text := range strings.Split(of, ",") {
			values = append(values, candidate{text: text, space: true})
		}
		return values
	}
	if of != "" {
		kind += ":" + of
	}
	found, _ := sh.current.values(ctx, kind)
	for _, v := range found {
		values = append(values, candidate{text: v.text, help: v.help, space: !strings.HasSuffix(v.text, "/")})
	}
	return values
}

// operationsHelp lists the operations of a session.
func (s *session) operationsHelp() string {
	var b strings.Builder
	b.WriteString("Operations take several commands of the server, and undo their steps if one fails. -n prints what they would send.\n" +
		"help OPERATION explains the arguments.\n")
	for _, group := range operate.Groups() {
		title := "\n" + group.Title + "\n"
		for _, op := range group.Operations {
			if s.runs(&op) {
				fmt.Fprintf(&b, "%s  %-16s  %s\n", title, op.Name, op.Help)
				title = ""
			}
		}
	}
	return b.String()
}

// operationHelp explains an operation and its arguments. It returns "" if there is no such operation.
func operationHelp(topic string) string {
	op, n := operate.Match(strings.Fields(topic))
	if op == nil || n < len(strings.Fields(topic)) {
		return ""
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n  %s\n\n", op.Usage(), op.Help)
	for _, a := range op.Args {
		help := a.Help
		if a.Default != "" {
			help += " (default: " + a.Default + ")"
		}
		fmt.Fprintf(&b, "  %-16s %s\n", a.Name, help)
	}
	return b.String()
}
