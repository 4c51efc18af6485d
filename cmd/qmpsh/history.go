package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/qmpkit/qmpkit/internal/cmdline"
	"github.com/qmpkit/qmpkit/internal/operate"
	"github.com/qmpkit/qmpkit/qmp"
)

// maxHistory is the number of lines that the history keeps.
const maxHistory = 1000

// A history holds the lines that were typed, oldest first. It implements [term.History].
type history struct {
	lines []string
	path  string // of its file, "" for none
}

// openHistory reads the history of earlier shells. Without a folder for it, the history ends with the shell.
func openHistory() *history {
	h := &history{path: historyPath()}
	text, err := os.ReadFile(h.path)
	if err != nil {
		return h
	}
	for line := range strings.Lines(string(text)) {
		// A command with several lines is a quoted string.
		line = strings.TrimRight(line, "\n")
		if whole, err := strconv.Unquote(line); err == nil {
			line = whole
		}
		h.lines = append(h.lines, line)
	}
	h.lines = h.lines[max(0, len(h.lines)-maxHistory):]
	return h
}

// historyPath returns the file of the history: the variable QMPSH_HISTORY, or a file in the user's folder for the
// state of programs.
func historyPath() string {
	if path, ok := os.LookupEnv("QMPSH_HISTORY"); ok {
		return path
	}
	state := os.Getenv("XDG_STATE_HOME")
	if !filepath.IsAbs(state) {
		home, err := os.UserHomeDir()
		if err != nil {
			return ""
		}
		state = filepath.Join(home, ".local", "state")
	}
	return filepath.Join(state, "qmpsh", "history")
}

// add adds a line. If save is set, it also writes the line to the file, for later shells. Other shells write to the
// same file, so the line is appended.
func (h *history) add(line string, save bool) {
	if n := len(h.lines); n > 0 && h.lines[n-1] == line {
		return
	}
	h.lines = append(h.lines, line)
	if !save || h.path == "" {
		return
	}
	if strings.ContainsAny(line, "\n") || strings.HasPrefix(line, `"`) {
		line = strconv.Quote(line)
	}
	if err := os.MkdirAll(filepath.Dir(h.path), 0o700); err != nil {
		return
	}
	f, err := os.OpenFile(h.path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return
	}
	defer f.Close()
	_, _ = f.WriteString(line + "\n")
}

// Add does nothing: the shell decides what is kept.
func (h *history) Add(string) {}

// Len returns the number of lines.
func (h *history) Len() int { return len(h.lines) }

// At returns a line, in one line: 0 is the newest.
func (h *history) At(i int) string {
	return strings.NewReplacer("\\\n", " ", "\n", " ").Replace(h.lines[len(h.lines)-1-i])
}

// hiddenText is what the history and logs have in place of a secret.
const hiddenText = "***"

// A kept is a line as the history keeps it.
type kept struct {
	line   string
	ok     bool // all secrets are known, so the line can be written to the file
	hidden bool // a secret has the value hiddenText: the line comes from the history
}

// withoutSecrets returns a line without the members that qmp's logs hide. It does not ask the server, which may hang.
func (sh *shell) withoutSecrets(s *session, line string) kept {
	words, _ := scan(line)
	if len(words) == 0 {
		return kept{line: line, ok: true}
	}
	if op, _ := operate.Match(unquoted(words)); op != nil {
		takesAll := slices.ContainsFunc(op.Args, func(a operate.Arg) bool { return a.Rest }) // of a program
		return kept{line: line, ok: !takesAll && !hasSecret(words)}
	}
	if skip, ok := wrapping[words[0].text]; ok {
		if len(words) <= skip {
			return kept{line: line, ok: true}
		}
		if named, err := sh.session(words[skip-1].text); words[0].text == "on" && err == nil {
			s = named
		}
		rest := sh.withoutSecrets(s, line[words[skip].from:])
		rest.line = line[:words[skip].from] + rest.line
		return rest
	}
	if _, own := builtins[words[0].text]; own {
		return kept{line: line, ok: true}
	}
	request, err := s.request(line)
	if err != nil {
		return kept{line: line}
	}
	redacted := qmp.Redact(request)
	if !bytes.Contains(redacted, []byte(hiddenText)) {
		return kept{line: line, ok: true}
	}
	k := kept{line: string(redacted), ok: true, hidden: bytes.Contains(request, []byte(`"`+hiddenText+`"`))}
	short := line
	for i := len(words) - 1; i > 0; i-- {
		if key, _, pair := strings.Cut(words[i].text, "="); pair && isHidden(redacted, strings.Split(key, ".")) {
			short = short[:words[i].from] + key + "=" + hiddenText + short[words[i].to:]
		}
	}
	if again, err := s.request(short); err == nil && bytes.Equal(again, redacted) {
		k.line = short
	}
	return k
}

// request returns the request of a line.
func (s *session) request(line string) ([]byte, error) {
	words, filter := scan(line)
	if filter != nil {
		line = strings.TrimRight(line[:strings.LastIndex(line, *filter)], " |")
	}
	for i, w := range words {
		if i > 0 && isSwitch(w.text) {
			line = blankOut(line, w.from, w.to)
		}
	}
	alone := language{&cmdline.Language{Schema: s.lang.Schema, Facts: s.lang.Facts}}
	command, err := alone.parse(context.Background(), line)
	if err != nil {
		return nil, err
	}
	args, err := command.Args.MarshalJSON()
	return fmt.Appendf(nil, `{"execute":%q,"arguments":%s}`, command.Name, args), err
}

// isHidden reports whether a member of a request's arguments is hidden.
func isHidden(request []byte, path []string) bool {
	var value any
	if json.Unmarshal(request, &value) != nil {
		return false
	}
	for _, name := range append([]string{"arguments"}, path...) {
		object, _ := value.(map[string]any)
		value = object[name]
	}
	return value == hiddenText
}

// hasSecret reports whether the arguments of an operation have a name or a text that logs hide.
func hasSecret(words []word) bool {
	members := map[string]string{}
	for i, w := range words {
		name, value, pair := strings.Cut(w.text, "=")
		if !pair {
			name, value = fmt.Sprint("word", i), w.text
		}
		members[strings.TrimPrefix(name, "prop.")] = unquote(value)
	}
	text, err := json.Marshal(members)
	return err != nil || !bytes.Equal(qmp.Redact(text), text)
}
