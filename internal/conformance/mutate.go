package main

import (
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
)

// mutator makes mutants.
type mutator struct{ *rand.Rand }

// mutate returns text after a single edit, which may have no effect.
func (m mutator) mutate(text string) string {
	edits := []func(string) string{
		m.editLines, m.editComment, m.editCharacter, m.dropToken, m.dropToken,
		m.copyToken, m.copyToken, m.insertPhrase, m.addKey,
	}
	return edits[m.IntN(len(edits))](text)
}

// oneOf returns one of several strings.
func (m mutator) oneOf(s ...string) string { return s[m.IntN(len(s))] }

// editLines drops or repeats a line, or swaps it with the next one.
func (m mutator) editLines(text string) string {
	lines := strings.Split(text, "\n")
	i := m.IntN(len(lines))
	switch m.IntN(3) {
	case 0:
		lines = slices.Delete(lines, i, i+1)
	case 1:
		lines = slices.Insert(lines, i, lines[i])
	default:
		j := (i + 1) % len(lines)
		lines[i], lines[j] = lines[j], lines[i]
	}
	return strings.Join(lines, "\n")
}

// editComment changes a line of a comment, or adds one.
func (m mutator) editComment(text string) string {
	lines := strings.Split(text, "\n")
	var comments []int
	for i, line := range lines {
		if strings.HasPrefix(line, "#") {
			comments = append(comments, i)
		}
	}
	if comments == nil {
		return text
	}
	i := comments[m.IntN(len(comments))]
	switch line := lines[i]; m.IntN(6) {
	case 0:
		lines = slices.Insert(lines, i, m.comment())
	case 1:
		lines[i] = m.comment()
	case 2:
		lines[i] = "# " + strings.TrimLeft(line, "# ")
	case 3:
		lines[i] = strings.Replace(line, "#", "#  ", 1)
	case 4:
		lines[i] = strings.TrimSuffix(line, ":")
	default:
		lines[i] += " "
	}
	return strings.Join(lines, "\n")
}

// comment returns a line of a comment.
func (m mutator) comment() string {
	return m.oneOf("##", "#", "#a", "# a", "# @a:", "# @a: b", "# @a : b", "# @: b", "#   a", "# Features:",
		"# Returns: a", "# Errors: a", "# Since: 1", "# TODO: a", "# Note: a", "# Examples:", "# = A",
		"# A.  B", "# A. B", "# e.g. A", "# 1. A", "# ::", "# .. qmp-example::", "# "+strings.Repeat("a", 69))
}

// editCharacter drops, replaces or adds a character.
func (m mutator) editCharacter(text string) string {
	runes := []rune(text)
	i := m.IntN(len(runes) + 1)
	with := []rune(m.oneOf("", "'", "{", "}", "[", "]", ":", ",", "#", `\`, "\n", "\t", " ", "a", "A", "1", "_",
		"-", "*", "=", "@", ".", "é"))
	return string(slices.Concat(runes[:i], with, runes[min(len(runes), i+m.IntN(2)):]))
}

var tokens = regexp.MustCompile(`'[^'\n]*'|true|false|#[^\n]*|[^\s'#]`)

// replaceToken replaces one of the wanted tokens, if the text has one.
func (m mutator) replaceToken(text, wanted string, with func(token string) string) string {
	var places [][]int
	for _, place := range tokens.FindAllStringIndex(text, -1) {
		if strings.HasPrefix(text[place[0]:], wanted) {
			places = append(places, place)
		}
	}
	if places == nil {
		return text
	}
	p := places[m.IntN(len(places))]
	return text[:p[0]] + with(text[p[0]:p[1]]) + text[p[1]:]
}

func (m mutator) dropToken(text string) string {
	return m.replaceToken(text, "", func(string) string { return "" })
}

// copyToken replaces a token by another one of the text.
func (m mutator) copyToken(text string) string {
	all := tokens.FindAllString(text, -1)
	return m.replaceToken(text, "", func(string) string { return m.oneOf(all...) })
}

// insertPhrase replaces a string by something that has a meaning in some place.
func (m mutator) insertPhrase(text string) string {
	return m.replaceToken(text, "'", func(string) string {
		return m.oneOf("true", "[]", "{}", "''", "'*a'", "'a'", "'A'", "'u'", "'q_a'", "'has-a'", "'a_b'", "'2'",
			"'int'", "'any'", "'null'", "['int']", "{ 'type': 'int' }", "'intList'", "'AList'", "'AKind'",
			"'deprecated'", "'unstable'", "'if'", "'base'", "'data'", "'features'", "'returns': 'int'",
			"'X'", "'defined(X)'", "['X']", "{ 'all': ['X'] }", "{ 'not': 'X' }", "{ 'any': [] }")
	})
}

// addKey adds a member to an object.
func (m mutator) addKey(text string) string {
	return m.replaceToken(text, "{", func(string) string {
		return "{ " + m.oneOf("'a': 'int'", "'*b': ['str']", "'if': 'X'", "'if': { 'all': ['X'] }", "'if': 'defined(X)'",
			"'features': ['f']", "'features': [{ 'name': 'g', 'if': 'X' }]", "'features': ['deprecated']",
			"'base': 'B'", "'discriminator': 'a'", "'prefix': 'P'", "'data': {}", "'returns': 'str'", "'boxed': true",
			"'gen': false", "'coroutine': true", "'allow-oob': true", "'doc-required': true") + ", "
	})
}
