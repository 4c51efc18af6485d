package syntax

import "strings"

// What is known from a server only says so in its documentation, as a section of its own with this
// text and nothing else: a paragraph for a definition, the text of a member for a member.
const (
	seenBegin = "(seen first in "
	seenEnd   = ")"
)

// SeenMark is the text that says that something was first seen in a server of a QEMU version, such
// as "11.1". It may be older: there may be versions between that nobody looked at.
func SeenMark(version string) string { return seenBegin + version + seenEnd }

// Seen returns the version in the text of a section that is such a mark, and "" if it is none.
func Seen(lines []string) string {
	if len(lines) != 1 {
		return ""
	}
	version, begins := strings.CutPrefix(lines[0], seenBegin)
	version, ends := strings.CutSuffix(version, seenEnd)
	if !begins || !ends || strings.ContainsAny(version, "()") {
		return ""
	}
	return version
}
