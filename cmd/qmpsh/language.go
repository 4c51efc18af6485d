package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/qmpkit/qmpkit/internal/address"
	"github.com/qmpkit/qmpkit/internal/cmdline"
	"github.com/qmpkit/qmpkit/internal/picture"
	"github.com/qmpkit/qmpkit/internal/show"
	"github.com/qmpkit/qmpkit/qapi/facts"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/introspect"
)

// A candidate is a possible completion.
type candidate struct {
	text, help string
	space      bool // a blank follows it
}

// A language reads commands for one server.
type language struct{ *cmdline.Language }

func newLanguage(schema *introspect.Schema, table *facts.Table, s *session) *language {
	var others []string
	for _, c := range append(s.builtins(), s.operationNames()...) {
		others = append(others, c.text)
	}
	return &language{&cmdline.Language{Schema: schema, Facts: table, Others: others, Values: func(ctx context.Context, kind cmdline.Kind) ([]cmdline.Value, error) {
		values, err := s.values(ctx, string(kind))
		var out []cmdline.Value
		for _, v := range values {
			out = append(out, cmdline.Value{Text: v.text, Help: v.help, Type: v.typ})
		}
		return out, err
	}}}
}

// parse reads a command. The error is a [*mistake].
func (l *language) parse(ctx context.Context, line string) (*cmdline.Command, error) {
	c, err := l.Parse(ctx, line)
	if e, ok := errors.AsType[*cmdline.Error](err); ok {
		return nil, &mistake{line: line, from: e.From, to: e.To, reason: e.Reason, want: e.Want}
	} else if err != nil {
		return nil, &usageError{err}
	}
	return c, nil
}

func (l *language) complete(ctx context.Context, line string, at int) (from int, candidates []candidate) {
	from, all := l.Complete(ctx, line, at)
	for _, c := range all {
		candidates = append(candidates, candidate{text: c.Text, help: c.Help, space: c.Space})
	}
	return from, candidates
}

// names returns the commands or the events of the server.
func (l *language) names(events bool) (names []candidate) {
	for _, info := range l.Schema.Infos {
		switch info := info.(type) {
		case *introspect.Event:
			if events {
				names = append(names, candidate{text: info.Name, space: true})
			}
		case *introspect.Command:
			if !events {
				names = append(names, candidate{text: info.Name, space: true})
			}
		}
	}
	return names
}

// A mistake is a mistake in a line, found before anything was sent.
type mistake struct {
	line         string
	from, to     int // bytes of the line
	reason, want string
}

func (m *mistake) Error() string {
	if m.want != "" {
		return m.reason + "; want " + m.want
	}
	return m.reason
}

func (m *mistake) Unwrap() error { return &usageError{errors.New(m.reason)} }

// mark returns the line with the mistake marked below it, and what is wrong. A long line is shown only around the
// mistake.
func (m *mistake) mark(width int) string {
	e := cmdline.Error{From: m.from, To: m.to}
	text := strings.TrimRight(e.Mark(m.line), "\n")
	line, marks, _ := strings.Cut(text, "\n")
	if start := utf8.RuneCountInString(strings.TrimRight(marks, "^")); width > 0 && utf8.RuneCountInString(line) > width {
		skip := max(0, start-width/2)
		line = cut(string([]rune(line)[min(skip, utf8.RuneCountInString(line)):]), width)
		marks = cut(string([]rune(marks)[min(skip, start):]), width)
	}
	return line + "\n" + marks + "\n" + m.Error()
}

func needsMore(line string) bool { return cmdline.NeedsMore(line) }

func (s screen) options(all bool) show.Options {
	return show.Options{Width: s.width, Colour: s.colour, All: all}
}

func showResult(w io.Writer, command string, result []byte, s screen, all bool) error {
	return show.Value(w, command, result, s.options(all))
}

func showEvent(w io.Writer, e qmp.RawEvent, s screen) error {
	return show.Event(w, e, s.options(false))
}

func stringMember(text []byte, name string) (value string) {
	var members map[string]json.RawMessage
	if json.Unmarshal(text, &members) == nil {
		_ = json.Unmarshal(members[name], &value)
	}
	return value
}

// help explains a topic: a command, a member, an event or a type.
func (l *language) help(ctx context.Context, topic string, width int) (string, error) {
	h, err := l.Help(ctx, topic)
	if e, ok := errors.AsType[*cmdline.Error](err); ok {
		return "", &mistake{line: topic, from: e.From, to: e.To, reason: e.Reason, want: e.Want}
	} else if err != nil {
		return "", &usageError{err}
	}
	return strings.TrimRight(h.Text(width), "\n") + "\n", nil
}

// pictures lists the pictures that a server has.
func (s *session) pictures() []candidate {
	all := []candidate{
		{"block", "disks, block nodes, bitmaps, jobs, exports, sets of descriptors", true},
		{"net", "NICs and what they are connected to", true},
		{"pci", "PCI buses and the devices on them", true},
		{"qom", "objects below a path", true},
	}
	switch s.kind {
	case kindStorage:
		return []candidate{all[0], all[3]}
	case kindGuest:
		return nil
	}
	return all
}

// tree prints a picture of the machine.
func (sh *shell) tree(ctx context.Context, in input) error {
	args := append(in.args(), "")
	ctx, cancel := within(ctx, in.timeout)
	defer cancel()
	x, err := sh.current.executor(ctx)
	if err != nil {
		return err
	}
	conn, ok := x.(address.Server)
	if !ok {
		return usagef("tree: a guest agent has no pictures")
	}
	var p *picture.Picture
	switch {
	case sh.current.kind == kindStorage && (args[0] == "net" || args[0] == "pci"):
		return usagef("tree: a storage daemon has no %s; it has: tree block, tree qom", args[0])
	case args[0] == "block" && len(args) == 2:
		p, err = picture.Block(ctx, conn)
	case args[0] == "net" && len(args) == 2:
		p, err = picture.Net(ctx, conn)
	case args[0] == "pci" && len(args) == 2:
		p, err = picture.PCI(ctx, conn)
	case args[0] == "qom" && len(args) <= 3:
		p, err = picture.QOM(ctx, conn, cmp.Or(args[1], "/machine"))
	default:
		return usagef("tree: want block, net, pci, or qom and a path")
	}
	if err != nil {
		return err
	}
	var b bytes.Buffer
	switch {
	case in.dot:
		err = p.DOT(&b)
	case in.svg:
		err = p.SVG(&b)
	default:
		err = p.Text(&b, picture.Options{Options: sh.screen().options(in.all), ASCII: in.ascii})
	}
	if err != nil {
		return err
	}
	return sh.page(b.Bytes())
}
