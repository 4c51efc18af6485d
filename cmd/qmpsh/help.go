package main

import (
	"context"
	"fmt"
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

func (sh *shell) help(ctx context.Context, in input) error {
	topic := strings.Join(in.args(), " ")
	if topic == "switches" {
		return sh.page([]byte(show.Wrap(switchHelp+"\n", sh.screen().width)))
	}
	if b, ok := builtins[topic]; ok {
		return sh.page([]byte(show.Wrap(b.usage+"\n  "+b.help+"\n", sh.screen().width)))
	}
	if topic == "operations" {
		return sh.page([]byte(show.Wrap(operationsHelp(), sh.screen().width)))
	}
	if text := operationHelp(topic); text != "" {
		return sh.page([]byte(show.Wrap(show.EscapeText(text), sh.screen().width)))
	}
	if topic != "" {
		text, err := sh.current.lang.help(ctx, topic, sh.screen().width)
		if err != nil {
			return err
		}
		return sh.page([]byte(show.Wrap(show.EscapeText(text), sh.screen().width)))
	}
	var b strings.Builder
	fmt.Fprintf(&b, `Type a command of the server: COMMAND KEY=VALUE KEY.SUB=VALUE, or JSON. Tab completes.
  query-block                            which disk is which file
  device_add driver=virtio-net-pci id=n1
  query-jobs -json
  query-block | jq '.[].device'
Keys: Ctrl-R searches in the history, Ctrl-C ends a wait, Ctrl-D leaves the shell.
A line goes on if a bracket or a quote is open, or after a backslash.

Commands of the shell:
`)
	for _, name := range order {
		fmt.Fprintf(&b, "  %s\n      %s\n", builtins[name].usage, builtins[name].help)
	}
	fmt.Fprintf(&b, "\nhelp COMMAND explains a command of the server, help EVENT an event, help switches the switches.\n"+
		"help operations lists what takes several commands: add disk, move, snapshot, backup, migrate to, agent run, screenshot.\n")
	return sh.page([]byte(show.Wrap(b.String(), sh.screen().width)))
}

// order is the order of the builtins in help.
var order = []string{"help", "events", "watch", "progress", "tree", "on", "use", "open", "close", "sessions", "exit"}
