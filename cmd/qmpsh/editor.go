package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"unicode/utf8"

	"golang.org/x/term"

	"github.com/qmpkit/qmpkit/internal/show"
)

// A screen is what a terminal can show. The zero value is for files and pipes.
type screen struct {
	width, height int
	colour        bool
	dumb          bool // it has no cursor
}

// screen asks the terminal for its size.
func (sh *shell) screen() screen {
	if sh.tty == nil {
		return screen{}
	}
	s := screen{width: 80, height: 24, dumb: isDumb()}
	s.colour = os.Getenv("NO_COLOR") == "" && !s.dumb && !sh.plain
	if w, h, err := term.GetSize(int(sh.tty.Fd())); err == nil && w > 0 {
		s.width, s.height = w, h
	}
	return s
}

// isDumb reports whether the terminal has no cursor.
func isDumb() bool { return os.Getenv("TERM") == "dumb" || os.Getenv("TERM") == "" }

// An editor reads lines from a terminal and prints above the line that is being typed. Its methods, except write and
// hold, are for one goroutine.
type editor struct {
	sh      *shell
	in, out *os.File
	history *history

	terminal *term.Terminal // nil for a terminal without a cursor
	plain    *bufio.Reader  // for that terminal
	before   *term.State    // of the terminal, before the shell
	waiting  *term.State    // while a command runs

	pending     []byte // what was read from the terminal, and not given to the line editor
	interrupted bool   // Ctrl-C ended the line
	pasting     bool   // the terminal sends a text that was pasted
	pasted      bool   // the text ended the line
	search      *search

	mu      sync.Mutex
	reading bool          // a line is being typed
	below   bool          // the cursor is in a line of progress
	held    *bytes.Buffer // what was written while another program has the terminal; nil if none has

	quiet atomic.Bool // a command has written nothing yet
}

// A search is a search in the history.
type search struct {
	text     string // to find
	at       int    // in the history
	original string // the line before
	found    bool
}

func newEditor(sh *shell, in, out *os.File, h *history) *editor {
	e := &editor{sh: sh, in: in, out: out, history: h}
	if isDumb() {
		e.plain = bufio.NewReader(in)
		return e
	}
	e.terminal = term.NewTerminal(struct {
		io.Reader
		io.Writer
	}{keys{e}, out}, "")
	e.terminal.History = h
	e.terminal.AutoCompleteCallback = e.key
	e.before, _ = term.GetState(int(in.Fd()))
	hush(int(in.Fd()))
	e.waiting, _ = term.GetState(int(in.Fd()))
	return e
}

// Write prints text above the line that is being typed.
func (e *editor) Write(text []byte) (int, error) {
	e.quiet.Store(false)
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.held != nil {
		return e.held.Write(text)
	}
	if !e.reading {
		if e.below {
			e.below = false
			_, _ = io.WriteString(e.out, clearLine)
		}
		return e.out.Write(text)
	}
	return e.terminal.Write(text)
}

// clearLine removes the line of the cursor.
const clearLine = "\r\x1b[K"

// progress overwrites the line of the cursor with a text. "" removes it.
func (e *editor) progress(text string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.quiet.Store(false)
	if e.held == nil && (e.below || text != "") {
		e.below = text != ""
		_, _ = io.WriteString(e.out, clearLine+text)
	}
}

// isHeld reports whether another program has the terminal.
func (e *editor) isHeld() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.held != nil
}

// hold keeps what is written back, while another program has the terminal.
func (e *editor) hold(on bool) {
	if on {
		e.progress("")
		e.restore()
	} else {
		defer e.await()
	}
	e.mu.Lock()
	held := e.held
	e.held = nil
	if on {
		e.held = new(bytes.Buffer)
	}
	e.mu.Unlock()
	if held != nil && held.Len() > 0 {
		e.Write(held.Bytes())
	}
}

// read reads a command, which can have several lines, or several commands that were pasted: they wait for Enter, as in
// other shells. The error is io.EOF at the end of the input, and errInterrupted
// if Ctrl-C ended the line.
func (e *editor) read(prompt string) (string, error) {
	text, err := e.readLine(prompt)
	for err == nil && (e.pasted || needsMore(withoutComment(text))) {
		var more string
		more, err = e.readLine(strings.Repeat(" ", max(0, utf8.RuneCountInString(prompt)-2)) + "> ")
		text += "\n" + more
	}
	return text, err
}

