package cmdline

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/qmpkit/qmpkit/qapi/facts"
	"github.com/qmpkit/qmpkit/qmp/introspect"
)

// An Error is a mistake in a line.
type Error struct {
	From, To int    // bytes of the line
	Reason   string // what is wrong
	Want     string // what was expected, "" if Reason says it
	// Incomplete reports that the line is correct so far: a member, a bracket or a quote is missing.
	Incomplete bool
}

// Error returns the column, the reason and what was expected.
func (e *Error) Error() string {
	text := "column " + strconv.Itoa(e.From+1) + ": " + e.Reason
	if e.Want != "" {
		text += "; want " + e.Want
	}
	return text
}

// Mark returns the line with the mistake marked below it, for a screen with columns of equal width.
func (e *Error) Mark(line string) string {
	from, to := min(e.From, len(line)), min(max(e.To, e.From), len(line))
	start := strings.LastIndexByte(line[:from], '\n') + 1
	end := len(line)
	if i := strings.IndexByte(line[from:], '\n'); i >= 0 {
		end = from + i
	}
	to = min(to, end)
	blanks := strings.Map(func(c rune) rune {
		if c == '\t' {
			return c
		}
		return ' '
	}, line[start:from])
	return line[start:end] + "\n" + blanks + strings.Repeat("^", max(1, utf8.RuneCountInString(line[from:to])))
}

// first returns the mistake that comes first. What is missing comes last.
func first(errs []*Error) error {
	if len(errs) == 0 {
		return nil
	}
	slices.SortStableFunc(errs, func(a, b *Error) int {
		switch {
		case a.Incomplete != b.Incomplete && a.Incomplete:
			return 1
		case a.Incomplete != b.Incomplete:
			return -1
		}
		return a.From - b.From
	})
	return errs[0]
}

// noCommand notes that there is no such command.
func (c *checker) noCommand(v *value) {
	var names []string
	for command := range c.Schema.Commands() {
		names = append(names, command.Name)
	}
	reason := "there is no command " + strconv.Quote(v.text) + c.elsewhere(v.text)
	if _, ok := c.Schema.Lookup(v.text).(*introspect.Event); ok {
		reason = v.text + " is an event, not a command"
	}
	if _, ok := c.Schema.Lookup("human-monitor-command").(*introspect.Command); ok && slices.Contains(humanCommands, v.text) {
		c.fail(v.from, v.to, reason+"; the human monitor has one: write hmp "+v.text, "")
		return
	}
	if strings.HasPrefix(v.text, "guest-") && c.Schema.Lookup("guest-info") == nil {
		c.fail(v.from, v.to, reason+"; a guest agent has such commands: open agent:ADDRESS, then use its session", "")
		return
	}
	names = append(names, c.Others...)
	if word := otherWords[strings.ToLower(v.text)]; slices.Contains(names, word) {
		c.fail(v.from, v.to, reason+asQuestion([]string{word}), "")
		return
	}
	c.fail(v.from, v.to, reason+didYouMean(v.text, names), "")
}

// otherWords are the words of people and of other programs for commands.
var otherWords = map[string]string{
	"pause": "stop", "suspend": "stop", "resume": "cont", "continue": "cont", "start": "cont", "status": "query-status", "shutdown": "system_powerdown",
	"poweroff": "system_powerdown", "reset": "system_reset", "reboot": "system_reset", "q": "exit", "bye": "exit", "logout": "exit", "h": "help", "man": "help",
	"disks": "query-block", "version": "query-version", "name": "query-name", "jobs": "query-jobs",
}

// humanCommands are commands of the human monitor: the ones that QMP has in no other form, and the most used ones.
var humanCommands = []string{
	"info", "x", "xp", "print", "p", "sendkey", "savevm", "loadvm", "delvm", "drive_add", "drive_del", "gdbserver", "mouse_move",
	"gpa2hva", "i", "o", "sum", "log", "logfile", "hostfwd_add", "hostfwd_remove", "qemu-io", "boot_set", "nmi", "singlestep",
}

