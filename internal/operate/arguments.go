package operate

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/qmpkit/qmpkit/qmp"
)

// An Arg is an argument of an Operation.
type Arg struct {
	Name string
	Help string

	// Kind is what the value is:
	//   - "text", "int", "size" (bytes: 10G), "bool" (on or off), "duration" (30s), "json"
	//   - "enum:a,b"
	//   - "file": of this machine; "~/" at its beginning is the home folder
	//   - "properties": prop.NAME=VALUE, any number of them. "properties:ARG": those of the driver in the argument ARG
	//   - "disk": a disk by any of its names. Run gets its name for package block.
	//   - a thing of the server, as in package cmdline: "device", "nic", "memory", "node", "job", "chardev", "netdev", "object",
	//     "export", "driver", "qom-path", "bitmap:ARG" of the disk in the argument ARG, "bus:ARG" for the driver in it
	Kind string

	Default    string // of an argument that is not Required; "" if the Help says it
	Required   bool
	Positional bool // can be given without its name, in this order
	Repeated   bool // positional arguments that are Repeated come any number of times, in turn
	Rest       bool // gets all words that follow as they are; "--" can stand before them
}

// short returns the values of an argument for Usage.
func (a *Arg) short() string {
	switch kind, of, _ := strings.Cut(a.Kind, ":"); kind {
	case "enum":
		return strings.ReplaceAll(of, ",", "|")
	case "bool":
		return "on|off"
	case "properties":
		return "value"
	default:
		return kind
	}
}

// takesNames reports whether the argument is given as NAME.PROPERTY=VALUE.
func (a *Arg) takesNames() bool { return strings.HasPrefix(a.Kind, "properties") }

// key returns what stands before the "=".
func (a *Arg) key() string {
	if a.takesNames() {
		return a.Name + ".NAME"
	}
	return a.Name
}

// Values are the arguments of an operation, by name. They come from Parse, which has checked them.
type Values map[string][]string

func (v Values) has(name string) bool { return len(v[name]) > 0 }

func (v Values) text(name string) string {
	if !v.has(name) {
		return ""
	}
	return v[name][0]
}

func (v Values) bool(name string) bool { return v.text(name) == "on" }

func (v Values) int(name string) int64 {
	n, _ := strconv.ParseInt(v.text(name), 10, 64)
	return n
}

func (v Values) size(name string) int64 {
	n, _ := parseSize(v.text(name))
	return n
}

func (v Values) duration(name string) time.Duration {
	d, _ := time.ParseDuration(v.text(name))
	return d
}

// path returns the name of a file for a program with another working folder.
func (v Values) path(name string) string {
	return absolute(v.text(name))
}

// props returns the properties of a device.
func (v Values) props() qmp.Args {
	if !v.has("prop") {
		return nil
	}
	props := qmp.Args{}
	for _, word := range v["prop"] {
		name, text, _ := strings.Cut(word, "=")
		props[name] = property(name, text)
	}
	return props
}

// property returns the value that a person has typed for a property.
func property(name, text string) any {
	switch {
	case text == "on":
		return true
	case text == "off":
		return false
	case json.Valid([]byte(text)) && !slices.Contains(textual, name):
		return qmp.RawJSON(text)
	}
	return text
}

// textual are the properties whose values look like numbers and are none. QEMU takes a number for "addr" as slot times 8.
var textual = []string{"addr", "devno", "serial", "mac"}

// An Error is a mistake in the words of an operation.
type Error struct {
	Word     int // its index. It is the number of words if a word is missing.
	From, To int // the bytes of the word that are wrong
	Reason   string
}

// Error returns the reason.
func (e *Error) Error() string { return e.Reason }

// ErrMistake means that the arguments of an operation do not fit together, or do not fit this machine's files. Nothing was
// sent that changes anything.
var ErrMistake = errors.New("mistake in the arguments")

// mistake returns an error that matches [ErrMistake], and has its own text.
func mistake(format string, args ...any) error { return &mistakeError{fmt.Errorf(format, args...)} }

type mistakeError struct{ error }

func (e *mistakeError) Unwrap() []error { return []error{ErrMistake, e.error} }

var errNoAgent = errors.New("no guest agent: open agent:SOCKET, or start qmpsh with ADDRESS,agent:SOCKET")

// Match reports whether words begin with the name of an operation, and how many words the name has.
func Match(words []string) (op *Operation, n int) {
	for _, o := range All() {
		name := strings.Fields(o.Name)
		if len(name) > n && len(words) >= len(name) && slices.Equal(words[:len(name)], name) {
			op, n = new(o), len(name)
		}
	}
	return op, n
}

// Parse reads the words of an operation, and checks them without asking the server. The error is an *[Error].
func Parse(words []string) (*Operation, Values, error) {
	op, n := Match(words)
	if op == nil {
		return nil, nil, unknown(words)
	}
	p := parser{op: op, values: Values{}}
	for i, word := range words[n:] {
		if err := p.word(word); err != nil {
			err.Word = n + i
			return op, nil, err
		}
	}
	if err := p.finish(); err != nil {
		err.Word = len(words)
		return op, nil, err
	}
	return op, p.values, nil
}

