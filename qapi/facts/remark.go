package facts

import (
	"regexp"
	"strings"

	"github.com/qmpkit/qmpkit/qapi"
)

// remarks are the versions that one schema's documentation has for a definition: for the definition
// itself by "", for its members, values and alternatives by their names, for features by "$" and the name.
type remarks map[string][]string

const version = `v?(\d+\.\d+(?:\.\d+)*)`

var (
	// inParens finds "(since 3.0)", "(default: 0, since 6.2)", "(since: 5.2;", "(Since 2.4".
	inParens = regexp.MustCompile(`\([^()]*\b[Ss]ince:? (?:QEMU )?` + version)
	// sentence finds "since 2.9", "... Since 7.0.1." as a sentence, or what stands between dashes.
	sentence = regexp.MustCompile(`(?:^|[.;,:] |-- ?)[Ss]ince:? (?:QEMU )?` + version + `\.?(?: \(|;| --|$| [A-Z])`)
	// listed finds "- @abort: since 1.6", "'dgram' since 7.2", "@vhost-vdpa since 5.1" and "nvdimm is
	// included since 2.12" in a text about something else.
	listed = regexp.MustCompile("(?:^|[ '\"`@(])([A-Za-z0-9_][A-Za-z0-9_.-]*)['\"`]?(?::| -| is included| option is available)? [Ss]ince:? " + version)
	number = regexp.MustCompile(version)
	// replaced finds what the text of a deprecation says to use: "Use @id instead".
	replaced = regexp.MustCompile("(?:[Uu]se|[Ss]uperseded by|[Rr]eplaced by|in favor of|favour of)(?: the| argument| command| member| parameter)*:? ['\"`@]*([A-Za-z][A-Za-z0-9_-]*)")
)

// since returns the versions that a text of a member or a feature gives, the best guess first. What
// it says of Linux or of a change ("since QEMU 2.7 it can have …") is none.
func since(text string) (versions []string) {
	for _, form := range []*regexp.Regexp{inParens, sentence} {
		for _, m := range form.FindAllStringSubmatch(text, -1) {
			versions = append(versions, m[1])
		}
		if versions != nil {
			return versions
		}
	}
	return nil
}

// readRemarks reads a definition's documentation.
func readRemarks(doc *qapi.Doc) remarks {
	r := remarks{}
	if doc == nil {
		return r
	}
	for i := range doc.Sections {
		s := &doc.Sections[i]
		text := strings.Join(strings.Fields(s.Text()), " ")
		switch {
		case s.Kind == qapi.DocMember:
			r.add(s.Name, since(text)...)
		case s.Kind == qapi.DocFeature:
			r.add("$"+s.Name, since(text)...)
		case s.Kind == qapi.DocTagged && s.Name == "Since":
			for _, m := range number.FindAllStringSubmatch(text, -1) {
				r.add("", m[1])
			}
		}
		for _, m := range listed.FindAllStringSubmatch(text, -1) {
			if m[1] != s.Name {
				r.add(m[1], m[2])
			}
		}
	}
	return r
}

func (r remarks) add(name string, versions ...string) {
	if versions != nil {
		r[name] = append(r[name], versions...)
	}
}

// replacement returns the name that the text of a deprecation says to use, "" if it says none.
func replacement(doc *qapi.Doc, feature string) string {
	if s := doc.Feature(feature); s != nil {
		if m := replaced.FindStringSubmatch(strings.Join(strings.Fields(s.Text()), " ")); m != nil {
			return m[1]
		}
	}
	return ""
}
