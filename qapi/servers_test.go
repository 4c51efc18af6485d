package qapi_test

import (
	"maps"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/internal/qemutest"
	"github.com/qmpkit/qmpkit/qapi"
	"github.com/qmpkit/qmpkit/qmp/introspect"
	"github.com/qmpkit/qmpkit/qmp/qmpschema"
	"github.com/qmpkit/qmpkit/testdata/schema"
)

// TestServersSaySo compares a server's answer with the answer from its source, entry by entry,
// under the configuration of the server's build. Within one version the numbers of types are the
// same.
func TestServersSaySo(t *testing.T) {
	qemutest.Run(t, qemutest.SourceVersions, func(t *testing.T, q *qemutest.QEMU) {
		live, err := qmpschema.Query(t.Context(), q.Start(t, qemutest.Config{}).Dial(t))
		require.NoError(t, err)
		s, err := qapi.Load(filepath.Join(qemutest.Source(t, q.Release()), schema.QEMU), nil)
		require.NoError(t, err)
		config, view := inferConfig(s, live, !q.AtLeast(6, 2))
		t.Logf("built without %v", slices.Sorted(maps.Keys(config)))

		require.NotEmpty(t, live.Infos)
		for _, want := range view.Infos {
			require.Equal(t, want, live.Lookup(want.Head().Name))
		}
		require.Len(t, live.Infos, len(view.Infos))
	})
}

// inferConfig finds out what names are not in a server's configuration: it takes away one after
// the other, as long as the view comes nearer to the server's.
func inferConfig(s *qapi.Schema, live *introspect.Schema, valuesOnly bool) (missing map[string]bool, view *introspect.Schema) {
	missing = map[string]bool{}
	under := func() *introspect.Schema {
		return s.Introspect(qapi.IntrospectOptions{
			ValuesOnly: valuesOnly,
			Config:     func(name string) bool { return !missing[name] },
		})
	}
	names := map[string]bool{}
	s.Introspect(qapi.IntrospectOptions{Config: func(name string) bool { names[name] = true; return true }})
	s.Introspect(qapi.IntrospectOptions{Config: func(name string) bool { names[name] = true; return false }})

	want := parts(live)
	distance := func() (n int) {
		have := parts(under())
		for part := range have {
			if !want[part] {
				n++
			}
		}
		for part := range want {
			if !have[part] {
				n++
			}
		}
		return n
	}
	best := distance()
	for better := true; better; {
		better = false
		for _, name := range slices.Sorted(maps.Keys(names)) {
			flip := func() {
				if missing[name] {
					delete(missing, name)
				} else {
					missing[name] = true
				}
			}
			flip()
			if d := distance(); d < best {
				best, better = d, true
			} else {
				flip()
			}
		}
	}
	return missing, under()
}

// parts are all that can be there or not.
func parts(s *introspect.Schema) map[string]bool {
	all := map[string]bool{}
	for _, info := range s.Infos {
		at := info.Head().Name
		add := func(part string, features []string) {
			all[at+part] = true
			for _, f := range features {
				all[at+part+"/$"+f] = true
			}
		}
		add("", info.Head().Features)
		switch info := info.(type) {
		case *introspect.Enum:
			for _, m := range info.Members {
				add("/^"+m.Name, m.Features)
			}
		case *introspect.Object:
			for _, m := range info.Members {
				add("/"+m.Name, m.Features)
			}
			for _, v := range info.Variants {
				add("/+"+v.Case, nil)
			}
		case *introspect.Alternate:
			for _, name := range info.Types {
				add("/"+name, nil)
			}
		}
	}
	return all
}
