package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/qmpkit/qmpkit/internal/show"
)

// completionLimit is how long a completion may ask the server.
const completionLimit = time.Second

// tab completes the word before the cursor, or prints the candidates.
func (e *editor) tab(line string, pos int) (string, int, bool) {
	if e.sh.current == nil {
		return "", 0, false
	}
	if strings.TrimSpace(line) == "" {
		s := e.sh.screen()
		e.Write([]byte(e.sh.overview(s.width-1, s.height-2)))
		return line, pos, true
	}
	ctx, cancel := context.WithTimeout(context.Background(), completionLimit)
	defer cancel()
	from, candidates := e.sh.complete(ctx, line, pos)
	candidates = slices.DeleteFunc(candidates, func(c candidate) bool { return c.text != show.Escape(c.text) })
	if e.sh.current.mute.Load() {
		fmt.Fprintf(e, "  no names: %s has not answered within %v\n", e.sh.current.name, completionLimit)
	}
	if len(candidates) == 0 {
		return line, pos, true
	}
	text := commonPrefix(candidates)
	if len(candidates) == 1 && candidates[0].space && !strings.HasPrefix(line[pos:], " ") {
		text += " "
	}
	if typed := line[from:pos]; len(candidates) > 1 && len(text) <= len(typed) {
		s := e.sh.screen()
		e.Write([]byte(listCandidates(candidates, s.width, max(5, s.height-3))))
		return line, pos, true
	}
	return line[:from] + text + line[pos:], from + len(text), true
}

func commonPrefix(candidates []candidate) string {
	prefix := candidates[0].text
	for _, c := range candidates[1:] {
		for !strings.HasPrefix(c.text, prefix) {
			_, n := utf8.DecodeLastRuneInString(prefix)
			prefix = prefix[:len(prefix)-n]
		}
	}
	return prefix
}

// listCandidates returns lines with candidates: each with its help or, if none has help or they are too many,
// several in a line.
func listCandidates(candidates []candidate, width, height int) string {
	longest, helps := 0, false
	for _, c := range candidates {
		longest = max(longest, utf8.RuneCountInString(c.text))
		helps = helps || c.help != ""
	}
	if width <= 0 {
		width = 80
	}
	var b strings.Builder
	if helps && len(candidates) <= height {
		for _, c := range candidates {
			line := fmt.Sprintf("  %-*s  %s", min(longest, width/2), c.text, show.Escape(c.help))
			b.WriteString(strings.TrimRight(cut(line, width-1), " ") + "\n")
		}
		return b.String()
	}
	var texts []string
	for _, c := range candidates {
		texts = append(texts, c.text)
	}
	lines, left := fitColumns(texts, width-3, height)
	for _, line := range lines {
		b.WriteString("  " + cut(line, width-3) + "\n")
	}
	if left > 0 {
		fmt.Fprintf(&b, "  … and %d more: type more letters\n", left)
	}
	return b.String()
}

// inColumns returns lines with texts that go down, in as many columns as fit into a width.
func inColumns(texts []string, width int) (lines []string) {
	for rows := 1; rows < len(texts); rows++ {
		if lines = downwards(texts, rows, width); lines != nil {
			return lines
		}
	}
	return texts
}

// fitColumns is inColumns for the first texts that fit into a number of lines, and returns how many are left.
func fitColumns(texts []string, width, rows int) (lines []string, left int) {
	if lines = inColumns(texts, width); len(lines) <= rows {
		return lines, 0
	}
	for n := len(texts) - 1; n > rows; n-- {
		if lines = downwards(texts[:n], rows, width); lines != nil {
			return lines, len(texts) - n
		}
	}
	return texts[:rows], len(texts) - rows
}

// downwards returns a number of lines with texts that go down, nil if they are too wide.
func downwards(texts []string, rows, width int) []string {
	lines := make([]string, rows)
	for i := 0; i < len(texts); i += rows {
		column := texts[i:min(i+rows, len(texts))]
		widest := 0
		for _, t := range column {
			widest = max(widest, show.Cells(t))
		}
		for row, t := range column {
			if show.Cells(lines[row])+show.Cells(t) > width {
				return nil
			}
			if lines[row] += t; i+rows+row < len(texts) {
				lines[row] += strings.Repeat(" ", widest-show.Cells(t)+2)
			}
		}
	}
	return lines
}

// everyday are the commands that people use first, as far as a server has them.
var everyday = map[kind][]string{
	kindQEMU:    {"help", "query-status", "list disks", "query-block", "tree block", "add disk", "add nic", "events", "progress", "exit"},
	kindStorage: {"help", "query-block-exports", "query-jobs", "tree block", "blockdev-add", "block-export-add", "events", "exit"},
	kindGuest:   {"help", "guest-info", "guest-get-fsinfo", "guest-network-get-interfaces", "agent run", "agent status", "exit"},
}

// overview lists what a line can begin with, for a screen. The rest of a long list is left out.
func (sh *shell) overview(width, height int) string {
	s := sh.current
	texts := func(all []candidate) (texts []string) {
		for _, c := range all {
			texts = append(texts, c.text)
		}
		return texts
	}
	known := slices.Concat(texts(s.builtins()), texts(s.operationNames()), texts(s.lang.names(false)), texts(s.pictures()))
	first := slices.DeleteFunc(slices.Clone(everyday[s.kind]), func(name string) bool {
		return !slices.Contains(known, strings.TrimPrefix(name, "tree "))
	})
	commands := texts(s.lang.names(false))
	slices.Sort(commands)
	var b strings.Builder
	for _, group := range []struct {
		title string
		texts []string
	}{
		{"first", first},
		{"of the shell", texts(s.builtins())},
		{"operations: help operations", texts(s.nextWords(nil))},
		{"of " + string(s.kind) + ": help commands", commands},
	} {
		room := height - strings.Count(b.String(), "\n") - 2
		lines, left := fitColumns(group.texts, width-2, max(room, 1))
		if len(lines) == 0 {
			continue
		}
		if left > 0 {
			lines = append(lines, fmt.Sprintf("… and %d more", left))
		}
		b.WriteString(cut(group.title, width) + "\n  " + strings.Join(lines, "\n  ") + "\n")
	}
	return b.String()
}
