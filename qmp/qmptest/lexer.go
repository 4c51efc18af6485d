package qmptest

import "strings"

// A token is a word of the client's input: one of the characters {}[]:, or one of the kinds
// below.
type token struct {
	kind byte
	text string
}

const (
	stringToken  = 's' // in double quotes or, as QEMU allows too, single ones
	numberToken  = 'n'
	keywordToken = 'k' // small letters: true, false, null and what is wrong
	strayToken   = 'x' // what can be no token, up to the byte that shows it
)

const structural = "{}[]:,"

// A lexer splits the input into tokens as QEMU's lexer does. After an error it skips the same
// input: up to the next structural character, control character, or byte FE or FF. With these bytes
// a client makes a server forget the beginning of a message.
type lexer struct {
	state lexState
	text  []byte
	quote byte // the one that ends the string
}

type lexState byte

const (
	inNothing lexState = iota
	inRecovery
	inString
	inEscape
	inSign
	inZero
	inDigits
	inPoint
	inFraction
	inExponent
	inExponentSign
	inExponentDigits
	inKeyword
)

// feed takes a byte and returns the tokens that end there. These are two if the byte is a token
// itself and ends another one, such as a number.
func (l *lexer) feed(b byte) (tokens []token) {
	for {
		was := l.state
		next, kind, taken := l.step(b)
		if taken {
			l.text = append(l.text, b)
		}
		if kind != 0 {
			tokens = append(tokens, token{kind, string(l.text)})
		}
		if l.state = next; next == inNothing || next == inRecovery {
			l.text = l.text[:0]
		}
		if taken || was == inNothing || next == inRecovery {
			return tokens
		}
	}
}

// step returns the state after a byte, the kind of the token that ends there, and whether the byte
// belongs to this token or to the state.
func (l *lexer) step(b byte) (next lexState, kind byte, taken bool) {
	switch l.state {
	case inNothing:
		return l.begin(b)
	case inRecovery:
		if b < ' ' && b != '\t' || b >= 0xFE || strings.IndexByte(structural, b) >= 0 {
			return inNothing, 0, false
		}
		return inRecovery, 0, false
	case inString, inEscape:
		return l.inside(b)
	case inKeyword:
		if 'a' <= b && b <= 'z' {
			return inKeyword, 0, true
		}
		return inNothing, keywordToken, false
	}
	return l.number(b)
}

func (l *lexer) begin(b byte) (next lexState, kind byte, taken bool) {
	switch {
	case strings.IndexByte(" \t\r\n", b) >= 0:
		return inNothing, 0, false
	case strings.IndexByte(structural, b) >= 0:
		return inNothing, b, true
	case b == '"' || b == '\'':
		l.quote = b
		return inString, 0, true
	case b == '-':
		return inSign, 0, true
	case b == '0':
		return inZero, 0, true
	case isDigit(b):
		return inDigits, 0, true
	case 'a' <= b && b <= 'z':
		return inKeyword, 0, true
	}
	return inRecovery, strayToken, true
}

// inside is a byte of a string. Whether escapes are right is the parser's business.
func (l *lexer) inside(b byte) (next lexState, kind byte, taken bool) {
	switch {
	case b < ' ' || b >= 0xFE:
		return inRecovery, strayToken, true
	case l.state == inEscape:
		return inString, 0, true
	case b == '\\':
		return inEscape, 0, true
	case b == l.quote:
		return inNothing, stringToken, true
	}
	return inString, 0, true
}

func (l *lexer) number(b byte) (next lexState, kind byte, taken bool) {
	digit, exponent := isDigit(b), b == 'e' || b == 'E'
	switch l.state {
	case inSign:
		if digit {
			next, _, _ := l.begin(b)
			return next, 0, true
		}
	case inZero:
		switch {
		case b == '.':
			return inPoint, 0, true
		case !digit:
			return inNothing, numberToken, false
		}
	case inDigits:
		switch {
		case digit:
			return inDigits, 0, true
		case b == '.':
			return inPoint, 0, true
		case exponent:
			return inExponent, 0, true
		}
		return inNothing, numberToken, false
	case inPoint:
		if digit {
			return inFraction, 0, true
		}
	case inFraction:
		switch {
		case digit:
			return inFraction, 0, true
		case exponent:
			return inExponent, 0, true
		}
		return inNothing, numberToken, false
	case inExponent, inExponentSign:
		switch {
		case digit:
			return inExponentDigits, 0, true
		case l.state == inExponent && (b == '+' || b == '-'):
			return inExponentSign, 0, true
		}
	case inExponentDigits:
		if digit {
			return inExponentDigits, 0, true
		}
		return inNothing, numberToken, false
	}
	return inRecovery, strayToken, true
}

func isDigit(b byte) bool { return '0' <= b && b <= '9' }
