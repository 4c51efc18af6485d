package facts

import (
	"regexp"

	"github.com/qmpkit/qmpkit/internal/syntax"
	"github.com/qmpkit/qmpkit/qapi"
)

// remarks are the versions in a definition's documentation. The key is "" for the definition itself, the name of a
// member, a value or an alternative, or "$" and the name of a feature.
type remarks map[string][]string

var number = regexp.MustCompile(`\d+\.\d+(?:\.\d+)*`)

// readRemarks reads a definition's documentation.
func readRemarks(doc *qapi.Doc) remarks {
	r := remarks{}
	if doc == nil {
		return r
	}
	for i := range doc.Sections {
		s := &doc.Sections[i]
		switch {
		case s.Kind == qapi.DocMember:
			r.add(s.Name, syntax.SinceVersions(s.Lines))
		case s.Kind == qapi.DocFeature:
			r.add("$"+s.Name, syntax.SinceVersions(s.Lines))
		case s.Kind == qapi.DocTagged && s.Name == "Since":
			r.add("", number.FindAllString(s.Text(), -1))
		}
		for name, versions := range syntax.NamedVersions(s.Lines) {
			if name != s.Name {
				r.add(name, versions)
			}
		}
	}
	return r
}

func (r remarks) add(name string, versions []string) {
	for _, v := range versions {
		r[name] = append(r[name], released(short(v)))
	}
}

// released returns the release that a planned version became: 2.13 became 3.0.
func released(version string) string {
	if version == "2.13" {
		return "3.0"
	}
	return version
}

// replacement returns the name that the text of a deprecation recommends, "" if there is none.
func replacement(doc *qapi.Doc) string {
	if s := doc.Feature(qapi.Deprecated); s != nil {
		return syntax.Instead(s.Lines)
	}
	return ""
}
