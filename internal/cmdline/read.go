package cmdline

import (
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// A form is the way in which a value is written.
type form uint8

const (
	bare   form = iota // text without quotes
	quoted             // text in quotes
	list               // [a, b]
	object             // {key: value}
)

func (f form) String() string { return [...]string{"text", "string", "list", "object"}[f] }

// A value is a value as it is written, before its type is known.
type value struct {
	from, to int
	form     form
	text     string // of a bare or a quoted value, without quotes and escapes
	escaped  bool   // a bare value that has escapes
	open     bool   // the closing quote or bracket is missing
	single   bool   // the quotes are single ones
	elements []*value
	members  []*member
}

// A member is a key and its value.
type member struct {
	from, to int // of the key, with its quotes
	key      string
	quoted   bool
	value    *value // nil if nothing follows the key
}

// A reader reads a line. It continues after a mistake, for completion.
type reader struct {
	line  string
	at    int
	depth int
	errs  []*Error
	open  bool // a bracket or a quote is open at the end, or the last character is a backslash; no mistake is before that
	inner bool // a bracket or a quote is open at the end
}

// maxDepth is how deep brackets can be, and how many dots a key can have. QEMU takes a nesting of up to 1024.
const maxDepth = 200

// fail notes a mistake.
func (r *reader) fail(from, to int, reason, want string) {
	r.errs = append(r.errs, &Error{From: from, To: to, Reason: reason, Want: want})
}

// unfinished notes that the line ends inside of something.
func (r *reader) unfinished(reason, want string) {
	r.open = r.open || len(r.errs) == 0
	r.errs = append(r.errs, &Error{From: len(r.line), To: len(r.line), Reason: reason, Want: want, Incomplete: true})
}

func (r *reader) end() bool { return r.at >= len(r.line) }

// peek returns the next byte, or 0 at the end. The byte 0 itself cannot be part of a line.
func (r *reader) peek() byte {
	if r.end() {
		return 0
	}
	return r.line[r.at]
}

func isBlank(c byte) bool { return c == ' ' || c == '\t' || c == '\n' || c == '\r' }

// blanks skips white space. A backslash at the end of a line counts as white space.
func (r *reader) blanks() {
	for !r.end() {
		switch rest := r.line[r.at:]; {
		case isBlank(rest[0]):
			r.at++
		case strings.HasPrefix(rest, "\\\n"):
			r.at += 2
		case strings.HasPrefix(rest, "\\\r\n"):
			r.at += 3
		case rest == "\\":
			r.at++
			r.unfinished("the line ends with a backslash", "the rest of the command on the next line")
		default:
			return
		}
	}
}

// pairs reads the arguments of a command up to the end of the line.
func (r *reader) pairs() (members []*member) {
	for r.blanks(); !r.end(); r.blanks() {
		if r.peek() == '{' {
			v := r.object()
			members = append(members, &member{from: v.from, to: v.from, value: v})
		} else {
			members = append(members, r.pair())
		}
		if !r.end() && !isBlank(r.peek()) && r.peek() != '\\' {
			from := r.at
			r.word("")
			r.fail(from, r.at, "text follows a value", "a blank")
		}
	}
	return members
}

// pair reads key=value.
func (r *reader) pair() *member {
	m := &member{from: r.at}
	m.key, _ = r.word("=")
	m.to = r.at
	if strings.Count(m.key, ".") > maxDepth {
		r.fail(m.from, m.to, "too many names in a key", "")
		m.key = ""
	}
	if r.peek() == '=' {
		r.at++
		m.value = r.value("")
		if m.key == "" {
			r.fail(m.from, r.at, "a name is missing before the equals sign", "NAME=VALUE")
		}
	}
	return m
}

// word reads text up to a blank or one of the characters in stop.
func (r *reader) word(stop string) (text string, escaped bool) {
	var b strings.Builder
	for !r.end() {
		c := r.line[r.at]
		if isBlank(c) || strings.IndexByte(stop, c) >= 0 {
			break
		}
		if c == '\\' {
			if rest := r.line[r.at:]; rest == "\\" || strings.HasPrefix(rest, "\\\n") || strings.HasPrefix(rest, "\\\r\n") {
				break
			}
			escaped = true
			r.at++
			c = r.line[r.at]
		}
		b.WriteByte(c)
		r.at++
	}
	return b.String(), escaped
}

// value reads a value. In brackets, stop holds the characters that end a bare value.
func (r *reader) value(stop string) *value {
	switch r.peek() {
	case '"', '\'':
		return r.quoted()
	case '[':
		return r.list()
	case '{':
		return r.object()
	}
	v := &value{from: r.at}
	v.text, v.escaped = r.word(stop)
	v.to = r.at
	return v
}

// quoted reads text in quotes. Double quotes are those of JSON. Single quotes have no escapes.
func (r *reader) quoted() *value {
	v := &value{from: r.at, form: quoted}
	quote := r.line[r.at]
	v.single = quote == '\''
	r.at++
	var b strings.Builder
	for {
		switch c := r.peek(); {
		case r.end():
			v.open, r.inner = true, true
			r.unfinished("the closing quote is missing", string(quote))
			v.to, v.text = r.at, b.String()
			return v
		case c == quote:
			r.at++
			v.to, v.text = r.at, b.String()
			return v
		case c == '\\' && quote == '"':
			r.escape(&b)
		default:
			b.WriteByte(c)
			r.at++
		}
	}
}

// escapes are those of JSON and, as QEMU has it, of a single quote.
var escapes = map[byte]byte{'"': '"', '\'': '\'', '\\': '\\', '/': '/', 'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t'}

// escape reads an escape in double quotes.
func (r *reader) escape(b *strings.Builder) {
	from := r.at
	r.at++
	if r.end() {
		return // quoted says that the quote is missing
	}
	c := r.line[r.at]
	r.at++
	if to, ok := escapes[c]; ok {
		b.WriteByte(to)
		return
	}
	if c != 'u' {
		r.fail(from, r.at, "JSON has no such escape", `\", \\, \/, \b, \f, \n, \r, \t or \u and four digits`)
		return
	}
	code, ok := r.hex()
	if ok && utf16.IsSurrogate(code) && strings.HasPrefix(r.line[r.at:], `\u`) {
		r.at += 2
		var second rune
		second, ok = r.hex()
		code = utf16.DecodeRune(code, second)
		ok = ok && code != utf8.RuneError
	}
	switch {
	case !ok || utf16.IsSurrogate(code):
		r.fail(from, r.at, "not a character of Unicode", `\u and four hexadecimal digits`)
	case code == 0:
		r.fail(from, r.at, "QEMU takes no zero byte in a string", "")
	default:
		b.WriteRune(code)
	}
}

// hex reads four hexadecimal digits.
func (r *reader) hex() (rune, bool) {
	to := min(r.at+4, len(r.line))
	n, err := strconv.ParseUint(r.line[r.at:to], 16, 32)
	if err != nil || to < r.at+4 {
		return 0, false
	}
	r.at = to
	return rune(n), true
}

// enter counts brackets, and reports whether there are too many.
func (r *reader) enter(v *value) bool {
	r.depth++
	r.at++
	if r.depth <= maxDepth {
		return true
	}
	r.fail(v.from, r.at, "too many brackets in each other", "")
	r.at = len(r.line)
	return false
}

// list reads a list in brackets.
func (r *reader) list() *value {
	v := &value{from: r.at, form: list}
	defer func() { v.to = r.at; r.depth-- }()
	if !r.enter(v) {
		return v
	}
	if r.blanks(); r.peek() == ']' {
		r.at++
		return v
	}
	for {
		v.elements = append(v.elements, r.element())
		if r.next(v, ']') {
			return v
		}
	}
}

// object reads an object in braces. Keys need no quotes, and an equals sign is as good as a colon.
func (r *reader) object() *value {
	v := &value{from: r.at, form: object}
	defer func() { v.to = r.at; r.depth-- }()
	if !r.enter(v) {
		return v
	}
	if r.blanks(); r.peek() == '}' {
		r.at++
		return v
	}
	for {
		v.members = append(v.members, r.member())
		if r.next(v, '}') {
			return v
		}
	}
}

// member reads a member of an object in braces.
func (r *reader) member() *member {
	m := &member{from: r.at}
	if c := r.peek(); c == '"' || c == '\'' {
		key := r.quoted()
		m.key, m.quoted = key.text, true
	} else {
		m.key, _ = r.word("=:,[]{}\"'")
		if m.key == "" && !r.end() {
			r.fail(r.at, r.at, "a member's name is missing", "NAME: VALUE")
		}
	}
	m.to = r.at
	if r.end() {
		return m
	}
	r.blanks()
	if c := r.peek(); c == ':' || c == '=' {
		r.at++
		r.blanks()
		m.value = r.element()
	}
	return m
}

// element reads a value in brackets. It is never empty, except at the end of the line.
func (r *reader) element() *value {
	v := r.value(",[]{}\"'")
	if v.from == v.to && !r.end() {
		r.fail(v.from, v.to, "a value is missing", "")
	}
	return v
}

// next reads what follows an element or a member: a comma or the closing bracket. It reports whether
// the list or the object ends.
func (r *reader) next(v *value, closing byte) bool {
	r.blanks()
	switch from := r.at; {
	case r.end():
		v.open, r.inner = true, true
		r.unfinished("the closing bracket is missing", string(closing))
		return true
	case r.line[r.at] == closing:
		r.at++
		return true
	case r.line[r.at] == ',':
		r.at++
		r.blanks()
	default:
		if c := r.line[r.at]; strings.IndexByte("[]{}", c) >= 0 {
			r.at++
		} else {
			r.element()
		}
		r.fail(from, r.at, "a comma is missing", ", or "+string(closing))
		r.at = len(r.line)
		return true
	}
	return false
}

// NeedsMore reports whether a command goes on in the next line: a bracket or a quote is open, or the last
// character is a backslash. It returns false if there is a mistake before that.
func NeedsMore(line string) bool {
	r := &reader{line: line}
	r.request()
	return r.open
}

// A request is a line that has been read.
type request struct {
	name     *value    // nil if the line is empty
	members  []*member // the arguments
	json     bool      // the line is a whole request in JSON
	oob      bool      // the request is to be executed out of band
	envelope *value    // then its object
}

// request reads a line.
func (r *reader) request() (q request) {
	r.blanks()
	switch {
	case r.end():
	case r.peek() == '{':
		q.json, q.envelope = true, r.object()
		r.blanks()
		if !r.end() {
			r.fail(r.at, len(r.line), "text follows the request", "")
		}
		q.open(r)
	default:
		q.name = &value{from: r.at}
		q.name.text, _ = r.word("={}[]\"'")
		q.name.to = r.at
		if !r.end() && !isBlank(r.peek()) && r.peek() != '\\' {
			r.fail(q.name.from, r.at+1, "not a command", "COMMAND NAME=VALUE … or a request in JSON")
		}
		q.members = r.pairs()
	}
	return q
}

// open takes a request in JSON apart: {"execute": NAME, "arguments": {…}}. The member "id" is ignored,
// since the client has its own.
func (q *request) open(r *reader) {
	var arguments *value
	for _, m := range q.envelope.members {
		switch v := m.value; {
		case m.key == "id" && v != nil:
		case m.key == "execute" && v != nil && v.form <= quoted && q.name == nil:
			q.name = v
		case m.key == "exec-oob" && v != nil && v.form <= quoted && q.name == nil:
			q.name, q.oob = v, true
		case m.key == "arguments" && v != nil && v.form == object && arguments == nil:
			arguments = v
			q.members = []*member{{from: v.from, to: v.from, value: v}}
		default:
			r.fail(m.from, m.to, "not a member of a request, or not of this type", `{"execute": COMMAND, "arguments": {…}}`)
		}
	}
	if q.name == nil {
		r.errs = append(r.errs, &Error{From: q.envelope.to, To: q.envelope.to, Reason: "the request has no command",
			Want: `{"execute": COMMAND, "arguments": {…}}`, Incomplete: true})
	}
}
