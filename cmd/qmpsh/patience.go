package main

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/term"

	"github.com/qmpkit/qmpkit/internal/operate"
	"github.com/qmpkit/qmpkit/internal/show"
)

// patience is how long the shell waits before it says so.
const patience = time.Second

// patient says what a line waits for if there is no output in time. The caller calls stop when the line has ended.
func (sh *shell) patient(line string) (stop func()) {
	words, _ := scan(line)
	for len(words) > 2 && words[0].text == "on" && words[1].text != "all" {
		words = words[2:]
	}
	if len(words) == 0 || words[0].text == "open" { // which says itself what it waits for
		return func() {}
	}
	s := sh.current
	if other, err := sh.session(wordAfter(line, "on")); err == nil {
		s = other
	}
	op, _ := operate.Match(unquoted(words))
	return sh.remind(func() string {
		switch name := words[0].text; {
		case s.dialing.Load():
			return noGreeting(s.name)
		case op != nil:
			return op.Name + " goes on; Ctrl-C ends it"
		case name == "events":
			return "Ctrl-C ends the wait for events"
		case name == "on":
			return "Ctrl-C ends the wait: a server is busy or stopped"
		}
		return fmt.Sprintf("Ctrl-C ends the wait: %s is busy or stopped", s.name)
	})
}

// remindOf is patient for a command of the command line. Events, and what prints again and again, have no end.
func (sh *shell) remindOf(line string) (stop func()) {
	if words, _ := scan(line); len(words) == 0 || slices.Contains([]string{"events", "watch", "progress"}, words[0].text) {
		return func() {}
	}
	return sh.patient(line)
}

// wordAfter returns the second word of a line whose first word is this one.
func wordAfter(line, first string) string {
	if words, _ := scan(line); len(words) > 1 && words[0].text == first {
		return unquote(words[1].text)
	}
	return ""
}

// noGreeting is what to say of a connection that takes long.
func noGreeting(name string) string {
	return fmt.Sprintf("Ctrl-C ends the wait for %s: another client may hold its monitor, or it is stopped", name)
}

// remind shows a text if the caller does not call stop in time. Only people see it.
func (sh *shell) remind(text func() string) (stop func()) {
	e := sh.editor
	file, _ := sh.errs.(*os.File)
	if e == nil && (file == nil || !term.IsTerminal(int(file.Fd()))) {
		return func() {}
	}
	if e != nil {
		e.quiet.Store(true)
	}
	var mu sync.Mutex
	stopped := false
	timer := time.AfterFunc(patience, func() {
		mu.Lock()
		defer mu.Unlock()
		switch {
		case stopped || e != nil && !e.quiet.Load():
		case e == nil || e.terminal == nil:
			fmt.Fprintln(sh.errs, show.Wrap("qmpsh: "+show.Escape(text()), sh.screen().width))
		default:
			e.progress(show.Cut(show.Escape(text()), sh.screen().width-1))
		}
	})
	return func() {
		timer.Stop()
		mu.Lock()
		defer mu.Unlock()
		stopped = true
		if e != nil && e.terminal != nil {
			e.progress("")
		}
	}
}

// names joins the names of sessions.
func names(all []*session) string {
	var texts []string
	for _, s := range all {
		texts = append(texts, s.name)
	}
	return strings.Join(texts, ", ")
}
