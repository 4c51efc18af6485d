package syntax

import (
	"regexp"
	"strings"
)

const versionPattern = `v?(\d+\.\d+(?:\.\d+)*)`

var (
	// inParens finds "(since 3.0)", "(default: 0, since 6.2)", "(since: 5.2;", "(Since 2.4".
	inParens = regexp.MustCompile(`\([^()]*\b[Ss]ince:? (?:QEMU )?` + versionPattern)
	// asSentence finds "since 2.9" and "… Since 7.0.1." as a sentence, and text between dashes.
	asSentence = regexp.MustCompile(`(?:^|[.;,:] |-- ?)[Ss]ince:? (?:QEMU )?` + versionPattern + `\.?(?: \(|;| --| on |$| [A-Z])`)
	// named finds "- @abort: since 1.6", "'dgram' since 7.2", "@vhost-vdpa since 5.1" and "nvdimm is
	// included since 2.12" in a text about something else.
	named = regexp.MustCompile("(?:^|[ '\"`@(])([A-Za-z0-9_][A-Za-z0-9_.-]*)['\"`]?(?::| -| is included| option is available)? [Ss]ince:? " + versionPattern)
	// instead finds the replacement in the text of a deprecation: "Use @id instead".
	instead = regexp.MustCompile("(?:[Uu]se|[Ss]uperseded by|[Rr]eplaced by|favou?r of)(?: the| argument| command| member| parameter)*:? ['\"`@]*([A-Za-z][A-Za-z0-9_-]*)")
)

// SinceVersions returns the first QEMU versions with a member, a value or a feature, according to its text.
// The most likely version comes first. It ignores versions of Linux, and versions of a change: "(since
// Linux 2.6.33)", "since QEMU 2.7 it can have …".
func SinceVersions(lines []string) (versions []string) {
	text := oneLine(lines)
	for _, form := range []*regexp.Regexp{inParens, asSentence} {
		for rest := text; ; {
			m := form.FindStringSubmatchIndex(rest)
			if m == nil {
				break
			}
			versions = append(versions, rest[m[2]:m[3]])
			rest = rest[m[3]:] // what follows a version may begin the next remark
		}
		if versions != nil {
			return versions
		}
	}
	return nil
}

// NamedVersions returns the versions in a text that belong to names in it, as in "@abort: since
// 1.6". The key is the name.
func NamedVersions(lines []string) map[string][]string {
	versions := map[string][]string{}
	for _, m := range named.FindAllStringSubmatch(oneLine(lines), -1) {
		versions[m[1]] = append(versions[m[1]], m[2])
	}
	return versions
}

// Instead returns the name that the text of a deprecation recommends, or "" if there is none.
func Instead(lines []string) string {
	if m := instead.FindStringSubmatch(oneLine(lines)); m != nil {
		return m[1]
	}
	return ""
}

func oneLine(lines []string) string {
	return strings.Join(strings.Fields(strings.Join(lines, " ")), " ")
}

// remark returns the versions and the replacement in a text, in a form that SinceVersions and Instead read,
// or "" if there are none.
func remark(lines []string, deprecation bool) string {
	var said []string
	for _, version := range SinceVersions(lines) {
		said = append(said, "(since "+version+")")
	}
	if use := Instead(lines); deprecation && use != "" {
		said = append(said, "(use "+use+")")
	}
	return strings.Join(said, " ")
}

// IsRemark reports whether a text is in the form that [Print] writes for the versions and
// replacements in a text.
func IsRemark(lines []string) bool {
	return len(lines) == 1 && (lines[0] == remark(lines, true) || lines[0] == remark(lines, false))
}
