package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"path"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/qmpkit/qmpkit/internal/address"
	"github.com/qmpkit/qmpkit/internal/operate"
	"github.com/qmpkit/qmpkit/internal/show"
	"github.com/qmpkit/qmpkit/job"
	"github.com/qmpkit/qmpkit/qmp"
)

// An eventFilter says which events appear above the prompt. The zero value lets all pass.
type eventFilter struct {
	patterns []string
	off      bool
}

func (f eventFilter) matches(name string) bool {
	if f.off || len(f.patterns) == 0 {
		return !f.off
	}
	return slices.ContainsFunc(f.patterns, func(pattern string) bool {
		ok, _ := path.Match(pattern, name)
		return ok
	})
}

// checkPatterns returns an error if the server has no event with a name or a prefix.
func (s *session) checkPatterns(patterns []string) error {
	known := s.lang.names(true)
	for i, pattern := range patterns {
		pattern = strings.ToUpper(pattern)
		patterns[i] = pattern
		if _, err := path.Match(pattern, ""); err != nil {
			return usagef("events: %s: %w", pattern, err)
		}
		one := eventFilter{patterns: []string{pattern}}
		if !slices.ContainsFunc(known, func(c candidate) bool { return one.matches(c.text) }) {
			return usagef("events: the server has no event %s; help events lists the events", pattern)
		}
	}
	return nil
}

// events waits for events, or, in the shell and without a number or a time, chooses which events appear.
func (sh *shell) events(ctx context.Context, in input) error {
	if in.dry {
		return usagef("events: -n wants a number")
	}
	patterns := in.args()
	if sh.editor != nil && in.count == 0 && in.timeout == 0 {
		return sh.choose(patterns)
	}
	ctx, cancel := within(ctx, in.timeout)
	defer cancel()
	s := sh.current
	x, err := s.executor(ctx)
	if err != nil {
		return err
	}
	client, ok := x.(address.Server)
	if !ok {
		return usagef("events: %s", noEvents)
	}
	if err := s.checkPatterns(patterns); err != nil {
		return err
	}
	wanted := eventFilter{patterns: patterns}
	stream := s.events
	if stream == nil {
		stream = client.EventsFunc(func(e qmp.RawEvent) bool { return wanted.matches(e.Name) })
		defer stream.Close()
	}
	if sh.editor != nil { // what this wait prints does not appear twice
		before := sh.filter.Swap(&eventFilter{off: true})
		defer sh.filter.Store(before)
	}
	for n := 0; in.count == 0 || n < in.count; n++ {
		e, err := stream.Next(ctx)
		var lost *qmp.EventsLostError
		switch {
		case errors.As(err, &lost):
			fmt.Fprintf(sh.errs, "qmpsh: %d events were lost here: the output is too slow\n", lost.Count)
			n--
			continue
		case err != nil && context.Cause(ctx) == errTimeOver && in.count == 0:
			return nil // all events in a time
		case err != nil && context.Cause(ctx) == errTimeOver:
			return fmt.Errorf("events: %d of %d came: %w", n, in.count, errTimeOver)
		case err != nil && ctx.Err() != nil:
			return context.Cause(ctx)
		case err != nil:
			return err
		case !wanted.matches(e.Name):
			n--
			continue
		}
		if err := sh.writeEvent(sh.out, s, e, in.switches); err != nil {
			return err
		}
	}
	return nil
}

// choose sets the filter of the events above the prompt, or prints it.
func (sh *shell) choose(patterns []string) error {
	switch {
	case len(patterns) == 1 && patterns[0] == "off":
		sh.filter.Store(&eventFilter{off: true})
	case len(patterns) == 1 && (patterns[0] == "on" || patterns[0] == "all" || patterns[0] == "*"):
		sh.filter.Store(new(eventFilter))
	case len(patterns) > 0:
		if err := sh.current.checkPatterns(patterns); err != nil {
			return err
		}
		sh.filter.Store(&eventFilter{patterns: patterns})
	}
	f := sh.filter.Load()
	text := "all events appear"
	if f.off {
		text = "no events appear"
	} else if len(f.patterns) > 0 {
		text = "these events appear: " + strings.Join(f.patterns, " ")
	}
	text += "; events NAME…, events on or events off changes it, events -n 1 waits for one"
	fmt.Fprintln(sh.out, show.Wrap(text, sh.screen().width))
	return nil
}