// unknown is the error for words that name no operation.
func unknown(words []string) *Error {
	if len(words) == 0 {
		return &Error{Reason: "name of an operation expected"}
	}
	var first, second []string
	for _, o := range All() {
		name := strings.Fields(o.Name)
		if !slices.Contains(first, name[0]) {
			first = append(first, name[0])
		}
		if name[0] == words[0] && len(name) > 1 {
			second = append(second, name[1])
		}
	}
	switch {
	case len(second) == 0:
		return &Error{To: len(words[0]), Reason: fmt.Sprintf("no operation %q%s", words[0], suggest(words[0], first))}
	case len(words) == 1:
		return &Error{Word: 1, Reason: fmt.Sprintf("%s what? %s", words[0], list(second))}
	}
	return &Error{Word: 1, To: len(words[1]), Reason: fmt.Sprintf("no operation \"%s %s\"%s",
		words[0], words[1], cmp.Or(suggest(words[1], second), ": it is "+list(second)))}
}

// A parser reads the words after the name of an operation.
type parser struct {
	op     *Operation
	values Values
	next   int  // the positional argument that the next word without a key is for
	rest   *Arg // gets all further words
}

func (p *parser) word(word string) *Error {
	if p.rest != nil {
		p.values[p.rest.Name] = append(p.values[p.rest.Name], word)
		return nil
	}
	if i := slices.IndexFunc(p.op.Args, func(a Arg) bool { return a.Rest }); i >= 0 && word == "--" {
		p.rest = &p.op.Args[i]
		return nil
	}
	if key, text, ok := strings.Cut(word, "="); ok && isKey(key) {
		arg, err := p.named(key)
		switch {
		case err != nil:
			return err
		case arg.takesNames():
			text = strings.TrimPrefix(word, arg.Name+".")
		case p.values.has(arg.Name) && !arg.Repeated:
			return &Error{To: len(key), Reason: arg.Name + " is given twice"}
		}
		return p.set(arg, text, len(word)-len(text))
	}
	args := p.positional()
	if p.next == len(args) {
		return p.surplus(word)
	}
	arg := args[p.next]
	if p.values.has(arg.Name) && !arg.Repeated { // by its name
		p.next++
		return p.word(word)
	}
	if arg.Rest {
		p.rest = arg
	}
	if p.next++; p.next == len(args) && arg.Repeated {
		p.next = slices.IndexFunc(args, func(a *Arg) bool { return a.Repeated })
	}
	return p.set(arg, word, 0)
}

func (p *parser) positional() (args []*Arg) {
	for i := range p.op.Args {
		if p.op.Args[i].Positional {
			args = append(args, &p.op.Args[i])
		}
	}
	return args
}

func (p *parser) named(key string) (*Arg, *Error) {
	var names []string
	for i := range p.op.Args {
		arg := &p.op.Args[i]
		if arg.Name == key && !arg.takesNames() || arg.takesNames() && strings.HasPrefix(key, arg.Name+".") {
			return arg, nil
		}
		names = append(names, arg.key())
	}
	return nil, &Error{To: len(key), Reason: fmt.Sprintf("%q has no argument %q%s", p.op.Name, key,
		cmp.Or(suggest(key, names), ": it has "+list(names)))}
}

// surplus is the error for a word that no argument is left for. The most common reason is a missing "=".
func (p *parser) surplus(word string) *Error {
	var forms []string // that the word can have been meant for
	for _, arg := range p.op.Args {
		kind, _, _ := strings.Cut(arg.Kind, ":")
		_, wrong := check(&arg, word)
		switch {
		case arg.Positional:
		case arg.Name == word && kind == "bool":
			return &Error{To: len(word), Reason: fmt.Sprintf("write %s=on", word)}
		case arg.Name == word:
			return &Error{To: len(word), Reason: fmt.Sprintf("write %s=%s", word, strings.ToUpper(arg.short()))}
		case wrong == "" && slices.Contains([]string{"size", "int", "enum"}, kind):
			forms = append(forms, arg.Name+"="+word)
		}
	}
	if len(forms) > 0 {
		return &Error{To: len(word), Reason: fmt.Sprintf("%s needs a name: write %s", word, list(forms))}
	}
	return &Error{To: len(word), Reason: fmt.Sprintf("%s is one word too many; want %s", word, p.op.form())}
}

func (p *parser) set(arg *Arg, text string, from int) *Error {
	value, reason := check(arg, text)
	if reason != "" {
		if end, more, found := strings.Cut(reason, "; "); text != "" {
			reason = fmt.Sprintf("%s, not %q", end, text)
			if found {
				reason += "; " + more
			}
		}
		return &Error{From: from, To: from + len(text), Reason: arg.Name + ": " + reason}
	}
	p.values[arg.Name] = append(p.values[arg.Name], value)
	return nil
}

