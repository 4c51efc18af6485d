package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"

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
type language struct {
	schema *introspect.Schema
	facts  *facts.Table
}

func newLanguage(s *introspect.Schema, table *facts.Table, _ *session) *language {
	return &language{s, table}
}

// A mistake is a mistake in a line, found before anything was sent.
type mistake struct {
	line         string
	from, to     int
	reason, want string
}

func (m *mistake) Error() string { return m.reason }
func (m *mistake) Unwrap() error { return &usageError{nil} }

// mark returns the line with the mistake marked below it.
func (m *mistake) mark() string {
	text := m.line + "\n" + strings.Repeat(" ", m.from) + strings.Repeat("^", max(1, m.to-m.from)) + "\n" + m.reason
	if m.want != "" {
		text += "; want " + m.want
	}
	return text
}

func (l *language) parse(_ context.Context, line string) (qmp.Raw, []string, error) {
	words, _ := scan(line)
	r := qmp.Raw{Command: words[0].text, Args: qmp.Args{}}
	if has, _ := l.schema.Has(r.Command); !has {
		return r, nil, &mistake{line, words[0].from, words[0].to, "there is no command " + r.Command, ""}
	}
	for _, w := range words[1:] {
		key, value, ok := strings.Cut(w.text, "=")
		if !ok {
			return r, nil, &mistake{line, w.from, w.to, "not an argument", "KEY=VALUE"}
		}
		if json.Valid([]byte(value)) {
			r.Args[key] = qmp.RawJSON(value)
		} else {
			r.Args[key] = unquote(value)
		}
	}
	return r, nil, nil
}

func (l *language) complete(_ context.Context, line string, at int) (from int, candidates []candidate) {
	from = strings.LastIndexByte(line[:at], ' ') + 1
	return from, nil
}

func (l *language) help(_ context.Context, topic string, _ screen) (string, error) {
	return "", usagef("no help for %s", topic)
}

func (l *language) topics() []candidate { return nil }

func (l *language) eventNames() (names []candidate) {
	for _, info := range l.schema.Infos {
		if e, ok := info.(*introspect.Event); ok {
			names = append(names, candidate{text: e.Name, space: true})
		}
	}
	return names
}

func needsMore(line string) bool { return strings.HasSuffix(strings.TrimRight(line, "\r\n"), "\\") }

func showResult(w io.Writer, _ string, result []byte, _ screen, _ bool) error {
	writeJSON(w, result, false)
	return nil
}

func showEvent(w io.Writer, e qmp.RawEvent, _ screen) error {
	_, err := fmt.Fprintf(w, "%s %s %s\n", e.Time.UTC().Format("15:04:05.000"), e.Name, e.Data)
	return err
}

func filterResult(context.Context, []byte, string) ([][]byte, error) {
	return nil, fmt.Errorf("no jq")
}

func stringMember(text []byte, name string) (value string) {
	var members map[string]json.RawMessage
	if json.Unmarshal(text, &members) == nil {
		_ = json.Unmarshal(members[name], &value)
	}
	return value
}
