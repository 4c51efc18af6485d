package wire

import "bytes"

// Kind is the kind of a JSON value.
type Kind uint8

// The kinds of JSON values. KindInvalid means that no value begins there.
const (
	KindInvalid Kind = iota
	KindString
	KindNumber
	KindBool
	KindNull
	KindObject
	KindArray
)

// String returns the kind as in messages: "a string".
func (k Kind) String() string {
	switch k {
	case KindString:
		return "a string"
	case KindNumber:
		return "a number"
	case KindBool:
		return "a boolean"
	case KindNull:
		return "null"
	case KindObject:
		return "an object"
	case KindArray:
		return "an array"
	default:
		return "no JSON value"
	}
}

// kindOf returns the kind of the values that begin with c.
func kindOf(c byte) Kind {
	switch c {
	case '"':
		return KindString
	case '-', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9':
		return KindNumber
	case 't', 'f':
		return KindBool
	case 'n':
		return KindNull
	case '{':
		return KindObject
	case '[':
		return KindArray
	default:
		return KindInvalid
	}
}

// found describes the begin of a text, for a message that says what was expected.
func found(text []byte) string {
	if len(text) == 0 {
		return "the end of the text"
	}
	unsigned := text
	if text[0] == '-' {
		unsigned = text[1:]
	}
	if len(unsigned) >= 3 && (string(unsigned[:3]) == "inf" || string(unsigned[:3]) == "nan") {
		return "inf or nan, which QEMU prints although JSON has no such numbers"
	}
	if kind := kindOf(text[0]); begins(kind, text, unsigned) {
		return kind.String()
	}
	if c := text[0]; isPlain(c) && c > ' ' {
		return "'" + string(text[:1]) + "'"
	}
	return "a byte that begins no JSON"
}

// begins reports whether a text is the value that its first byte promises, as far as its first
// word: "expected null, found null" would help nobody.
func begins(kind Kind, text, unsigned []byte) bool {
	switch kind {
	case KindNumber:
		return digits(unsigned, 0) > 0
	case KindBool:
		return bytes.HasPrefix(text, []byte("true")) || bytes.HasPrefix(text, []byte("false"))
	case KindNull:
		return bytes.HasPrefix(text, []byte("null"))
	default:
		return kind != KindInvalid
	}
}