func (e *editor) readLine(prompt string) (string, error) {
	for _, s := range e.sh.sessions {
		s.typed = nil
	}
	if e.terminal == nil {
		fmt.Fprint(e.out, prompt)
		line, err := e.plain.ReadString('\n')
		if err != nil && line == "" {
			return "", err
		}
		return strings.TrimRight(line, "\r\n"), nil
	}
	if _, err := term.MakeRaw(int(e.in.Fd())); err != nil {
		return "", err
	}
	e.setReading(true)
	defer e.await()
	defer onSignals(endSignals, func(s os.Signal) {
		e.restore()
		os.Exit(exitTerminated)
	})()
	e.resize()
	defer onSignals(resizeSignals, func(os.Signal) { e.resize() })()
	e.interrupted, e.pasted, e.search = false, false, nil
	e.terminal.SetPrompt(prompt)
	e.terminal.SetBracketedPasteMode(true)
	line, err := e.terminal.ReadLine()
	if errors.Is(err, term.ErrPasteIndicator) {
		err = nil
	}
	if e.interrupted {
		return "", errInterrupted
	}
	return line, err
}

// setReading says whether a line is being typed.
func (e *editor) setReading(on bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.reading && !on {
		_, _ = io.WriteString(e.out, "\x1b[?2004l") // bracketed paste
	}
	e.reading = on
}

// restore gives the terminal back the state before the shell. It works at any time and more than once, also in a panic.
func (e *editor) restore() {
	e.setReading(false)
	if e.before != nil {
		_ = term.Restore(int(e.in.Fd()), e.before)
	}
}

// await is restore for the time in which a command runs: the keys that are typed wait for the next line, without an echo.
func (e *editor) await() {
	e.setReading(false)
	if e.waiting != nil {
		_ = term.Restore(int(e.in.Fd()), e.waiting)
	}
}

// resume sets the modes of the terminal again, after the program was stopped (Ctrl-Z) and continues.
func (e *editor) resume() {
	e.mu.Lock()
	reading, held := e.reading, e.held != nil
	e.mu.Unlock()
	switch {
	case e.terminal == nil || held:
	case reading:
		_, _ = term.MakeRaw(int(e.in.Fd()))
		_, _ = e.terminal.Write(nil) // the line again
	default:
		e.await()
	}
}

// drop drops the keys that were typed and are not in a line yet.
func (e *editor) drop() {
	e.pending = nil
	if e.before != nil {
		dropInput(int(e.in.Fd()))
	}
}

func (e *editor) resize() {
	if w, h, err := term.GetSize(int(e.out.Fd())); err == nil && w > 0 {
		_ = e.terminal.SetSize(w, h)
	}
}

// confirm asks a question. Keys that were typed before it are no answer.
func (e *editor) confirm(question string) bool {
	e.progress("")
	e.drop()
	answer, err := e.readLine(question + " [y/N] ")
	return err == nil && strings.HasPrefix(strings.ToLower(strings.TrimSpace(answer)), "y")
}

// key handles the keys that the line editor does not know.
func (e *editor) key(line string, pos int, key rune) (string, int, bool) {
	switch {
	case key == keyTab:
		return e.tab(line, pos)
	case key == keyCtrlR && e.search == nil:
		e.search = &search{at: -1, original: line}
		e.find(false)
	case e.search == nil:
		return "", 0, false
	case key == keyCtrlR:
		e.find(true)
	case key == runeBackspace:
		_, n := utf8.DecodeLastRuneInString(e.search.text)
		e.search.text = e.search.text[:len(e.search.text)-n]
		e.search.at = -1
		e.find(false)
	case key == runeAccept || key == runeCancel:
		if key == runeCancel {
			line = e.search.original
		}
		e.search = nil
		e.prompt(e.sh.prompt())
		return line, len(line), true
	default:
		e.search.text += string(key)
		e.find(false)
	}
	if e.search.at >= 0 {
		line = e.history.At(e.search.at)
	}
	return line, len(line), true
}

