// Package rst reads the markup of QEMU's documentation comments, reStructuredText as far as these
// use it. It returns the few forms that a Go doc comment has: paragraphs, lists and code.
//
// It is lenient: malformed markup becomes a paragraph, and an unknown directive becomes its text.
// The output has no markup. Forms that Go does not have become simpler ones: nested lists become
// one list, tables and literal blocks become code, and notes and warnings become paragraphs that
// begin with the word.
//
// The caller says what the names in the text refer to; see [Reader].
package rst

// Reader reads text. It may be used by several goroutines if its functions may.
type Reader struct {
	// Ref returns what is written for a name that the text marks as one: by "@" or, in old
	// texts, "#" before it, by backquotes around it or by a role such as :qapi:cmd:. If it is
	// nil, names are written as they are.
	Ref func(name string) string

	// Word returns what is written for a word of plain text, which may be the word itself. If it
	// is nil, words are written as they are. A word consists of ASCII letters, digits, "-" and
	// "_", and stands between blanks or punctuation.
	Word func(word string) string
}

// Block is a part of a text: exactly one of [Paragraph], [List] and [Code].
type Block interface{ block() }

// Paragraph is text in one line, without markup.
type Paragraph string

// List is a list of items, none of which holds another list.
type List []Item

// Item is an item of a [List].
type Item struct {
	Number string // of a numbered list, without the dot; "" for a bullet
	Text   []Paragraph
}

// Code is text that is not to be changed: its lines, without an indentation in common and
// without blank lines at the begin and the end.
type Code []string

func (Paragraph) block() {}
func (List) block()      {}
func (Code) block()      {}