// unknown notes that an object has no member with the name of a group. tagged reports that the discriminator of the undecided
// union is given, but wrong.
func (c *checker) unknown(p place, t *introspect.Object, g *group, fields []field, undecided *introspect.Object, tagged bool) {
	last := g.entries[len(g.entries)-1]
	if !last.deep && last.value == nil && c.atCursor(last.to) {
		return
	}
	key := p.member(g.name).key()
	owner := p.key()
	if g.name == "" {
		c.noName(p, g)
		return
	}
	cases, tag := c.casesWith(t, g.name)
	switch {
	case undecided != nil && len(cases) > 0:
		if tagged {
			return // that is a mistake of its own
		}
		c.errs = append(c.errs, &Error{From: g.from, To: g.to, Incomplete: true,
			Reason: key + " needs " + p.member(tag).key() + "=" + strings.Join(some(cases, 4), " or ")})
		return
	case len(cases) > 0:
		c.fail(g.from, g.to, key+" is not a member here, but with "+p.member(tag).key()+"="+strings.Join(some(cases, 4), " or "), "")
		return
	}
	reason := owner + " has no member " + strconv.Quote(g.name)
	var names []string
	path := p.path
	for _, f := range fields {
		names = append(names, f.Name)
		path = f.path
	}
	component := "/" + introspect.Component(g.name)
	if elsewhere := c.elsewhere(p.path + component); elsewhere != "" || path == p.path {
		reason += elsewhere
	} else {
		reason += c.elsewhere(path + component)
	}
	if len(fields) == 0 {
		what := " takes no arguments"
		if len(p.shown) > 0 {
			what = " takes no members"
		}
		c.fail(g.from, last.to, owner+what, "")
		return
	}
	c.fail(g.from, g.to, reason+didYouMean(g.name, names), "")
}

// noName notes that a name is missing: in "file.=x", and in braces.
func (c *checker) noName(p place, g *group) {
	e := g.entries[0]
	if e.exact && e.value == nil && !e.quoted || c.atCursor(e.to) {
		return // the reader notes it
	}
	c.fail(g.from, e.to, "a name is missing", p.member("NAME").key()+"=VALUE")
}

// casesWith returns the values of a union's discriminator whose branches have a member.
func (c *checker) casesWith(t *introspect.Object, name string) (cases []string, tag string) {
	for _, v := range t.Variants {
		branch, ok := c.Schema.Lookup(v.Type).(*introspect.Object)
		if !ok || branch == t {
			continue
		}
		if branch.Member(name) != nil {
			cases = append(cases, v.Case)
		}
	}
	if cases == nil { // in a branch that is a union
		for _, v := range t.Variants {
			if branch, ok := c.Schema.Lookup(v.Type).(*introspect.Object); ok && branch != t && branch.Tag != "" && branch.Tag != t.Tag {
				for _, w := range branch.Variants {
					if inner, ok := c.Schema.Lookup(w.Type).(*introspect.Object); ok && inner.Member(name) != nil {
						cases = append(cases, v.Case)
						break
					}
				}
			}
		}
	}
	return cases, t.Tag
}

// missingOf notes the mandatory members that are missing.
func (c *checker) missingOf(p place, fields []field, given map[string]bool) {
	var names []string
	want := ""
	for _, f := range fields {
		if f.Optional || given[f.Name] {
			continue
		}
		at := p
		at.path = f.path
		at = at.member(f.Name)
		names = append(names, at.key())
		if want == "" {
			want = at.key() + "=" + c.inWords(at, c.Schema.Lookup(f.Type))
		}
	}
	switch len(names) {
	case 0:
	case 1:
		c.missing("the mandatory member "+names[0]+" is missing", want)
	default:
		c.missing("the mandatory members "+strings.Join(names, ", ")+" are missing", want)
	}
}

