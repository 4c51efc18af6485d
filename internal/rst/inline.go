package rst

import "strings"

// inline returns text without its markup.
func (r *Reader) inline(text string) string {
	s := &inliner{Reader: r, text: text}
	for s.at < len(text) {
		if !s.markup() {
			s.plain()
		}
	}
	return strings.Join(strings.Fields(s.out.String()), " ")
}

// inliner copies text without its markup.
type inliner struct {
	*Reader
	text string
	at   int
	out  strings.Builder
}

func (s *inliner) rest() string { return s.text[s.at:] }

// put writes text for the next n bytes.
func (s *inliner) put(text string, n int) bool {
	s.out.WriteString(text)
	s.at += n
	return true
}

// markup copies what is marked at this place, and returns false if nothing is.
func (s *inliner) markup() bool {
	rest := s.rest()
	switch rest[0] {
	case '\\':
		return s.escaped()
	case '`':
		return s.quoted(rest, "")
	case ':':
		role, quoted, ok := cutRole(rest)
		return ok && s.opens() && s.quoted(quoted, role)
	case '*':
		return s.opens() && (s.emphasis("**") || s.emphasis("*"))
	case '@', '#':
		return s.opens() && s.name(rest)
	case ']':
		return s.footnote(rest)
	}
	return false
}

// opens reports whether markup may begin here: not within a word.
func (s *inliner) opens() bool {
	return s.at == 0 || !isWordByte(s.text[s.at-1])
}

// escaped copies the character after a backslash. A blank there only separates markup.
func (s *inliner) escaped() bool {
	rest := s.rest()
	if len(rest) < 2 {
		return s.put("", 1)
	}
	if rest[1] == ' ' {
		return s.put("", 2)
	}
	return s.put(rest[1:2], 2)
}

// emphasis copies what is between marks.
func (s *inliner) emphasis(mark string) bool {
	inside, ok := strings.CutPrefix(s.rest(), mark)
	if !ok {
		return false
	}
	n := strings.Index(inside, mark)
	if n < 1 || inside[0] == ' ' || inside[n-1] == ' ' || n+len(mark) < len(inside) && isWordByte(inside[n+len(mark)]) {
		return false
	}
	return s.put(s.inline(inside[:n]), n+2*len(mark))
}

// quoted copies what is between backquotes; text begins with the first of them, after a role.
func (s *inliner) quoted(text, role string) bool {
	before := len(s.rest()) - len(text)
	if literal, ok := strings.CutPrefix(text, "``"); ok && role == "" {
		n := strings.Index(literal, "``")
		if n < 0 {
			return s.put("", 2)
		}
		return s.put(literalText(literal[:n]), n+4)
	}
	n := strings.IndexByte(text[1:], '`')
	if n < 0 {
		return s.put("", before+1)
	}
	inside, end := text[1:1+n], 2+n
	if after := text[end:]; strings.HasPrefix(after, "__") {
		end += 2
	} else if strings.HasPrefix(after, "_") {
		end++
	}
	return s.put(s.reference(inside, role), before+end)
}

// literalText is what stands for text in double backquotes: itself, in quotes if it is more than a
// word.
func literalText(text string) string {
	text = strings.TrimSpace(text)
	if !strings.Contains(text, " ") || strings.HasPrefix(text, `"`) {
		return text
	}
	if strings.Contains(text, `"`) {
		return "'" + text + "'"
	}
	return `"` + text + `"`
}

// reference is what stands for text in single backquotes: a title with a target after it, or the
// target alone.
func (s *inliner) reference(inside, role string) string {
	title, target, ok := strings.Cut(strings.TrimSuffix(inside, ">"), " <")
	if ok && target != inside {
		if strings.Contains(target, "://") {
			return title + " (" + target + ")"
		}
		return title
	}
	name := strings.TrimLeft(inside, "~!")
	switch {
	case role == "doc":
		return strings.TrimPrefix(name, "/")
	case role == "" || strings.HasPrefix(role, "qapi"):
		return s.ref(name)
	}
	return name
}

func (r *Reader) ref(name string) string {
	if r.Ref == nil {
		return name
	}
	return r.Ref(name)
}

// maxRole is how long the name of a role may be.
const maxRole = 40

// cutRole splits ":role:" from the quotation after it.
func cutRole(text string) (role, quoted string, ok bool) {
	n := 1
	for n < len(text) && n < maxRole && (isWordByte(text[n]) || text[n] == '+' || text[n] == ':') {
		n++
	}
	if n < 3 || n == len(text) || text[n] != '`' || text[n-1] != ':' {
		return "", "", false
	}
	return text[1 : n-1], text[n:], true
}

// footnote copies the end of a reference to a footnote: "[1]_".
func (s *inliner) footnote(rest string) bool {
	after, ok := strings.CutPrefix(rest, "]_")
	return ok && (after == "" || !isWordByte(after[0])) && s.put("]", 2)
}

// name copies a name that "@", or in old texts "#", marks.
func (s *inliner) name(rest string) bool {
	n := 1
	for n < len(rest) && (isWordByte(rest[n]) || rest[n] == '.') {
		n++
	}
	name := strings.TrimRight(rest[1:n], "-.")
	if name == "" || !isLetter(name[0]) {
		return false
	}
	if rest[0] == '#' && name == strings.ToLower(name) && s.ref(name) == name && !isBuiltin[name] {
		return false // "#1", or a fragment of something
	}
	return s.put(s.ref(name), 1+len(name))
}

// isBuiltin are the types of the language, which old texts mark as others.
var isBuiltin = map[string]bool{"str": true, "int": true, "number": true, "bool": true, "size": true}

// plain copies text up to where there may be markup.
func (s *inliner) plain() {
	rest := s.rest()
	n := 0
	for n < len(rest) && isWordByte(rest[n]) {
		n++
	}
	if n == 0 {
		s.put(rest[:1], 1)
		return
	}
	word := rest[:n]
	if s.Word != nil && s.opensWord() && closesWord(rest[n:]) {
		word = s.Word(word)
	}
	s.put(word, n)
}

// opensWord reports whether a whole word begins here.
func (s *inliner) opensWord() bool {
	return s.at == 0 || strings.IndexByte(" (", s.text[s.at-1]) >= 0
}

// closesWord reports whether a word ends before text: at a blank, at the end, or before punctuation
// and a blank.
func closesWord(text string) bool {
	text = strings.TrimLeft(text, ".,;:)")
	return text == "" || text[0] == ' ' || strings.HasPrefix(text, "'s ")
}

func isWordByte(c byte) bool { return c == '-' || c == '_' || '0' <= c && c <= '9' || isLetter(c) }

func isLetter(c byte) bool { return 'a' <= c|0x20 && c|0x20 <= 'z' }