func (sh *shell) writeEvent(w io.Writer, s *session, e qmp.RawEvent, sw switches) error {
	if sw.json {
		text, err := e.MarshalJSON()
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(w, "%s\n", sh.escapeJSON(text))
		return err
	}
	screen := sh.screen()
	if len(sh.sessions) > 1 {
		prefix := s.name + ": "
		io.WriteString(w, prefix)
		if screen.width > 0 {
			screen.width = max(20, screen.width-utf8.RuneCountInString(prefix))
		}
	}
	return showEvent(w, e, screen)
}

// How many events appear above the prompt at once, and how long nothing appears after that. So a flood of events
// leaves the line readable.
const (
	eventBatch = 10
	eventPause = 200 * time.Millisecond
)

// opened follows the events of a new connection, for the prompt.
func (sh *shell) opened(s *session) {
	if s.client == nil {
		return
	}
	if sh.editor == nil {
		s.events = s.client.EventsFunc(nil)
		return
	}
	stream := s.client.EventsFunc(func(e qmp.RawEvent) bool { return !s.unseen.Load() || !isJobEvent(e.Name) })
	go func() {
		defer stream.Close()
		defer func() {
			if problem := recover(); problem != nil {
				sh.editor.restore()
				panic(problem)
			}
		}()
		for {
			e, err := stream.Next(context.Background())
			if err != nil && !errors.Is(err, qmp.ErrEventsLost) {
				if !errors.Is(err, qmp.ErrClosed) {
					fmt.Fprintf(sh.out, "%s: the connection has ended: %s\n", s.name, show.EscapeText(err.Error()))
				}
				return
			}
			var b bytes.Buffer
			batch := &eventBatcher{sh: sh, session: s, w: &b}
			batch.add(e, err)
			for e, err := range qmp.Queued(stream) {
				batch.add(e, err)
			}
			s.changes.Add(1)
			batch.end()
			if b.Len() > 0 {
				sh.out.Write(b.Bytes())
				time.Sleep(eventPause)
			}
		}
	}()
}

// An eventBatcher writes the first events of a batch, and counts the others.
type eventBatcher struct {
	sh      *shell
	session *session
	w       io.Writer
	written int
	more    map[string]int
	lost    int
}

func (b *eventBatcher) add(e qmp.RawEvent, err error) {
	if lost, ok := errors.AsType[*qmp.EventsLostError](err); ok {
		b.lost += lost.Count
	}
	if err != nil {
		return
	}
	switch {
	case !b.sh.filter.Load().matches(e.Name):
	case b.written < eventBatch:
		b.written++
		_ = b.sh.writeEvent(b.w, b.session, e, switches{})
	default:
		if b.more == nil {
			b.more = map[string]int{}
		}
		b.more[e.Name]++
	}
}

func (b *eventBatcher) end() {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(b.more)) {
		parts = append(parts, fmt.Sprintf("%d %s", b.more[name], name))
	}
	if b.lost > 0 {
		parts = append(parts, fmt.Sprintf("%d lost", b.lost))
	}
	if len(parts) > 0 {
		fmt.Fprintf(b.w, "  … and %s\n", strings.Join(parts, ", "))
	}
}

// A work is a job or the migration, at one moment.
type work struct {
	name, status string
	done, total  int64
	ended        bool // or it waits for a command
	note         string
	why          string // why it stands still or is slow, below its line
}

// progress shows jobs and the migration until none of them works.
func (sh *shell) progress(ctx context.Context, in input) error {
	ctx, cancel := within(ctx, in.timeout)
	defer cancel()
	x, err := sh.current.executor(ctx)
	if err != nil {
		return err
	}
	meters := map[string]*meter{}
	lines := 0
	for {
		all, err := works(ctx, x)
		if err != nil {
			return watchEnd(sh, err)
		}
		var b strings.Builder
		screen := sh.screen()
		if lines > 0 && screen.width > 0 && !screen.dumb && !in.json {
			fmt.Fprintf(&b, "\x1b[%dA\x1b[J", lines)
		}
		lines = 0
		working := false
		for _, w := range all {
			m := meters[w.name]
			if m == nil {
				m = &meter{}
				meters[w.name] = m
			}
			m.add(time.Now(), w.done)
			working = working || !w.ended
			if in.json {
				text, _ := json.Marshal(map[string]any{"name": w.name, "status": w.status, "done": w.done, "total": w.total, "why": w.why})
				fmt.Fprintf(&b, "%s\n", sh.escapeJSON(text))
			} else {
				text := w.line(m.rate(), screen.width)
				if w.why != "" {
					text += "\n" + show.Wrap("  "+show.Escape(w.why), screen.width-1)
				}
				b.WriteString(text + "\n")
				lines += strings.Count(text, "\n") + 1
			}
		}
		if len(all) == 0 && !in.json {
			b.WriteString("no job and no migration\n")
		}
		if _, err := io.WriteString(sh.out, b.String()); err != nil {
			return err
		}
		if !working {
			return nil
		}
		select {
		case <-ctx.Done():
			if context.Cause(ctx) == errTimeOver {
				return fmt.Errorf("progress: %w", errTimeOver)
			}
			return watchEnd(sh, context.Cause(ctx))
		case <-time.After(in.interval):
		}
	}
}

