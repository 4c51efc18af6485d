package main

import (
	"context"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/qmpkit/qmpkit/internal/show"
)

const switchHelp = `Switches follow a command, in any place:
  -json            print what the server sent
  -jq PROGRAM      print what a jq program makes of the result; also: COMMAND | jq PROGRAM
  -all             print all columns of tables
  -timeout TIME    the longest time to wait: 10s, 5m
  -n NUMBER        end after this number of events, or of rounds of watch
  -n, -dry-run     print what a command or an operation would send, and change nothing
  -interval TIME   the time between two rounds of watch and progress
  -dot, -svg       print a tree as DOT or SVG; -ascii: without box characters
COMMAND | PROGRAM gives the result as JSON to a program of the system; so does COMMAND | jq PROGRAM | PROGRAM.`

const filterHelp = `A bar after a command gives its result to another program:
  COMMAND | jq PROGRAM   prints what a program of the language jq makes of the result
  COMMAND | PROGRAM      gives the result as JSON to a program of the system: grep, less, wc
  query-block | jq '.[].device'`

const secretHelp = `Secrets are the values that the schema or their names mark: passwords, keys, the data of secrets.
The history, recordings and previews of operations have *** in their place.
  object-add qom-type=secret id=s1 file=/run/s1.key    keeps the secret out of the command`

const busyHelp = `A monitor serves one client at a time, and the others wait for its greeting. If qmpsh gets none:
  Give QEMU one more monitor: one more -qmp unix:PATH,server=on,wait=off.
  End the other client: virsh, another qmpsh, a script. "ss -xp" shows the processes at a socket.
To see what another program sends, put qmpsh between it and the monitor: qmpsh record FILE ADDRESS SOCKET.
If the server answers slowly, "events" shows what happens, and "query-jobs" what works.`

// topics are the topics of help that are not commands. Those without help are other names.
var topics = []struct {
	name, help string
	text       func(sh *shell) string
}{
	{"commands", "all commands of the server", func(sh *shell) string { return columns(sh.current.lang.names(false), sh.screen().width) }},
	{"events", "all events of the server", func(sh *shell) string {
		if sh.current.kind == kindGuest {
			return noEvents + "\n"
		}
		return builtinHelp("events") + "\n" + columns(sh.current.lang.names(true), sh.screen().width)
	}},
	{"operations", "what takes several commands of the server", func(sh *shell) string { return sh.current.operationsHelp() }},
	{"switches", "what can follow a command", func(*shell) string { return switchHelp + "\n" }},
	{"jq", "programs for results", func(*shell) string { return filterHelp + "\n" }},
	{"busy", "a monitor that does not greet, or is slow", func(*shell) string { return busyHelp + "\n" }},
	{"monitor", "", func(*shell) string { return busyHelp + "\n" }},
	{"slow", "", func(*shell) string { return busyHelp + "\n" }},
	{"grep", "", func(*shell) string { return filterHelp + "\n" }},
	{"|", "", func(*shell) string { return filterHelp + "\n" }},
	{"secrets", "where secrets are hidden", func(*shell) string { return secretHelp + "\n" }},
}

// topicNames lists the topics that are not builtins, for completion.
func (sh *shell) topicNames() (names []candidate) {
	for _, t := range topics {
		if _, own := builtins[t.name]; !own && t.help != "" {
			names = append(names, candidate{text: t.name, help: t.help, space: true})
		}
	}
	return names
}

// noEvents is why a guest agent has no events to wait for.
const noEvents = "a guest agent sends no events"

// builtins lists the builtins that make sense in a session.
func (s *session) builtins() (names []candidate) {
	for _, name := range order {
		if s.kind == kindGuest && slices.Contains([]string{"events", "progress", "tree"}, name) {
			continue
		}
		names = append(names, candidate{text: name, help: builtins[name].help, space: true})
	}
	return names
}

func builtinHelp(name string) string {
	b := builtins[name]
	return b.usage + "\n  " + b.help + "\n"
}

