package page

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/qmpkit/qmpkit/internal/gogen"
	"github.com/qmpkit/qmpkit/qapi"
	"github.com/qmpkit/qmpkit/qapi/facts"
)

// The data is compact, since there are 8,000 paths: tables have the repeated texts, and numbers refer to
// them. The names of the fields are short for the same reason. Zeroes at the end of a row are left out.

// A document is all data of a page.
type document struct {
	Releases []string     `json:"releases"` // the axis of the bars
	Dates    []date       `json:"dates"`
	Times    [][]int      `json:"times"`   // dates in pairs: came, went; -1: it is there still
	Strings  []string     `json:"strings"` // the first is ""
	Servers  []serverData `json:"servers"`
}

// A date is: the release, the release after which it was, the one by which it was, the source, versions that
// were not taken. The second and the third are "" if the release is exact.
type date [5]string

// A serverData is the data of a server.
type serverData struct {
	Key      string   `json:"key"`
	Title    string   `json:"title"`
	Package  string   `json:"package"`
	Versions []string `json:"versions"` // whose schemas are known
	Manual   string   `json:"manual"`   // the address that references begin with
	// Nodes are rows: kind, name, module, tag, times, condition, what to use, deprecated
	// since, Go name, reference, then the parts. All but
	// the times and the parts are indexes of strings. The parts are rows: label, target, times, times in which
	// it is optional, Go name, condition, what to use, deprecated since, 1 for a list.
	Nodes [][]any `json:"nodes"`
	// Paths has two numbers for each path: the index of the path before its last component, -1 for none, and
	// this component.
	Paths []int `json:"paths"`
	// Features are the Go constants of features, by path.
	Features map[string]string `json:"features"`
}

// An encoder makes a document.
type encoder struct {
	document
	index map[string]int // of dates, times and strings, by kind and value
}

func encode(servers []Server) ([]byte, error) {
	e := &encoder{index: map[string]int{}}
	e.string("")
	first, last := "", ""
	for _, s := range servers {
		data, err := e.server(s)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", s.Key, err)
		}
		e.Servers = append(e.Servers, data)
		for _, v := range data.Versions {
			if first == "" || facts.Compare(v, first) < 0 {
				first = v
			}
			if facts.Compare(v, last) > 0 {
				last = v
			}
		}
	}
	for v := range facts.Releases(first, last) {
		e.Releases = append(e.Releases, v)
	}
	return json.Marshal(&e.document) // with < as \u003c: nothing ends the script
}

func (e *encoder) server(s Server) (data serverData, err error) {
	names := map[string]string{}
	if s.Schema != nil {
		if names, err = gogen.Names(s.Schema); err != nil {
			return data, err
		}
	}
	lists := listsOf(s.Schema)
	data = serverData{Key: s.Key, Title: s.Title, Package: s.Package, Versions: s.Facts.Versions(), Features: map[string]string{}}
	for n := range s.Facts.Nodes() {
		var parts []any
		for _, p := range n.Parts {
			list := 0
			if lists[n.Name+"/"+p.Label] {
				list = 1
			}
			parts = append(parts, trim([]any{e.string(p.Label), e.string(p.Target), e.times(p.Times), e.times(p.Optional),
				e.string(names[n.Name+"/"+p.Label]), e.string(p.If), e.string(p.Use), e.string(p.Deprecated), list}))
		}
		manual, place, found := strings.Cut(s.Facts.Reference(n.Name), "#")
		if found {
			data.Manual = manual + "#"
		}
		data.Nodes = append(data.Nodes, append([]any{e.string(n.Kind), e.string(n.Name), e.string(n.Module), e.string(n.Tag),
			e.times(n.Times), e.string(n.If), e.string(n.Use), e.string(n.Deprecated), e.string(names[n.Name]), e.string(place)}, parts...))
	}
	known := map[string]int{}
	for path := range s.Facts.Paths() {
		before, last := -1, path
		if i := strings.LastIndexByte(path, '/'); i >= 0 {
			var ok bool
			if before, ok = known[path[:i]]; !ok {
				return data, fmt.Errorf("%s comes before %s", path, path[:i])
			}
			last = path[i+1:]
		}
		known[path] = len(known)
		data.Paths = append(data.Paths, before, e.string(last))
		if name := names[path]; name != "" && strings.HasPrefix(last, "$") {
			data.Features[path] = name
		}
	}
	return data, nil
}

// trim cuts zeroes off the end of a row.
func trim(row []any) []any {
	for len(row) > 0 && row[len(row)-1] == 0 {
		row = row[:len(row)-1]
	}
	return row
}

// string returns the index of a string.
func (e *encoder) string(s string) int {
	return intern(e, &e.Strings, "string "+s, s)
}

// times returns the index of some times, which is one more than that in the table: 0 is never.
func (e *encoder) times(spans []facts.Span) int {
	if len(spans) == 0 {
		return 0
	}
	var row []int
	for _, s := range spans {
		went := -1
		if s.Removed.Release != "" {
			went = e.date(s.Removed)
		}
		row = append(row, e.date(s.Since), went)
	}
	return intern(e, &e.Times, fmt.Sprint("times ", row), row) + 1
}

func (e *encoder) date(d facts.Date) int {
	row := date{d.Release, d.After, d.By, d.Source, strings.Join(d.Instead, "; ")}
	return intern(e, &e.Dates, fmt.Sprintf("date %q", row), row)
}

// intern returns the index of a value in a table, to which it is added if it is new.
func intern[T any](e *encoder, table *[]T, key string, value T) int {
	i, ok := e.index[key]
	if !ok {
		i = len(*table)
		e.index[key] = i
		*table = append(*table, value)
	}
	return i
}

// listsOf returns the members, results and alternatives of a schema that are lists, as "NODE/LABEL".
func listsOf(s *qapi.Schema) map[string]bool {
	lists := map[string]bool{}
	if s == nil {
		return lists
	}
	note := func(owner, label string, t qapi.Type) {
		if _, ok := t.(*qapi.Array); ok {
			lists[owner+"/"+label] = true
		}
	}
	members := func(t qapi.ObjectType) {
		if t == nil {
			return
		}
		for _, m := range t.AllMembers() {
			note(t.Head().Name, m.Name, m.Type)
		}
	}
	for _, d := range s.Definitions {
		switch d := d.(type) {
		case *qapi.Command:
			note(d.Name, "ret-type", d.Returns)
			members(d.Arg)
		case *qapi.Event:
			members(d.Arg)
		case *qapi.Alternate:
			for _, a := range d.Alternatives {
				note(d.Name, "|"+a.Name, a.Type)
			}
		case qapi.ObjectType:
			members(d)
		}
	}
	return lists
}
