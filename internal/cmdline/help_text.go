package cmdline

import (
	"strings"
	"unicode/utf8"
)

// Text returns the help for a screen of a width, 0 for any.
func (h *Help) Text(width int) string {
	w := &writer{width: width}
	title := h.Topic
	switch h.Kind {
	case "member":
		title += ": " + h.Type
	default:
		title += ": " + article(h.Kind)
	}
	if len(h.Notes) > 0 {
		title += "; " + strings.Join(h.Notes, "; ")
	}
	w.fill("", "  ", title)
	members := "Members"
	switch {
	case h.Kind == "event":
		members = "Data"
	case h.Kind == "command" && !h.out:
		members = "Arguments"
	}
	if h.out {
		w.items(members, h.Members)
	} else {
		w.items(members+" (* mandatory)", h.Members)
	}
	if len(h.Branches) > 0 {
		w.line("")
		w.line("And, depending on " + h.Branches[0].When[:strings.IndexByte(h.Branches[0].When, '=')] + ":")
		for _, b := range h.Branches {
			w.fill("  ", "      ", strings.ReplaceAll(b.When, ",", ", ")+": "+strings.Join(b.Members, " "))
		}
	}
	w.items("It is", h.Cases)
	w.items("Values", h.Values)
	w.items("Properties of "+h.Owner, h.Properties)
	if h.ResultType != "" {
		w.items("Result: "+h.ResultType, h.Result)
		if len(h.Result) == 0 {
			w.line("")
			w.fill("", "  ", "Result: "+h.ResultType)
		}
	}
	if len(h.Events) > 0 {
		var names []string
		for _, e := range h.Events {
			names = append(names, e.Name)
		}
		w.line("")
		w.fill("", "  ", "Events that can follow: "+strings.Join(names, ", "))
	}
	w.items("Not on this server", h.Elsewhere)
	if h.More != "" {
		w.line("")
		w.fill("", "  ", "More: help "+h.More)
	}
	if h.Reference != "" {
		w.line("")
		w.line(h.Reference)
	}
	return w.String()
}

func article(kind string) string {
	if strings.HasPrefix(kind, "event") {
		return "an " + kind
	}
	return "a " + kind
}

// A writer writes text of a width.
type writer struct {
	strings.Builder
	width int
}

func (w *writer) line(text string) { w.WriteString(strings.TrimRight(text, " ") + "\n") }

// fill writes a paragraph: the first line with one indent and the others with another one.
func (w *writer) fill(indent, others, text string) {
	line, empty := indent, true
	for word := range strings.FieldsSeq(text) {
		if !empty && w.width > 0 && utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) > w.width {
			w.line(line)
			line, empty = others, true
		}
		if !empty {
			line += " "
		}
		line, empty = line+word, false
	}
	w.line(line)
}

// maxName is the width of the longest name that makes the column of names wider.
const maxName = 24

// items writes a list with two columns.
func (w *writer) items(title string, items []Item) {
	if len(items) == 0 {
		return
	}
	w.line("")
	column := 0
	star := false
	for _, i := range items {
		column = max(column, min(utf8.RuneCountInString(i.Name), maxName))
		star = star || i.Mandatory
	}
	if !star {
		title = strings.TrimSuffix(title, " (* mandatory)")
	}
	w.line(title + ":")
	others := strings.Repeat(" ", column+6)
	for _, i := range items {
		mark := "  "
		if i.Mandatory && strings.Contains(title, "*") {
			mark = "* "
		}
		name := mark + i.Name
		if n := utf8.RuneCountInString(i.Name); n < column {
			name += strings.Repeat(" ", column-n)
		}
		w.fill(name+"  ", others[2:], joined(i.Type, i.Note))
	}
}
