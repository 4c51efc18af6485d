package syntax

import (
	"strings"
	"unicode/utf8"
)

// A token is known by its first character: one of { } [ ] : , for these, ' for a string, t
// and f for true and false, # for a comment.
type token byte

const endOfFile token = 0

// scanner cuts a source into tokens.
type scanner struct {
	src string
	off int // of the next character to read

	tok  token
	text string // of a string without its quotes, of a comment with its #
	pos  Pos    // of the token
	from int    // its offset

	line int
	// The column of an offset in the current line; kept so that long lines cost no more
	// than short ones.
	colOff, col int
}

func newScanner(src string) *scanner {
	return &scanner{src: src, line: 1, col: 1}
}

// next reads the next token. Comments are left out unless comments is set; one that begins
// with ## never is.
func (s *scanner) next(comments bool) *Error {
	for {
		s.skipSpace()
		s.from = s.off
		s.mark()
		if s.off == len(s.src)-1 {
			s.tok = endOfFile
			return nil
		}
		switch c := s.src[s.off]; c {
		case '#':
			s.tok = '#'
			s.text = s.restOfLine()
			s.off += len(s.text)
			if comments || strings.HasPrefix(s.text, "##") {
				return nil
			}
		case '{', '}', '[', ']', ':', ',':
			s.tok = token(c)
			s.off++
			return nil
		case '\'':
			s.tok = '\''
			return s.scanString()
		default:
			return s.scanWord()
		}
	}
}

// mark sets pos to the place of off.
func (s *scanner) mark() {
	s.col = advance(s.col, s.src[s.colOff:s.off])
	s.colOff = s.off
	s.pos = Pos{s.line, s.col}
}

// fail returns an error at the token.
func (s *scanner) fail(message string) *Error { return &Error{s.pos, message} }

// skipSpace goes on to the next character that is not white space, or to the newline at the
// end of the file, which stands for the end.
func (s *scanner) skipSpace() {
	for s.off < len(s.src)-1 {
		switch c := s.src[s.off]; {
		case c == '\n':
			s.off++
			s.line++
			s.newColumn()
		case c == ' ':
			s.off++
		default:
			r, size := utf8.DecodeRuneInString(s.src[s.off:])
			if !isSpace(r) {
				return
			}
			s.off += size
		}
	}
}

// newColumn notes that off is at the begin of a line.
func (s *scanner) newColumn() { s.colOff, s.col = s.off, 1 }

func (s *scanner) restOfLine() string {
	end := strings.IndexByte(s.src[s.off:], '\n')
	return s.src[s.off : s.off+end] // a source ends with a newline
}

// scanString reads a string. The only escape is `\\`.
func (s *scanner) scanString() *Error {
	s.off++
	begin := s.off
	escaped := false
	for {
		c := s.src[s.off]
		switch {
		case c == '\n':
			return s.fail("missing terminating \"'\"")
		case c == '\'':
			s.text = s.src[begin:s.off]
			if escaped {
				s.text = strings.ReplaceAll(s.text, `\\`, `\`)
			}
			s.off++
			return nil
		case c == '\\':
			s.off++
			if s.src[s.off] == '\n' {
				continue
			}
			if s.src[s.off] != '\\' {
				r, _ := utf8.DecodeRuneInString(s.src[s.off:])
				return s.fail(`unknown escape \` + string(r))
			}
			escaped = true
		case c < ' ' || c > '~':
			return s.fail("funny character in string")
		}
		s.off++
	}
}

// scanWord reads true or false. It does not look at the text after it.
func (s *scanner) scanWord() *Error {
	for _, word := range []string{"true", "false"} {
		if strings.HasPrefix(s.src[s.off:], word) {
			s.tok = token(word[0])
			s.off += len(word)
			return nil
		}
	}
	return s.fail("stray '" + strayText(s.src[s.off:]) + "'")
}

// strayText returns the part of a text that is not a token, for an error: up to the next
// structural character, quote or white space, and not too much.
func strayText(text string) string {
	const most = 60
	n := 0
	for i, r := range text {
		if n == most {
			return text[:i] + "..."
		}
		if strings.ContainsRune("[]{}:,'", r) || isSpace(r) {
			return text[:i]
		}
		n++
	}
	return text
}
