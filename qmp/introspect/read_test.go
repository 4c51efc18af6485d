package introspect_test

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/internal/qemutest"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/introspect"
)

// TestReadBack reads what was written.
func TestReadBack(t *testing.T) {
	s := newest(t)
	text, err := s.MarshalJSON()
	require.NoError(t, err)
	back, err := introspect.Read(text)
	require.NoError(t, err)
	require.Equal(t, s.Infos, back.Infos)

	var lines []string
	for line, err := range s.Lines() {
		require.NoError(t, err)
		lines = append(lines, line)
	}
	require.Equal(t, string(text), "["+strings.Join(lines, ",")+"]")
}

func TestReadReply(t *testing.T) {
	s, err := introspect.Read([]byte(`{"id": 1, "return": [{"json-type": "string", "name": "str", "meta-type": "builtin"}]}`))
	require.NoError(t, err)
	require.Equal(t, &introspect.Builtin{Header: introspect.Header{Name: "str"}, JSONType: "string"}, s.Lookup("str"))
	require.Nil(t, s.Lookup("int"))
}

// TestReadEveryKind reads entries whose members are in another order.
func TestReadEveryKind(t *testing.T) {
	s, err := introspect.Read([]byte(`[
		{"ret-type": "1", "name": "c", "allow-oob": true, "features": ["f", "g"], "arg-type": "0", "meta-type": "command"},
		{"arg-type": "0", "meta-type": "event", "name": "E"},
		{"variants": [{"type": "1", "case": "a"}], "tag": "t", "members": [{"default": null, "type": "2", "name": "t", "features": ["f"]}],
			"meta-type": "object", "name": "0", "coming": {"later": []}},
		{"name": "2", "meta-type": "enum", "values": ["a"], "members": [{"features": ["f"], "name": "a"}]},
		{"name": "3", "meta-type": "enum", "values": ["a", "b"]},
		{"members": [{"type": "str"}], "name": "4", "meta-type": "alternate"},
		{"name": "5", "meta-type": "hologram"}
	]`))
	require.NoError(t, err)
	require.Equal(t, []introspect.Info{
		&introspect.Command{Header: introspect.Header{Name: "c", Features: []string{"f", "g"}}, ArgType: "0", RetType: "1", AllowOOB: true},
		&introspect.Event{Header: introspect.Header{Name: "E"}, ArgType: "0"},
		&introspect.Object{
			Header:   introspect.Header{Name: "0"},
			Members:  []introspect.Member{{Name: "t", Type: "2", Optional: true, Features: []string{"f"}}},
			Tag:      "t",
			Variants: []introspect.Variant{{Case: "a", Type: "1"}},
		},
		&introspect.Enum{Header: introspect.Header{Name: "2"}, Members: []introspect.EnumMember{{Name: "a", Features: []string{"f"}}}},
		&introspect.Enum{Header: introspect.Header{Name: "3"}, Members: []introspect.EnumMember{{Name: "a"}, {Name: "b"}}, ValuesOnly: true},
		&introspect.Alternate{Header: introspect.Header{Name: "4"}, Types: []string{"str"}},
		&introspect.Unknown{Header: introspect.Header{Name: "5"}, Meta: "hologram"},
	}, s.Infos)
	require.Len(t, slices.Collect(s.Commands()), 1)
	require.Len(t, slices.Collect(s.Events()), 1)
	require.Equal(t, "hologram", s.Lookup("5").MetaType())
}

func TestReadErrors(t *testing.T) {
	for text, want := range map[string]string{
		``:              "introspect: expected an array, found the end of the text (at byte 0)",
		`{}`:            `introspect: the reply has no member "return"`,
		`{"return": 1}`: "introspect: return: expected an array, found a number (at byte 11)",
		`[1]`:           "introspect: [0]: expected an object, found a number (at byte 1)",
		`[] x`:          "introspect: something follows the value (at byte 3)",
		`[{"name": "a", "meta-type": "b"}, {"members": [{}, {"name": 1}]}]`: "introspect: [1].members[1].name: expected a string, found a number (at byte 60)",
		`[{"name": "a"}]`:           "introspect: an entry has no name or no meta-type (at byte 14)",
		`[{"meta-type": "object"}]`: "introspect: an entry has no name or no meta-type (at byte 24)",
		`[{"name": "a"`:             "introspect: [0]: expected a comma or the end of the object, found the end of the text (at byte 13)",
		`[{"features": [null]}]`:    "introspect: [0].features[0]: expected a string, found null (at byte 15)",
	} {
		_, err := introspect.Read([]byte(text))
		require.EqualError(t, err, want)
		require.ErrorAs(t, err, new(*introspect.ReadError))
	}
}

// TestServers reads what servers say of themselves, and writes it again.
func TestServers(t *testing.T) {
	qemutest.Run(t, []string{"5.2", "7.2", "10.0", "11.1"}, func(t *testing.T, q *qemutest.QEMU) {
		c := q.Start(t, qemutest.Config{}).Dial(t)
		answer, err := qmp.Raw{Command: "query-qmp-schema"}.Do(t.Context(), c)
		require.NoError(t, err)
		s, err := introspect.Read(answer)
		require.NoError(t, err)
		for _, info := range s.Infos {
			require.NotEqual(t, reflect.TypeFor[*introspect.Unknown](), reflect.TypeOf(info))
		}
		text, err := s.MarshalJSON()
		require.NoError(t, err)
		require.JSONEq(t, string(answer), string(text))

		for path, want := range map[string]bool{
			"blockdev-add/arg-type/+file/$dynamic-auto-read-only": true,
			"blockdev-add/arg-type/+file/aio/^threads":            true,
			"device_add/$json-cli-hotplug":                        q.AtLeast(6, 2),
			"query-cpus":                                          !q.AtLeast(6, 0),
			"migrate/arg-type/*channels":                          q.AtLeast(8, 2),
		} {
			has, err := s.Has(path)
			require.NoError(t, err, path)
			require.Equal(t, want, has, path)
		}
	})
}

func FuzzRead(f *testing.F) {
	f.Add([]byte(sample), "c/arg-type/ 9lives/!int")
	f.Add([]byte(`{"return":[{"name":"c","meta-type":"command","arg-type":"c","ret-type":"c"}]}`), "c/ret-type/x")
	f.Fuzz(func(t *testing.T, text []byte, path string) {
		s, err := introspect.Read(text)
		if err != nil {
			return
		}
		_, _ = s.Has(path)
		again, err := s.MarshalJSON()
		if err != nil {
			t.Fatal(err)
		}
		back, err := introspect.Read(again)
		if err != nil {
			t.Fatalf("%v\nin %s", err, again)
		}
		if len(back.Infos) != len(s.Infos) {
			t.Fatalf("%d entries, not %d", len(back.Infos), len(s.Infos))
		}
	})
}
