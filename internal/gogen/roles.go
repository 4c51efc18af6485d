package gogen

import (
	"slices"
	"strings"

	"github.com/qmpkit/qmpkit/qapi"
)

// The sentences that say what part a definition has: what a command returns and causes, which
// commands use a type, and which cause an event.

// typeSentences returns the first sentences of the comment of a type.
func (b *builder) typeSentences(d qapi.Definition) []string {
	name := b.typeName(d)
	sentences := []string{name + " is " + b.schemaName(d, name) + "."}
	var send, receive []string
	for _, c := range b.schema.Commands() {
		switch link := "[" + b.commands[c] + "]"; {
		case qapi.Definition(c.Arg) != d:
		case b.merged[b.commands[c]] == c:
			sentences = append(sentences, "Its method Do executes it as the command "+c.Name+".")
		default:
			send = append(send, link)
		}
		if used, ok := elementOf(c.Returns).(qapi.Definition); ok && used == d {
			receive = append(receive, "["+b.commands[c]+"]")
		}
	}
	return append(sentences, slices.Concat(subject(send, "sends", "send"), subject(receive, "returns", "return"))...)
}

// schemaName returns the kind, name and file of a definition: "the struct CpuInfo of machine.json", or "a
// struct of machine.json" if the Go name is the same.
func (b *builder) schemaName(d qapi.Definition, name string) string {
	h, kind := d.Head(), kindOf(d)
	of := ""
	if h.Module != nil && b.fileOf(d) != "" {
		of = " of " + b.fileOf(d)
	}
	switch {
	case b.qemuName(d) != name:
		return "the " + kind + " " + b.wireName(d) + of
	case strings.Contains("aeiou", kind[:1]) && kind != "union":
		return "an " + kind + of
	default:
		return "a " + kind + of
	}
}

// commandSentences returns the first sentences of the comment of a command. subject is the type or the
// method.
func (b *builder) commandSentences(subject string, d *qapi.Command) []string {
	does := subject + " executes " + b.wireName(d)
	if d.Returns != nil {
		does += " and returns " + b.resultText(d.Returns)
	}
	if file := b.fileOf(d); file != "" {
		return []string{does + ".", "See " + file + "."}
	}
	return []string{does + "."}
}

// resultText describes the result of a command.
func (b *builder) resultText(t qapi.Type) string {
	switch t := t.(type) {
	case *qapi.Array:
		if _, ok := elementOf(t).(qapi.Definition); !ok {
			return "a " + b.goType(t).code().GoString()
		}
		return "a list of " + b.resultText(t.Element)
	case qapi.Definition:
		if t.Head().Module != nil {
			return "[" + b.typeName(t) + "]"
		}
	}
	switch name := b.goType(t).code().GoString(); name {
	case "qmp.RawJSON", "qmp.Null":
		return "[" + name + "]"
	case "int8", "int16", "int32", "int64":
		return "an " + name
	default:
		return "a " + name
	}
}

// commandFacts returns the paragraphs that a caller needs besides the arguments and the result.
func (b *builder) commandFacts(d *qapi.Command) comment {
	facts := b.eventsAfter(d)
	if takesFile[d.Name] {
		facts = append(facts, "Send the file along: see [qmp.WithFile].")
	}
	if d.NoReply {
		facts = append(facts, "The server does not reply if the command succeeds. Give ctx a deadline: if no error has come when it "+
			"passes or the connection ends, Do returns nil.")
	}
	if d.AllowOOB {
		facts = append(facts, "The server can execute it out of band: see [qmp.OutOfBand].")
	}
	return facts
}

// takesFile are the commands that need a descriptor. The schema does not show this.
var takesFile = map[string]bool{"getfd": true, "add-fd": true}

// eventsAfter returns the sentence about the events that follow a command.
func (b *builder) eventsAfter(d *qapi.Command) comment {
	var rows []string
	var single string // the sentence, if there is one row
	for _, f := range eventsAfter(d.Name) {
		if e, ok := b.schema.Lookup(f.event).(*qapi.Event); ok {
			single = "[" + b.events[e] + "] follows " + f.when + "."
			rows = append(rows, bullet("  - ", "["+b.events[e]+"]: "+f.when))
		}
	}
	switch len(rows) {
	case 0:
		return nil
	case 1:
		return comment{single}
	}
	return comment{"Events follow:", strings.Join(rows, "\n")}
}

// eventFacts returns the sentence about the commands that an event can follow.
func (b *builder) eventFacts(d *qapi.Event) comment {
	var commands []string
	for _, c := range b.schema.Commands() {
		if slices.ContainsFunc(eventsAfter(c.Name), func(f following) bool { return f.event == d.Name }) {
			commands = append(commands, "["+b.commands[c]+"]")
		}
	}
	if commands == nil {
		return nil
	}
	return comment{"It can follow " + enumerate(commands, "and") + "."}
}

// enumerate joins the items of a list, the last one by a word.
func enumerate(items []string, word string) string {
	if n := len(items) - 1; n > 0 {
		return strings.Join(items[:n], ", ") + " " + word + " " + items[n]
	}
	return items[0]
}

// subject returns the sentence about the commands that use a type, if there are any.
func subject(commands []string, does, do string) []string {
	switch len(commands) {
	case 0:
		return nil
	case 1:
		do = does
	}
	return []string{enumerate(commands, "and") + " " + do + " it."}
}
