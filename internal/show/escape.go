package show

import (
	"io"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// Escape replaces control characters, and characters that change the direction of a text, by their numbers. Bytes that
// are not UTF-8 become U+FFFD.
func Escape(t string) string { return escape(t, "\t", "    ") }

// EscapeText is Escape for a text with lines and tabs, which stay.
func EscapeText(t string) string { return escape(t, "\n\t", "") }

func escape(t, keep, tab string) string {
	if strings.IndexFunc(t, isControl) < 0 && utf8.ValidString(t) {
		return t
	}
	var out strings.Builder
	for _, r := range t {
		switch {
		case r == '\t' && tab != "":
			out.WriteString(tab)
		case strings.ContainsRune(keep, r) || !isControl(r):
			out.WriteRune(r)
		default:
			q := strconv.QuoteRuneToASCII(r)
			out.WriteString(q[1 : len(q)-1])
		}
	}
	return out.String()
}

// EscapeJSON replaces the same characters in JSON as Escape does. The JSON has the same value as before.
func EscapeJSON(text []byte) []byte {
	if strings.IndexFunc(string(text), isControl) < 0 {
		return text
	}
	var out []byte
	for len(text) > 0 {
		r, n := utf8.DecodeRune(text)
		if !isControl(r) || r == '\n' || r == '\t' || r == '\r' { // the last three are between values
			out = append(out, text[:n]...)
		} else {
			for _, unit := range utf16.AppendRune(nil, r) {
				hex := strconv.FormatUint(uint64(unit), 16)
				out = append(out, `\u`+"0000"[len(hex):]+hex...)
			}
		}
		text = text[n:]
	}
	return out
}

func isControl(r rune) bool { return unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp) }

// An Escaper writes the output of a program to a terminal as EscapeText does. A line can end with "\r\n". Call Close
// after the last Write.
type Escaper struct {
	W    io.Writer
	rest []byte // the beginning of a character
}

// Write writes the escaped text.
func (e *Escaper) Write(p []byte) (int, error) {
	e.rest = append(e.rest, p...)
	end := len(e.rest)
	for i := max(0, end-utf8.UTFMax+1); i < end; i++ {
		if !utf8.FullRune(e.rest[i:]) || i == end-1 && e.rest[i] == '\r' {
			end = i
		}
	}
	text := string(e.rest[:end])
	e.rest = append(e.rest[:0], e.rest[end:]...)
	if err := e.write(text); err != nil {
		return 0, err
	}
	return len(p), nil
}

// Close writes what has waited for the rest of a character. It does not close W.
func (e *Escaper) Close() error {
	text := string(e.rest)
	e.rest = nil
	return e.write(text)
}

func (e *Escaper) write(text string) error {
	if text == "" {
		return nil
	}
	_, err := io.WriteString(e.W, EscapeText(strings.ReplaceAll(text, "\r\n", "\n")))
	return err
}

// Wrap breaks lines that are wider than a width between words. The other parts of a line have its indentation.
func Wrap(t string, width int) string {
	if width <= 0 {
		return t
	}
	var out strings.Builder
	for line := range strings.Lines(t) {
		body := strings.TrimSuffix(line, "\n")
		indent := body[:len(body)-len(strings.TrimLeft(body, " "))]
		for Cells(body) > width {
			at := len(body)
			for i := len(indent); i < len(body) && (at == len(body) || Cells(body[:i]) <= width); i++ {
				if body[i] == ' ' {
					at = i
				}
			}
			rest := strings.TrimLeft(body[at:], " ")
			if rest == "" {
				break
			}
			out.WriteString(strings.TrimRight(body[:at], " ") + "\n")
			body = indent + rest
		}
		out.WriteString(body + line[len(strings.TrimSuffix(line, "\n")):])
	}
	return out.String()
}
