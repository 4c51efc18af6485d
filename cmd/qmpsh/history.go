package main

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
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
