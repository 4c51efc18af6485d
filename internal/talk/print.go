package talk

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// A Printer writes entries for people, a line each:
//
//	22:20:00.123456 > query-status
//	22:20:00.123612 < query-status  0.2 ms  {"running":true,"status":"running"}
//	22:20:00.200100 * STOP
//	22:20:00.201300 ! blockdev-add  1.2 ms  GenericError: Cannot find device='x' nor node-name='x'
//
// The sign is ">" for a request, "<" for a reply, "!" for a refusal, "*" for an event, and "?" for text that is not a
// message. A conversation is named if there are several. The output does not depend on the locale, and times are UTC.
type Printer struct {
	W     io.Writer
	Width int // the longest line, in runes; 0 means no limit
	// Conversations shows which conversation a message belongs to.
	Conversations bool

	open   []*Entry // requests
	server bool     // a message of the server is in the log
	day    string
}

// Print writes an entry.
func (p *Printer) Print(e *Entry) error {
	if e.Kind == Request {
		p.open = append(p.open, e)
	}
	p.server = p.server || e.From == FromServer
	if e.Request != nil {
		p.open = slices.DeleteFunc(p.open, func(r *Entry) bool { return r == e.Request })
	}
	if day := e.Time.Format(time.DateOnly); e.Time.Year() > 0 && !e.Time.IsZero() && day != p.day {
		p.day = day
		if _, err := fmt.Fprintln(p.W, day); err != nil {
			return err
		}
	}
	return p.print(e.words())
}

// Finish writes the requests that have no reply, a line each. It writes nothing if the log has only what clients sent.
func (p *Printer) Finish() error {
	if !p.server {
		return nil
	}
	for _, e := range p.open {
		w := e.words()
		w.sign, w.rest = "?", join("no reply", w.rest)
		if err := p.print(w); err != nil {
			return err
		}
	}
	return nil
}

func (p *Printer) print(w words) error {
	line := w.sign + " " + join(w.name, w.duration, w.rest)
	if p.Conversations {
		line = cmp.Or(w.conversation, "-") + " " + line
	}
	if w.clock != "" {
		line = w.clock + " " + line
	}
	_, err := fmt.Fprintln(p.W, shorten(line, p.Width))
	return err
}

// words are the parts of a line.
type words struct{ clock, conversation, sign, name, duration, rest string }

func (e *Entry) words() words {
	w := words{conversation: e.Conversation, name: e.Name(), sign: e.sign()}
	if !e.Time.IsZero() {
		w.clock = e.Time.Format("15:04:05.000000")
	}
	if e.Duration > 0 {
		w.duration = milliseconds(e.Duration)
	}
	var extra string
	if e.Files > 0 {
		extra = "+" + count(e.Files, "descriptor")
	}
	switch e.Kind {
	case Greeting:
		w.name = "greeting"
		w.rest = "QEMU " + e.Version.String()
	case Request:
		if e.OOB {
			w.name += " (out of band)"
		}
		w.rest = join(plain(e.Arguments), extra)
	case Reply:
		if w.rest = plain(e.Result); w.rest == "" {
			w.rest = "ok"
		}
		w.name = cmp.Or(w.name, "reply "+shortID(e.ID))
	case Refusal:
		w.name = cmp.Or(w.name, "refusal "+shortID(e.ID))
		w.rest = string(e.Class) + ": " + e.Desc
	case Event:
		w.rest = plain(e.Data)
	default:
		w.rest = join(printable(string(e.Text)), extra)
	}
	w.name = strings.TrimSpace(w.name)
	return w
}

func (e *Entry) sign() string {
	switch e.Kind {
	case Greeting, Reply:
		return "<"
	case Request:
		return ">"
	case Refusal:
		return "!"
	case Event:
		return "*"
	}
	return "?"
}

// plain returns a value of JSON, "" for an empty object.
func plain(value []byte) string {
	if value = bytes.TrimSpace(value); string(value) == "{}" {
		return ""
	}
	return printable(string(value))
}

// printable returns text without control characters, which could change a terminal.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7F && r < 0xA0 {
			return '.'
		}
		return r
	}, text)
}

// join joins the parts that are not empty.
func join(parts ...string) string {
	return strings.Join(slices.DeleteFunc(parts, func(s string) bool { return s == "" }), "  ")
}

// milliseconds returns a duration in milliseconds, as each is written, so that they compare.
func milliseconds(d time.Duration) string {
	ms := float64(d) / float64(time.Millisecond)
	digits := 0
	if ms < 10 {
		digits = 2
	}
	return strconv.FormatFloat(ms, 'f', digits, 64) + " ms"
}

// count returns a number of things.
func count(n int, thing string) string {
	if n != 1 {
		thing += "s"
	}
	return strconv.Itoa(n) + " " + thing
}

// shorten cuts a line that is longer than width, and says how much is missing.
func shorten(line string, width int) string {
	n := utf8.RuneCountInString(line)
	if width <= 0 || n <= width {
		return line
	}
	runes := []rune(line)
	for end := width; end > 0; end-- {
		if mark := " … +" + strconv.Itoa(n-end); end+utf8.RuneCountInString(mark) <= width {
			return string(runes[:end]) + mark
		}
	}
	return string(runes[:width])
}

// A record is the form of an entry for programs.
type record struct {
	line
	Kind    Kind     `json:"kind"`
	Name    string   `json:"name,omitempty"`
	Seconds *float64 `json:"seconds,omitempty"` // from the request to this reply
	Remarks []Remark `json:"remarks,omitempty"`
}

// JSON returns the entry as a line of JSON: a line of a recording, with the members kind, name (of the command or the
// event) and seconds (from the request to this reply). remarks are those of an Explainer, or nil.
func (e *Entry) JSON(remarks []Remark) []byte {
	r := record{line: e.line(), Kind: e.Kind, Name: e.Name(), Remarks: remarks}
	if e.Duration > 0 {
		r.Seconds = new(e.Duration.Seconds())
	}
	return marshal(r)
}

// Remarks writes remarks about the entry before, a line each.
func (p *Printer) Remarks(remarks []Remark) error {
	for _, r := range remarks {
		if _, err := fmt.Fprintln(p.W, shorten("    "+printable(r.String()), p.Width)); err != nil {
			return err
		}
	}
	return nil
}
