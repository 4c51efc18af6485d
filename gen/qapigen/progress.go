package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"
)

// progressAfter is the time after which progress reports a step.
var progressAfter = time.Second

// A progress is standard error. It reports steps that take longer than a second. On a terminal, a
// step has one line with the seconds, which is removed when the step has ended. Elsewhere the line
// stays.
type progress struct {
	mu       sync.Mutex
	w        io.Writer
	terminal bool
	what     string // the step; "" if there is none
	began    time.Time
	timer    *time.Timer
	width    int // of the line that the terminal shows
}

func newProgress(w io.Writer) *progress { return &progress{w: w, terminal: isTerminal(w)} }

type progressKey struct{}

// step says that the work of a command goes on to something else.
func step(ctx context.Context, what string) {
	if p, ok := ctx.Value(progressKey{}).(*progress); ok {
		p.step(what)
	}
}

// step begins one; "" ends the last.
func (p *progress) step(what string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.clear()
	if p.timer != nil {
		p.timer.Stop()
	}
	p.what, p.began = what, time.Now()
	if what != "" {
		began := p.began
		p.timer = time.AfterFunc(progressAfter, func() { p.tell(what, began) })
	}
}

// tell reports the step if it has not ended.
func (p *progress) tell(what string, began time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.what != what || !p.began.Equal(began) {
		return
	}
	if !p.terminal {
		fmt.Fprintf(p.w, "qapigen: %s …\n", what)
		return
	}
	p.clear()
	line := fmt.Sprintf("qapigen: %s … %d s", what, int(time.Since(began).Seconds()))
	p.width = len([]rune(line))
	fmt.Fprint(p.w, line)
	p.timer.Reset(progressAfter)
}

// clear takes the line off the terminal.
func (p *progress) clear() {
	if p.width > 0 {
		fmt.Fprintf(p.w, "\r%s\r", strings.Repeat(" ", p.width))
		p.width = 0
	}
}

// Write writes what stays.
func (p *progress) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.clear()
	return p.w.Write(b)
}

// isTerminal reports whether the output is a terminal.
func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
