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

// progressAfter is how long a step may take before something is said of it.
var progressAfter = time.Second

// A progress is standard error, on which it tells what takes longer than a second. A terminal shows
// one line, with the seconds, which goes when the step is over; elsewhere a step has one line
// that stays.
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

// tell says what is being done, if that is still so.
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