// finish looks for missing arguments, and adds the defaults.
func (p *parser) finish() *Error {
	var repeated *Arg // the first of those that come in turn
	for i := range p.op.Args {
		arg := &p.op.Args[i]
		if !p.values.has(arg.Name) {
			switch {
			case arg.Required:
				return &Error{Reason: fmt.Sprintf("%s is missing: %s; want %s", arg.Name, arg.Help, p.op.form())}
			case arg.Default != "":
				p.values[arg.Name] = []string{arg.Default}
			}
		}
		if !arg.Positional || !arg.Repeated {
			continue
		}
		if repeated == nil {
			repeated = arg
		}
		if len(p.values[arg.Name]) != len(p.values[repeated.Name]) {
			return &Error{Reason: fmt.Sprintf("as many of %s as of %s expected; want %s", arg.Name, repeated.Name, p.op.form())}
		}
	}
	return nil
}

// check returns a value in the form that Values reads, or what is wrong with the text.
func check(arg *Arg, text string) (value, reason string) {
	switch kind, of, _ := strings.Cut(arg.Kind, ":"); kind {
	case "int":
		if _, err := strconv.ParseInt(text, 10, 64); err != nil {
			return "", "a number expected"
		}
	case "size":
		if _, ok := parseSize(text); !ok {
			return "", "a number of bytes expected, for example 512M or 10G"
		}
	case "duration":
		if d, err := time.ParseDuration(text); err != nil || d <= 0 {
			if n, err := strconv.ParseUint(text, 10, 31); err == nil && n > 0 {
				return text + "s", ""
			}
			return "", "a duration expected, for example 30s or 5m"
		}
	case "bool":
		switch text {
		case "on", "true", "yes":
			return "on", ""
		case "off", "false", "no":
			return "off", ""
		}
		return "", "on or off expected"
	case "enum":
		if values := strings.Split(of, ","); !slices.Contains(values, text) {
			return "", list(values) + " expected" + suggest(text, values)
		}
	case "json":
		if !json.Valid([]byte(text)) {
			return "", "JSON expected"
		}
	case "properties":
		if name, _, _ := strings.Cut(text, "="); name == "" {
			return "", "prop.NAME=VALUE expected"
		}
	case "file":
		if below, ok := strings.CutPrefix(text, "~/"); ok { // a shell expands it only at the beginning of a word
			if home, err := os.UserHomeDir(); err == nil {
				return filepath.Join(home, below), ""
			}
		}
		fallthrough
	default:
		if text == "" {
			return "", "it is empty"
		}
	}
	return text, ""
}

// parseSize reads a number of bytes: 4096, 64K, 1.5G.
func parseSize(text string) (int64, bool) {
	unit := int64(1)
	number := strings.TrimSuffix(strings.TrimSuffix(text, "B"), "i")
	if i := len(number) - 1; i > 0 {
		if power := strings.IndexByte("KMGTP", number[i]&^0x20); power >= 0 {
			unit, number = 1<<(10*(power+1)), number[:i]
		}
	}
	if unit == 1 && number != text {
		return 0, false // "10B", "10i"
	}
	if strings.HasPrefix(number, "+") { // for other tools, it means to add
		return 0, false
	}
	if n, err := strconv.ParseInt(number, 10, 64); err == nil {
		return n * unit, n >= 0 && n <= math.MaxInt64/unit
	}
	f, err := strconv.ParseFloat(number, 64)
	bytes := f * float64(unit)
	return int64(bytes), err == nil && unit > 1 && bytes >= 0 && bytes < math.MaxInt64 && bytes == math.Trunc(bytes)
}

func isKey(text string) bool {
	prop := strings.HasPrefix(text, "prop.")
	return text != "" && 'a' <= text[0] && text[0] <= 'z' && strings.IndexFunc(text, func(r rune) bool {
		return !('a' <= r && r <= 'z' || '0' <= r && r <= '9' || r == '-' || prop && (r == '_' || r == '.' || 'A' <= r && r <= 'Z'))
	}) < 0
}

// list returns "a, b or c".
func list(words []string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	last := len(words) - 1
	return strings.Join(words[:last], ", ") + " or " + words[last]
}

// suggest returns the word that was probably meant, as the end of a reason: "; did you mean x?".
func suggest(word string, known []string) string {
	best, least := "", 3
	for _, k := range known {
		if d := distance(word, k); d < least && d < len(k) {
			best, least = k, d
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf("; did you mean %s?", best)
}

// distance returns the number of letters to add, remove, change or swap (Damerau and Levenshtein).
func distance(a, b string) int {
	before, row := make([]int, len(b)+1), make([]int, len(b)+1)
	var next []int
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		next = make([]int, len(b)+1)
		next[0] = i
		for j := 1; j <= len(b); j++ {
			other := 0
			if a[i-1] != b[j-1] {
				other = 1
			}
			next[j] = min(row[j]+1, next[j-1]+1, row[j-1]+other)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				next[j] = min(next[j], before[j-2]+1)
			}
		}
		before, row = row, next
	}
	return row[len(b)]
}