// find looks for the newest line of the history with the text, or for the next older one.
func (e *editor) find(older bool) {
	s := e.search
	from := max(0, s.at)
	if older {
		from = s.at + 1
	}
	s.found = s.text == ""
	for i := from; i < e.history.Len() && s.text != ""; i++ {
		if strings.Contains(e.history.At(i), s.text) {
			s.at, s.found = i, true
			break
		}
	}
	state := "search"
	if !s.found {
		state = "not found"
	}
	e.prompt("(" + state + " " + s.text + ") ")
}

// prompt changes the prompt on the screen.
func (e *editor) prompt(text string) {
	e.terminal.SetPrompt(text)
	_, _ = e.terminal.Write(nil)
}

// cut shortens a line to a number of characters.
func cut(line string, width int) string {
	if utf8.RuneCountInString(line) <= width {
		return line
	}
	return string([]rune(line)[:max(0, width-1)]) + "…"
}

// prompt returns the prompt: the name of the session.
func (sh *shell) prompt() string { return sh.current.name + "> " }

// loop reads and executes lines until the user leaves the shell.
func (sh *shell) loop(ctx context.Context, stdin *os.File) error {
	out := sh.tty
	if out == nil {
		out = os.Stdout
	}
	h := openHistory()
	sh.editor = newEditor(sh, stdin, out, h)
	sh.out, sh.errs = sh.editor, sh.editor
	defer sh.editor.restore()
	defer onSignals(continueSignals, func(os.Signal) { sh.editor.resume() })()
	for _, s := range sh.sessions {
		fmt.Fprintln(sh.out, show.Wrap(fmt.Sprintf("%s: %s", s.name, show.Escape(s.state())), sh.screen().width))
		sh.opened(s)
	}
	if sh.editor.terminal == nil {
		fmt.Fprintln(sh.out, "help explains, Ctrl-D leaves.")
	} else {
		fmt.Fprintln(sh.out, show.Wrap("Tab completes, help explains, Ctrl-D leaves.", sh.screen().width))
	}
	for {
		line, err := sh.editor.read(sh.prompt())
		switch {
		case errors.Is(err, errInterrupted):
			continue
		case errors.Is(err, io.EOF):
			fmt.Fprintln(sh.out)
			return nil
		case err != nil:
			return err
		}
		for _, command := range commands(line) {
			waiting, cancel := context.WithCancelCause(ctx)
			stop := sh.onInterrupt(cancel)
			patient := sh.patient(command)
			err = sh.typed(waiting, command)
			patient()
			stop()
			if context.Cause(waiting) == errInterrupted {
				sh.editor.drop()
			}
			if errors.Is(err, errExit) {
				return nil
			}
			_ = sh.fail(err)
			if context.Cause(waiting) == errTerminated {
				return &failure{exitTerminated}
			}
			cancel(nil)
			if err != nil {
				break
			}
		}
	}
}

// commands splits a text that was pasted into commands.
func commands(text string) (all []string) {
	command := ""
	for line := range strings.Lines(text) {
		if command = withoutComment(command + line); !needsMore(strings.TrimSuffix(command, "\n")) {
			all = append(all, strings.TrimSpace(command))
			command = ""
		}
	}
	if command != "" {
		all = append(all, strings.TrimSpace(command))
	}
	return slices.DeleteFunc(all, func(command string) bool { return command == "" })
}

// typed executes a line that was typed.
func (sh *shell) typed(ctx context.Context, line string) error {
	kept := sh.withoutSecrets(sh.current, line)
	sh.editor.history.add(kept.line, kept.ok)
	if kept.hidden {
		return usagef("the line has *** in place of a secret, as the history has; write the secret")
	}
	return sh.line(ctx, line)
}

// onSignals calls f at each of the signals, until the returned function is called.
func onSignals(signals []os.Signal, f func(os.Signal)) (stop func()) {
	if len(signals) == 0 {
		return func() {}
	}
	c := make(chan os.Signal, 1)
	signal.Notify(c, signals...)
	done := make(chan struct{})
	go func() {
		for {
			select {
			case s := <-c:
				f(s)
			case <-done:
				return
			}
		}
	}()
	return func() {
		signal.Stop(c)
		close(done)
	}
}
