package qmptest

import (
	"encoding/json"
	"strings"
	"unicode/utf8"
)

// maxNesting is QEMU's limit for a message. Its others, of 64 MiB and 2 Mi tokens, are none here.
const maxNesting = 1024

// A message is a value that the client has sent, or its error.
type message struct {
	text json.RawMessage
	err  string
}

// A parser makes messages of the client's input, as QEMU's does: where one ends depends on its
// brackets alone, so what is wrong inside is told once it has ended, and the next one is read
// from there.
type parser struct {
	lexer    lexer
	tokens   []token
	text     []byte
	braces   int
	brackets int
}

// feed takes a byte and returns the messages that it ends.
func (p *parser) feed(b byte) (messages []message) {
	for _, t := range p.lexer.feed(b) {
		if m, ok := p.take(t); ok {
			messages = append(messages, m)
			p.tokens, p.text, p.braces, p.brackets = nil, nil, 0, 0
		}
	}
	if strings.IndexByte(" \t\r\n", b) >= 0 && len(p.tokens) > 0 && p.lexer.state == inNothing {
		p.text = append(p.text, b)
	}
	return messages
}

// take adds a token, and returns the message if it is the last one.
func (p *parser) take(t token) (message, bool) {
	switch t.kind {
	case '{':
		p.braces++
	case '}':
		p.braces--
	case '[':
		p.brackets++
	case ']':
		p.brackets--
	case strayToken:
		stray, _, _ := strings.Cut(t.text, "\x00") // C's strings end there
		return message{err: "JSON parse error, stray '" + stray + "'"}, true
	}
	p.tokens = append(p.tokens, t)
	p.text = append(p.text, standard(t)...)
	switch {
	case p.braces+p.brackets > maxNesting:
		return message{err: "JSON nesting depth limit exceeded"}, true
	case p.braces >= 0 && p.brackets >= 0 && p.braces+p.brackets > 0:
		return message{}, false
	}
	rest := tokens(p.tokens)
	if err := rest.value(); err != "" {
		return message{err: "JSON parse error, " + err}, true
	}
	return message{text: p.text}, true
}

// standard returns the token as JSON has it: without single quotes, the escape \' and longNUL.
func standard(t token) string {
	ours := strings.HasPrefix(t.text, "'") || strings.Contains(t.text, `\'`) || strings.Contains(t.text, longNUL)
	if t.kind != stringToken || !ours {
		return t.text
	}
	s, _ := unquote(t.text) // if it is wrong so is the message
	b, _ := json.Marshal(s) // strings can be marshalled
	return string(b)
}

// tokens are the rest of a message. Each method removes the part that it is named after from the
// front, and returns its error in QEMU's words, or "".
type tokens []token

func (p *tokens) next() (t token) {
	if len(*p) > 0 {
		t = (*p)[0]
		*p = (*p)[1:]
	}
	return t
}

// skip takes a token of that kind, if it is the next one.
func (p *tokens) skip(kind byte) bool {
	if len(*p) == 0 || (*p)[0].kind != kind {
		return false
	}
	p.next()
	return true
}

func (p *tokens) value() string {
	switch t := p.next(); t.kind {
	case '{':
		return p.object()
	case '[':
		return p.array()
	case stringToken:
		_, err := unquote(t.text)
		return err
	case numberToken:
		return ""
	case keywordToken:
		if t.text == "true" || t.text == "false" || t.text == "null" {
			return ""
		}
		return "invalid keyword '" + t.text + "'"
	}
	return "expecting value"
}

func (p *tokens) object() string {
	if p.skip('}') {
		return ""
	}
	for seen := map[string]bool{}; ; {
		if err := p.member(seen); err != "" {
			return err
		}
		if p.skip('}') {
			return ""
		}
		if !p.skip(',') {
			return "expected separator in dict"
		}
	}
}

func (p *tokens) member(seen map[string]bool) string {
	var key token
	if len(*p) > 0 {
		key = (*p)[0]
	}
	if err := p.value(); err != "" {
		return err
	}
	if key.kind != stringToken {
		return "key is not a string in object"
	}
	if !p.skip(':') {
		return "missing : in object pair"
	}
	if err := p.value(); err != "" {
		return err
	}
	name, _ := unquote(key.text)
	if seen[name] {
		return "duplicate key"
	}
	seen[name] = true
	return ""
}

func (p *tokens) array() string {
	if p.skip(']') {
		return ""
	}
	for {
		if err := p.value(); err != "" {
			return err
		}
		if p.skip(']') {
			return ""
		}
		if !p.skip(',') {
			return "expected separator in list"
		}
	}
}

// unquote returns the value of a string token.
func unquote(text string) (s, err string) {
	var out []byte
	for text = text[1:]; len(text) > 1; {
		r, size, err := character(text)
		if err != "" {
			return "", err
		}
		out = utf8.AppendRune(out, r)
		text = text[size:]
	}
	return string(out), ""
}
