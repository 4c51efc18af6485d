package qmpschema

import (
	"errors"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/internal/qemutest"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/introspect"
)

var versions = []string{"5.2", "7.2", "10.0", "11.1"}

// rounds is how many requests there are of each command, for each version.
const rounds = 4

// poison is a member that no command has. QEMU looks for such members last, so that a request with it is never
// executed, and is refused for whatever else is wrong first.
const poison = "zz-poison"

// TestServersRefuseMissing sends QEMUs and storage daemons random requests of all versions' commands, half
// of them changed. They refuse a request for the parts that Missing reports, and for no other part.
func TestServersRefuseMissing(t *testing.T) {
	qemutest.Run(t, versions, func(t *testing.T, q *qemutest.QEMU) {
		refuses(t, q.Start(t, qemutest.Config{}).Dial(t), "qemu")
		refuses(t, q.StartStorage(t).Dial(t), "storage")
	})
}

// refuses sends requests of the commands of a kind of server.
func refuses(t *testing.T, client *qmp.Client, kind string) {
	schema, err := Query(t.Context(), client)
	require.NoError(t, err)
	sent, refused := 0, 0
	for i, version := range versions {
		m := newMaker(capturedOf(t, version, kind), uint64(i))
		for command := range m.schema.Commands() {
			for n := range rounds {
				raw := qmp.Raw{Command: command.Name, Args: m.arguments(command)}
				if n%2 == 1 {
					m.change(raw.Args)
				}
				raw.Args[poison] = 1
				missing, err := Missing(t.Context(), client, raw)
				require.NoError(t, err)
				for _, path := range missing {
					if member, _, ok := strings.Cut(path, "/!"); !ok || !isArray(t, schema, member) {
						requireHas(t, schema, path, false)
					}
				}
				if takesAny(schema, command.Name) {
					require.Empty(t, missing)
					continue
				}
				_, err = raw.Do(t.Context(), client)
				refusal, ok := errors.AsType[*qmp.Error](err)
				require.True(t, ok, "%s: %v", raw.Command, err)
				if why := disagreement(missing, refusal); why != "" {
					text, _ := raw.Args.MarshalJSON()
					t.Errorf("%s %s\nMissing: %q\nserver: %v\n%s", raw.Command, text, missing, refusal, why)
				}
				sent++
				if len(missing) > 1 {
					refused++
				}
			}
		}
	}
	_, err = qmp.Raw{Command: "query-qmp-schema", Args: qmp.Args{poison: 1}}.Do(t.Context(), client)
	require.Equal(t, takesAny(schema, "query-qmp-schema"), err == nil)
	t.Logf("%s: %d requests, %d with something missing", kind, sent, refused)
}

// takesAny reports whether a server may execute a command that has members of any names.
func takesAny(s *introspect.Schema, name string) bool {
	command, ok := s.Lookup(name).(*introspect.Command)
	if !ok {
		return false
	}
	arguments, _ := s.Lookup(command.ArgType).(*introspect.Object)
	return isOpen(s, name, arguments)
}

// isArray reports whether a path leads to an array. A path does not tell an array from its elements: the
// schema may have "!int" of the elements, and not of the array.
func isArray(t *testing.T, s *introspect.Schema, path string) bool {
	has, err := s.Has(path + "/!array")
	require.NoError(t, err)
	return has
}

// The texts with which QEMUs refuse what they do not have.
var (
	unexpected = regexp.MustCompile(`^Parameter '(.*)' is unexpected$`)
	wrongValue = regexp.MustCompile(`^(?:Parameter '.*' does not accept value|Invalid parameter) '(.*)'$`)
	wrongType  = regexp.MustCompile(`^(?:Invalid parameter type for '(.*)', expected: .*|Parameter '(.*)' expects .*)$`)
	index      = regexp.MustCompile(`\[\d+\]`)
)

// disagreement says in what the paths and a refusal do not fit.
func disagreement(missing []string, refusal *qmp.Error) string {
	if refusal.Class == qmp.ErrCommandNotFound {
		if !slices.Equal(missing, []string{refusal.Command}) {
			return "the command is missing"
		}
		return ""
	}
	kinds := map[string]bool{}
	for _, path := range missing {
		kinds[inWordsOf(path)] = true
	}
	matched, said := false, false
	if m := unexpected.FindStringSubmatch(refusal.Desc); m != nil {
		said, matched = true, kinds[index.ReplaceAllString(m[1], "")]
		if m[1] == poison { // the members of the arguments alone remain
			for kind := range kinds {
				if strings.ContainsAny(kind, ".^!") {
					return "QEMU does not mind " + kind
				}
			}
		}
	}
	if m := wrongValue.FindStringSubmatch(refusal.Desc); m != nil {
		said, matched = true, slices.ContainsFunc(missing, func(path string) bool { return strings.HasSuffix(path, "/^"+m[1]) })
	}
	if m := wrongType.FindStringSubmatch(refusal.Desc); m != nil && !matched {
		said = true
		name := index.ReplaceAllString(m[1]+m[2], "")
		for kind := range kinds { // an alternate has its own name only, an element of an array has none
			matched = matched || strings.HasSuffix("."+kind, "."+name+"!") || name == "null" && strings.HasSuffix(kind, "!")
		}
	}
	switch {
	case said && !matched:
		return "not reported"
	case !said && len(missing) > 0 && !strings.HasSuffix(refusal.Desc, "is missing"):
		return "refused for something else"
	}
	return ""
}

// inWordsOf returns a path as QEMU names its place: "file.drop-cache", with the value behind it.
func inWordsOf(path string) string {
	words := ""
	for _, component := range strings.Split(path, "/")[1:] {
		switch {
		case component == "arg-type" && words == "" || component[0] == '+':
		case component[0] == '^' || component[0] == '!':
			words += component[:1]
		case words == "":
			words = component
		default:
			words += "." + component
		}
	}
	return words
}
