package introspect_test

import (
	"encoding/json"
	"errors"
	"math/rand/v2"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/internal/qemutest"
	"github.com/qmpkit/qmpkit/qapi"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/introspect"
	"github.com/qmpkit/qmpkit/testdata/schema"
)

// A model answers queries as libvirt does, on the plain JSON of an answer.
type model map[string]map[string]any

func newModel(t *testing.T, answer []byte) model {
	t.Helper()
	var entries []map[string]any
	require.NoError(t, json.Unmarshal(answer, &entries))
	m := model{}
	for _, entry := range entries {
		m[entry["name"].(string)] = entry
	}
	return m
}

// The answers of a model.
const (
	yes       = "yes"
	no        = "no"
	malformed = "malformed"
	loop      = "loop"
)

func (m model) ask(query string) string {
	components := strings.Split(query, "/")
	if m[components[0]] == nil {
		return no
	}
	return m.walk(components[0], components[1:], 0)
}

func (m model) walk(name string, rest []string, depth int) string {
	entry := m[name]
	switch {
	case entry == nil || depth > 1000:
		return loop
	case len(rest) == 0:
		return yes
	}
	first, more := rest[0], rest[1:]
	modifier, bare := byte(0), first
	if c := first[0]; strings.ToLower(string(c)) == strings.ToUpper(string(c)) {
		modifier, bare = c, first[1:]
	}
	next := func(typ any) string {
		if typ == nil {
			return no
		}
		return m.walk(typ.(string), more, depth+1)
	}
	switch meta := entry["meta-type"]; {
	case len(more) == 0 && has(addition[meta.(string)], first): // libvirt has no such types
		return yes
	case meta == "array":
		return m.walk(entry["element-type"].(string), rest, depth+1)
	case meta == "alternate":
		for _, member := range list(entry["members"]) {
			if answer := m.walk(member["type"].(string), rest, depth+1); answer != no {
				return answer
			}
		}
		return no
	case meta == "enum":
		switch {
		case modifier != '^':
			return no
		case len(more) > 1 || len(more) == 1 && more[0][0] != '$':
			return malformed
		case entry["members"] == nil:
			return said(len(more) == 0 && has(entry["values"], bare))
		}
		value := find(entry["members"], "name", bare)
		return said(value != nil && (len(more) == 0 || has(value["features"], more[0][1:])))
	case meta == "builtin":
		switch {
		case modifier != '!':
			return no
		case len(more) > 0:
			return malformed
		}
		return said(entry["json-type"] == bare)
	case modifier == '^' || modifier == '!':
		return no
	case modifier == '$':
		if len(more) > 0 {
			return malformed
		}
		return said(has(entry["features"], bare))
	case meta == "command" || meta == "event":
		if modifier == '+' || modifier == '*' || bare != "arg-type" && bare != "ret-type" {
			return no // of other members of the entry libvirt would take the text for a type's name
		}
		return next(entry[bare])
	case meta == "object" && modifier == '+':
		return next(find(entry["variants"], "case", bare)["type"])
	case meta == "object":
		member := find(entry["members"], "name", bare)
		if _, optional := member["default"]; modifier == '*' && !optional {
			return no
		}
		return next(member["type"])
	}
	return no
}

// addition has the JSON types that Has takes and libvirt does not.
var addition = map[string][]any{"enum": {"!string"}, "object": {"!object"}, "array": {"!array"}}

func said(is bool) string {
	if is {
		return yes
	}
	return no
}

func list(array any) (all []map[string]any) {
	elements, _ := array.([]any)
	for _, e := range elements {
		all = append(all, e.(map[string]any))
	}
	return all
}

func find(array any, key, want string) map[string]any {
	for _, e := range list(array) {
		if e[key] == want {
			return e
		}
	}
	return nil
}

func has(array any, want string) bool {
	elements, _ := array.([]any)
	return slices.Contains(elements, any(want))
}

