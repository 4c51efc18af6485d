package syntax

import "strings"

// Parts that only a server has are marked in their documentation, by a section with only this
// text: a paragraph for a definition, the text of a member for a member.
const (
	seenBegin = "(seen first in "
	seenEnd   = ")"
)

// SeenMark returns the text which says that a part was first seen in a server of a QEMU version,
// such as "11.1". An older version may also have the part, if nobody has looked at it.
func SeenMark(version string) string { return seenBegin + version + seenEnd }

// Seen returns the version if the text of a section is a [SeenMark], and "" otherwise.
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
