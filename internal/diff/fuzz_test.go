package diff_test

import (
	"fmt"
	"testing"

	"github.com/qmpkit/qmpkit/internal/diff"
	"github.com/qmpkit/qmpkit/qmp/introspect"
)

// FuzzCompare compares any two answers: a malformed one gives an error, a schema does not differ
// from itself, and no change is reported twice.
func FuzzCompare(f *testing.F) {
	const head = `[{"name":"c","meta-type":"command","arg-type":"0","ret-type":"[0]","features":["f"],"allow-oob":true},
		{"name":"E","meta-type":"event","arg-type":"1"},{"name":"[0]","meta-type":"array","element-type":"0"},
		{"name":"int","meta-type":"builtin","json-type":"int"},{"name":"str","meta-type":"builtin","json-type":"string"},`
	seeds := []string{
		`[]`,
		`[{"name":"c","meta-type":"command","arg-type":"c","ret-type":"x"}]`,
		head + `{"name":"0","meta-type":"object","members":[{"name":"k","type":"str"},{"name":"x","type":"0","default":null}]},
			{"name":"1","meta-type":"object","members":[{"name":"a","type":"2","features":["deprecated"]}]},
			{"name":"2","meta-type":"alternate","members":[{"type":"str"},{"type":"0"}]}]`,
		head + `{"name":"0","meta-type":"object","members":[{"name":"k","type":"3"}],"tag":"k",
				"variants":[{"case":"a","type":"1"},{"case":"b","type":"0"}]},
			{"name":"1","meta-type":"object","members":[{"name":"x","type":"0"},{"name":"a","type":"int"}]},
			{"name":"3","meta-type":"enum","values":["a","b"],"members":[{"name":"a","features":["f"]},{"name":"b"}]}]`,
		head + `{"name":"0","meta-type":"alternate","members":[{"type":"[0]"}]},{"name":"1","meta-type":"hologram"}]`,
	}
	for _, a := range seeds {
		for _, b := range seeds {
			f.Add([]byte(a), []byte(b))
		}
	}
	f.Fuzz(func(t *testing.T, a, b []byte) {
		old, err := introspect.Read(a)
		if err != nil {
			return
		}
		new, err := introspect.Read(b)
		if err != nil {
			return
		}
		if same, err := diff.Compare(old, old); err == nil && len(same) > 0 {
			t.Fatalf("a schema differs from itself: %v", lines(same))
		}
		changes, err := diff.Compare(old, new)
		_, errBack := diff.Compare(new, old)
		if (err == nil) != (errBack == nil) {
			t.Fatalf("%v, but back %v", err, errBack)
		}
		seen := map[string]bool{}
		for _, c := range changes {
			key := fmt.Sprintf("%#v", c)
			if seen[key] || len(c.Users) == 0 && c.What != diff.Type {
				t.Fatalf("%+v", c)
			}
			seen[key] = true
		}
	})
}