// isNameless notes a mistake if a word without an equals sign is not the name of a member, but rather a value whose name was
// left out: "device_del disk0".
func (c *checker) isNameless(p place, g *group, fields []field, given map[string]bool) bool {
	e := g.entries[0]
	if len(g.entries) > 1 || e.deep || e.exact || e.value != nil || g.name == "" || c.atCursor(e.to) {
		return false
	}
	var names []string
	want := "NAME=" + g.name
	for _, f := range slices.Backward(fields) {
		names = append(names, f.Name)
		if !f.Optional && !given[f.Name] {
			want = f.Name + "=" + g.name
		}
	}
	if len(near(g.name, names)) > 0 {
		return false
	}
	c.fail(g.from, e.to, strconv.Quote(g.name)+" is a value without a name", want)
	return true
}

// near returns the names that a mistyped name may stand for. Names that begin with it come first, then similar names.
func near(name string, among []string) []string {
	type found struct {
		name string
		far  int
	}
	var all []found
	plain := func(s string) string { return strings.ReplaceAll(strings.ToLower(s), "_", "-") }
	most := max(1, min(3, len(name)/3))
	for _, a := range among {
		if len(name) >= 3 && strings.HasPrefix(plain(a), plain(name)) {
			all = append(all, found{a, 0})
		} else if far := distance(plain(name), plain(a), most); far <= most {
			all = append(all, found{a, far})
		}
	}
	slices.SortStableFunc(all, func(a, b found) int {
		if a.far == 0 && b.far == 0 {
			return len(a.name) - len(b.name)
		}
		return a.far - b.far
	})
	var like []string
	for _, f := range all {
		if f.far <= all[0].far+1 && len(like) < 3 {
			like = append(like, f.name)
		}
	}
	return like
}

// distance returns the number of letters to insert, to remove, to replace or to exchange with the next one. It
// returns more than most as soon as it is more.
func distance(a, b string, most int) int {
	if len(a)-len(b) > most || len(b)-len(a) > most {
		return most + 1
	}
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := range len(a) {
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			row[j+1] = min(last[j]+cost, last[j+1]+1, row[j]+1)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
}

func didYouMean(name string, among []string) string { return asQuestion(near(name, among)) }

func asQuestion(like []string) string {
	if len(like) == 0 {
		return ""
	}
	return fmt.Sprintf("; did you mean %s?", strings.Join(like, " or "))
}

// A Warning is about a part of a line that QEMU deprecates.
type Warning struct {
	From, To int // bytes of the line
	Text     string
}

// warn notes that something is deprecated.
func (c *checker) warn(path string, features []string, from, to int, what string) {
	if !slices.Contains(features, "deprecated") {
		return
	}
	text := what + " is deprecated"
	if f := c.fact(path); f != nil {
		if f.Deprecated != nil && f.Deprecated.Release != "" {
			text += f.Deprecated.Words(" since", " newly")
		}
		if f.Use != "" {
			text += "; use " + f.Use
		}
	}
	c.warnings = append(c.warnings, Warning{From: from, To: to, Text: text})
}

// fact returns what is known about a path, or nil.
func (l *Language) fact(path string) *facts.Fact {
	if l.Facts == nil {
		return nil
	}
	f, err := l.Facts.Fact(path)
	if err != nil {
		return nil
	}
	return f
}

// elsewhere says which QEMU has something that this server lacks. It returns "" if no known one has it.
func (l *Language) elsewhere(path string) string {
	f := l.fact(path)
	if f == nil {
		return ""
	}
	text := " on this server"
	switch {
	case f.Removed.Release != "":
		text += "; QEMU " + f.Removed.Release + " removed it"
	case f.Since.Release != "":
		text += "; QEMU has it since " + f.Since.Release
	}
	if f.If != "" {
		text += ", if it is built with " + f.If
	}
	if f.Use != "" {
		text += "; use " + f.Use
	}
	return text
}

// some returns the first names, and an ellipsis if there are more.
func some(names []string, n int) []string {
	if len(names) <= n {
		return names
	}
	return append(slices.Clone(names[:n]), "…")
}
