// Package show prints answers and events of QEMU for people: tables for lists of objects, indented text for objects, one
// line for a value.
//
//	result, err := qmp.Raw{Command: "query-block"}.Do(ctx, client)
//	…
//	err = show.Value(os.Stdout, "query-block", result, show.Options{Width: 80})
//
// # Columns
//
// The table of columns.go has the columns that matter for the queries that people use most. Other lists of objects have a
// column for each member. If a table is too wide, Value shortens texts, then leaves out columns from the right, and names
// them below the table. With All, no column is left out: objects that do not fit are printed as text, one after another.
//
// # Units
//
// units.go says which members are sizes, rates, durations, times and addresses. Tables have rounded sizes. Text also has the
// exact number if the size is rounded.
//
// # What never changes
//
// The output depends on the answer and the options only, never on the locale or the environment. Lists keep QEMU's order.
// Members are sorted, because QEMU's order of members has no meaning: names first, then values, then objects and lists.
// Control characters in texts are escaped, so that a guest or a file name cannot control the terminal.
package show

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/text"

	"github.com/qmpkit/qmpkit/qmp"
)

// Options says how to print.
type Options struct {
	Width  int            // of the terminal, in cells; 0 means no limit
	Colour bool           // use colours
	All    bool           // show all members of a list's objects
	Zone   *time.Location // for times; nil means UTC
}

func init() {
	// The caller decides about colours and widths, not the environment.
	text.EnableColors()
	text.OverrideRuneWidthEastAsianWidth(false)
}

// Value prints the result of a command. A command without a result prints "ok".
func Value(w io.Writer, command string, result []byte, o Options) error {
	v, err := decode(result)
	if err != nil {
		return fmt.Errorf("show: result of %s: %w", command, err)
	}
	var out strings.Builder
	p := printer{out: &out, command: command, Options: o}
	p.result(v)
	_, err = io.WriteString(w, out.String())
	return err
}

// Event prints an event on one line: the time, the name and the data. If Width is set, Event cuts the line.
func Event(w io.Writer, e qmp.RawEvent, o Options) error {
	p := printer{command: e.Name, Options: o}
	var data any
	if len(e.Data) > 0 {
		var err error
		if data, err = decode(e.Data); err != nil {
			return fmt.Errorf("show: event %s: %w", e.Name, err)
		}
	}
	clock := strings.Repeat(" ", len("15:04:05.000"))
	if !e.Time.IsZero() {
		clock = e.Time.In(p.zone()).Format("15:04:05.000")
	}
	line := Escape(e.Name)
	members := ""
	if m, ok := data.(map[string]any); ok && len(m) > 0 {
		members = "  " + p.members(m)
	}
	if room := o.Width - len(clock) - 2 - Cells(line); o.Width > 0 {
		members = Cut(members, max(room, 0))
	}
	_, err := fmt.Fprintf(w, "%s  %s%s\n", p.Paint(Faint, clock), p.Paint(Title, line), members)
	return err
}

// decode reads JSON without losing digits of numbers.
func decode(b []byte) (v any, err error) {
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	if err := d.Decode(&v); err != nil {
		return nil, err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("text after the value")
	}
	return v, nil
}

// A printer prints one answer.
type printer struct {
	Options
	out     *strings.Builder
	command string // or the name of the event
}

func (p *printer) zone() *time.Location {
	if p.Zone == nil {
		return time.UTC
	}
	return p.Zone
}

// A Style is what a text is, which decides its colour.
type Style int

const (
	Plain Style = iota
	Title       // names of columns, members and events
	Faint       // what matters little
	Bad         // a state that needs a person
)

// styles are readable on every background, because a program cannot know it: yellow and cyan disappear on a light one, blue
// on a dark one, and bright black is the background of some themes.
var styles = map[Style]text.Colors{
	Title: {text.Bold},
	Faint: {text.Faint},
	Bad:   {text.Bold, text.FgRed},
}

// Paint gives a text its style if Colour is set.
func (o Options) Paint(s Style, t string) string {
	if !o.Colour || s == Plain || t == "" {
		return t
	}
	return styles[s].Sprint(t)
}

// badStates are values of states and statuses that need a person.
var badStates = map[string]bool{
	"error": true, "failed": true, "nospace": true, "io-error": true, "internal-error": true, "guest-panicked": true,
	"aborting": true, "inconsistent": true,
}

// StyleOf returns Bad for the name of a state that needs a person, and Faint for a missing value.
func StyleOf(v any) Style {
	switch v := v.(type) {
	case nil:
		return Faint
	case string:
		if badStates[v] {
			return Bad
		}
	}
	return Plain
}