// path returns a query that mostly leads somewhere: real names with all modifiers, and sometimes
// another component on top, or one that is not there.
func (m model) path(names []string, r *rand.Rand) string {
	name := names[r.IntN(len(names))]
	components := []string{name}
	for entry := m[name]; entry != nil && r.IntN(12) > 0; {
		var modifier, name string
		var next any
		switch entry["meta-type"] {
		case "array":
			entry = m[entry["element-type"].(string)]
			continue
		case "alternate":
			members := list(entry["members"])
			entry = m[members[r.IntN(len(members))]["type"].(string)]
			continue
		case "builtin":
			modifier, name = "!", entry["json-type"].(string)
		case "enum":
			values := entry["values"].([]any)
			modifier, name = "^", values[r.IntN(len(values))].(string)
			if value := find(entry["members"], "name", name); value != nil {
				next = value // its features
			}
		case "object":
			members, variants := list(entry["members"]), list(entry["variants"])
			switch i := r.IntN(len(members) + len(variants) + 1); {
			case i < len(members):
				name, next = members[i]["name"].(string), members[i]["type"]
			case i < len(members)+len(variants):
				v := variants[i-len(members)]
				modifier, name, next = "+", v["case"].(string), v["type"]
			}
		default:
			name = []string{"arg-type", "arg-type", "ret-type", "features"}[r.IntN(4)]
			next = entry[name]
		}
		if features, _ := entry["features"].([]any); len(features) > 0 && r.IntN(2) == 0 {
			modifier, name, next = "$", features[r.IntN(len(features))].(string), nil
		}
		if r.IntN(4) == 0 {
			modifier = []string{"", " ", "*", "+", "^", "!", "$", "_", "9"}[r.IntN(9)]
		}
		if r.IntN(20) == 0 {
			name += "x"
		}
		if modifier+name == "" {
			break // an object without members
		}
		components = append(components, modifier+name)
		switch next := next.(type) {
		case string:
			entry = m[next]
		case map[string]any:
			entry = next
		default:
			if entry = nil; r.IntN(4) == 0 {
				components = append(components, []string{"x", "arg-type", "^x", "!string", "$x", "*x", "+x", " x"}[r.IntN(8)])
			}
		}
	}
	return strings.Join(components, "/")
}

// checkModel compares answers to random queries with the model's.
func checkModel(t *testing.T, answer []byte) {
	t.Helper()
	s, err := introspect.Read(answer)
	require.NoError(t, err)
	m := newModel(t, answer)
	var names []string
	for _, info := range s.Infos {
		names = append(names, info.Head().Name)
	}
	r := rand.New(rand.NewPCG(30, 0))
	count := map[string]int{}
	for range 30_000 {
		query := m.path(names, r)
		want := m.ask(query)
		count[want]++
		got := no
		switch has, err := s.Has(query); {
		case errors.Is(err, introspect.ErrQuery):
			got = malformed
		case err != nil:
			got = loop
		case has:
			got = yes
		}
		if got != want {
			t.Errorf("%s: %s, and libvirt says %s", query, got, want)
		}
	}
	require.Greater(t, min(count[yes], count[no], count[malformed]), 300, "%v", count)
}

// TestHasAsLibvirt asks every schema at hand.
func TestHasAsLibvirt(t *testing.T) {
	captured, err := schema.Captured.ReadDir("captured")
	require.NoError(t, err)
	for _, folder := range captured {
		for _, name := range []string{"qemu.json", "storage.json"} {
			t.Run(folder.Name()+"/"+name, func(t *testing.T) {
				answer, err := schema.Captured.ReadFile(path.Join("captured", folder.Name(), name))
				require.NoError(t, err)
				checkModel(t, answer)
			})
		}
	}
	for _, main := range append([]string{schema.NewestQEMU}, schema.Mains...) {
		t.Run(main, func(t *testing.T) {
			s, err := qapi.LoadFS(schema.FS, main, nil)
			require.NoError(t, err)
			answer, err := s.Introspect(qapi.IntrospectOptions{}).MarshalJSON()
			require.NoError(t, err)
			checkModel(t, answer)
		})
	}
}

// TestHasAsLibvirtOfServers asks running servers.
func TestHasAsLibvirtOfServers(t *testing.T) {
	qemutest.Run(t, []string{"5.2", "7.2", "10.0", "11.1"}, func(t *testing.T, q *qemutest.QEMU) {
		answer, err := qmp.Raw{Command: "query-qmp-schema"}.Do(t.Context(), q.Start(t, qemutest.Config{}).Dial(t))
		require.NoError(t, err)
		checkModel(t, answer)
	})
}