// columns lists names in columns for a screen of a width, 0 for one name a line.
func columns(names []candidate, width int) string {
	var texts []string
	for _, c := range names {
		texts = append(texts, c.text)
	}
	slices.Sort(texts)
	var b strings.Builder
	for _, line := range inColumns(texts, width) {
		b.WriteString(line + "\n")
	}
	return b.String()
}

// search lists what has a word in its name or, of the shell and the operations, in its help. A pattern such as "query-*"
// is for names only.
func (sh *shell) search(pattern string) string {
	pattern = strings.ToLower(pattern)
	word := pattern
	if strings.ContainsAny(pattern, "*?[") {
		word = ""
	} else {
		pattern = "*" + pattern + "*"
	}
	var own, found []candidate
	for _, c := range append(sh.current.builtins(), sh.current.operationNames()...) {
		if ok, _ := path.Match(pattern, strings.ToLower(c.text)); ok || word != "" && strings.Contains(strings.ToLower(c.help), word) {
			own = append(own, c)
		}
	}
	for _, c := range append(sh.current.lang.names(false), sh.current.lang.names(true)...) {
		if ok, _ := path.Match(pattern, strings.ToLower(c.text)); ok {
			found = append(found, c)
		}
	}
	var b strings.Builder
	for _, c := range own {
		fmt.Fprintf(&b, "%-16s  %s\n", c.text, c.help)
	}
	return b.String() + columns(found, sh.screen().width)
}

func (sh *shell) help(ctx context.Context, in input) error {
	topic := strings.Join(in.args(), " ")
	for _, t := range topics {
		if topic == t.name || topic+"s" == t.name {
			return sh.page([]byte(show.Wrap(t.text(sh), sh.screen().width)))
		}
	}
	if _, ok := builtins[topic]; ok {
		return sh.page([]byte(show.Wrap(builtinHelp(topic), sh.screen().width)))
	}
	if text := operationHelp(topic); text != "" {
		return sh.page([]byte(show.Wrap(show.EscapeText(text), sh.screen().width)))
	}
	if topic != "" {
		text, err := sh.current.lang.help(ctx, topic, sh.screen().width)
		if err != nil && !strings.ContainsAny(topic, " \t") {
			if found := sh.search(topic); found != "" {
				return sh.page([]byte(found))
			}
		}
		if err != nil {
			return err
		}
		return sh.page([]byte(show.Wrap(show.EscapeText(text), sh.screen().width)))
	}
	var b strings.Builder
	fmt.Fprintf(&b, `Type a command of the server: COMMAND KEY=VALUE KEY.SUB=VALUE, or JSON. Tab completes.
%sKeys: Ctrl-R searches in the history, Ctrl-C ends a wait, Ctrl-D leaves the shell.
A line goes on if a bracket or a quote is open, or after a backslash.

Commands of the shell:
`, lineExamples[sh.current.kind])
	for _, c := range sh.current.builtins() {
		fmt.Fprintf(&b, "  %s\n      %s\n", builtins[c.text].usage, c.help)
	}
	b.WriteString(`
More:
  help COMMAND        explains a command of the server; help EVENT an event
  help WORD           lists what has the word in its name; help 'query-*' what fits a pattern
`)
	for _, t := range topics {
		if t.help != "" {
			fmt.Fprintf(&b, "  %-18s  %s\n", "help "+t.name, t.help)
		}
	}
	return sh.page([]byte(show.Wrap(b.String(), sh.screen().width)))
}

// lineExamples are the lines of which help says what they do.
var lineExamples = map[kind]string{
	kindQEMU: `  query-block                which disk is which file
  add nic n1                 an operation: several commands
  query-jobs -json
  query-block | jq '.[].device'
`,
	kindStorage: `  query-block-exports        what the daemon exports
  blockdev-add driver=file node-name=f filename=/srv/disk.img
  query-jobs -json
  query-block-exports | jq '.[].id'
`,
	kindGuest: `  guest-get-fsinfo           the file systems of the guest
  agent run uname -a         an operation: several commands
  guest-network-get-interfaces -json
  guest-get-fsinfo | jq '.[].mountpoint'
`,
}

// order is the order of the builtins in help.
var order = []string{"help", "events", "watch", "progress", "tree", "on", "use", "open", "close", "sessions", "version", "exit"}
