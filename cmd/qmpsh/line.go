package main

import (
	"encoding/json"
	"strings"
)

// A word is a part of a line between blanks, as it is written.
type word struct {
	text     string
	from, to int // bytes of the line
}

// scan cuts a line into words. It keeps quotes, and brackets with everything in them, together. rest is what follows
// a bar between two words, nil if there is none: the filter of the result.
func scan(line string) (words []word, filter *string) {
	var quote byte
	depth, from := 0, -1
	end := func(at int) {
		if from >= 0 {
			words = append(words, word{line[from:at], from, at})
			from = -1
		}
	}
	for i := 0; i < len(line); i++ {
		c := line[i]
		if quote == 0 && depth == 0 {
			switch {
			case c == ' ' || c == '\t' || c == '\n' || c == '\r':
				end(i)
				continue
			case c == '\\' && i+1 < len(line) && line[i+1] == '\n': // the command goes on in the next line
				end(i)
				i++
				continue
			case c == '|' && from < 0:
				rest := strings.TrimSpace(line[i+1:])
				return words, &rest
			case from < 0:
				from = i
			}
		}
		switch {
		case c == '\\' && quote != '\'': // single quotes have no escapes
			i++
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case c == '"' || c == '\'':
			quote = c
		case c == '{' || c == '[':
			depth++
		case c == '}' || c == ']':
			depth = max(0, depth-1)
		}
	}
	end(len(line))
	return words, nil
}

// withoutComment returns a line without comments. A comment begins with "#" between blanks: names of nodes such as
// "#block12" begin with it, too. A line that begins with "#" is a comment.
func withoutComment(line string) string {
	if strings.HasPrefix(strings.TrimLeft(line, " \t"), "#") {
		return ""
	}
	words, _ := scan(line)
	for _, w := range words {
		if w.text == "#" {
			before, rest := strings.TrimRight(line[:w.from], " \t"), line[w.from:]
			if _, after, more := strings.Cut(rest, "\n"); more {
				return withoutComment(before + "\n" + after)
			}
			return before
		}
	}
	return line
}

// unquote returns a word without its quotes, for the shell's own commands.
func unquote(text string) string {
	n := len(text)
	if n < 2 || text[0] != text[n-1] {
		return text
	}
	switch text[0] {
	case '\'':
		return text[1 : n-1]
	case '"':
		var plain string
		if json.Unmarshal([]byte(text), &plain) == nil {
			return plain
		}
	}
	return text
}

// quote returns a word of a line that stands for the text.
func quote(text string) string {
	if !strings.Contains(text, "'") {
		return "'" + text + "'"
	}
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	_ = e.Encode(text) // a string has a JSON form
	return strings.TrimSpace(b.String())
}

// joinWords makes a line from the words of a command line, which are without quotes.
func joinWords(args []string) string {
	var b strings.Builder
	for i, arg := range args {
		if i > 0 {
			b.WriteByte(' ')
		}
		key, value, pair := strings.Cut(arg, "=")
		if pair && !strings.ContainsAny(key, " \t\n'\"\\{[") {
			b.WriteString(key + "=")
		} else {
			value = arg
		}
		if strings.ContainsAny(value, " \t\n'\"\\|") && !strings.HasPrefix(value, "{") && !strings.HasPrefix(value, "[") {
			value = quote(value)
		}
		b.WriteString(value)
	}
	return b.String()
}

// isSwitch reports whether a word is an option of the shell, and not a part of a command.
func isSwitch(text string) bool {
	return len(text) > 1 && text[0] == '-' && (text[1] == '-' || text[1] >= 'a' && text[1] <= 'z')
}

// blankOut replaces a part of the line with blanks, so that the places of the rest stay.
func blankOut(line string, from, to int) string {
	return line[:from] + strings.Repeat(" ", to-from) + line[to:]
}