// works asks for the jobs and the migration.
func works(ctx context.Context, x qmp.Executor) (all []work, err error) {
	jobs, err := job.Describe(ctx, x)
	if err != nil && !errors.Is(err, qmp.ErrCommandNotFound) {
		return nil, err
	}
	for _, j := range jobs {
		w := work{name: string(j.Type) + " " + j.ID, status: string(j.Status), done: j.CurrentProgress, total: j.TotalProgress, why: operate.Why(j)}
		switch j.Cause {
		case "", job.CauseSpeed, job.CauseOthers:
		default:
			w.ended = true
		}
		all = append(all, w)
	}
	result, err := qmp.Raw{Command: "query-migrate"}.Do(ctx, x)
	if err != nil && !errors.Is(err, qmp.ErrCommandNotFound) {
		return nil, err
	}
	var m struct {
		Status string `json:"status"`
		RAM    *struct {
			Transferred, Remaining, Total int64
		} `json:"ram"`
		Error string `json:"error-desc"`
	}
	_ = json.Unmarshal(result, &m)
	if m.Status != "" && m.Status != "none" {
		w := work{name: "migration", status: m.Status, note: m.Error}
		w.ended = slices.Contains([]string{"completed", "failed", "cancelled", "postcopy-paused", "pre-switchover"}, m.Status)
		if m.RAM != nil {
			w.total, w.done = m.RAM.Total, m.RAM.Total-m.RAM.Remaining
		}
		all = append(all, w)
	}
	return all, nil
}

// line returns the line of the work at a rate in bytes per second. In a terminal, the bar takes the cells that the rest
// leaves of the width, and a line that is too long is cut: it must not take two lines of the screen.
func (w work) line(rate float64, width int) string {
	text, rest := fmt.Sprintf("%-24s %-10s", show.Escape(w.name), w.status), ""
	if w.total > 0 {
		share := min(1, max(0, float64(w.done)/float64(w.total)))
		rest = fmt.Sprintf(" %3.0f%%  %s of %s", share*100, size(w.done), size(w.total))
		if !w.ended && rate > 0 {
			left := time.Duration(float64(w.total-w.done) / rate * float64(time.Second))
			rest += fmt.Sprintf("  %s/s  %s left", size(int64(rate)), left.Round(time.Second))
		}
		bar := 20
		if width > 0 {
			bar = min(bar, width-1-show.Cells(text)-show.Cells(rest)-len(" []"))
		}
		if bar >= 4 {
			full := int(share * float64(bar))
			rest = fmt.Sprintf(" [%s%s]", strings.Repeat("#", full), strings.Repeat("-", bar-full)) + rest
		}
	}
	if w.note != "" {
		rest += "  " + show.Escape(w.note)
	}
	text = strings.TrimRight(text+rest, " ")
	if width > 0 {
		text = show.Cut(text, width-1)
	}
	return text
}

// size returns a number of bytes in people's units.
func size(n int64) string {
	value, unit := float64(n), 0
	for value >= 1024 && unit < 5 {
		value /= 1024
		unit++
	}
	if unit == 0 {
		return fmt.Sprintf("%d B", n)
	}
	return fmt.Sprintf("%.1f %ciB", value, "KMGTP"[unit-1])
}

// A meter measures a rate over the last few seconds.
type meter struct {
	times []time.Time
	done  []int64
}

func (m *meter) add(now time.Time, done int64) {
	m.times, m.done = append(m.times, now), append(m.done, done)
	if len(m.times) > 8 {
		m.times, m.done = m.times[1:], m.done[1:]
	}
}

func (m *meter) rate() float64 {
	last := len(m.times) - 1
	seconds := m.times[last].Sub(m.times[0]).Seconds()
	if seconds <= 0 {
		return 0
	}
	return float64(m.done[last]-m.done[0]) / seconds
}
