package facts

import (
	"cmp"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/internal/qemutest"
	"github.com/qmpkit/qmpkit/qapi"
	"github.com/qmpkit/qmpkit/qapi/introspect"
	"github.com/qmpkit/qmpkit/qapi/unmask"
	"github.com/qmpkit/qmpkit/testdata/schema"
)

var servers = map[string]string{"qemu": schema.QEMU, "storage": schema.Storage}

func view(t *testing.T, version, server string) *introspect.Schema {
	text, err := fs.ReadFile(schema.Captured, "captured/"+version+"/"+server+".json")
	require.NoError(t, err)
	v, err := introspect.Read(text)
	require.NoError(t, err)
	return v
}

// build makes a table of all sources but some.
func build(t *testing.T, server string, without ...string) *Table {
	table := New()
	for _, version := range []string{"5.2", "7.2", "10.0", "10.2"} {
		if slices.Contains(without, version) {
			continue
		}
		var s *qapi.Schema
		var err error
		if version == "10.2" {
			s, err = qapi.Load(cmp.Or(os.Getenv("T102"), "/work/shared/schema/qemu-10.2.2")+"/"+servers[server], nil)
		} else {
			s, err = qapi.Load(qemutest.Source(t, version)+"/"+servers[server], nil)
		}
		require.NoError(t, err)
		require.NoError(t, table.Add(version, s, false))
	}
	names, err := qapi.LoadFS(schema.FS, "11.1/"+servers[server], nil)
	require.NoError(t, err)
	live, err := unmask.Unmask(view(t, "11.1", server), names)
	require.NoError(t, err)
	require.NoError(t, table.Add("11.1", live.Schema, true))
	if len(without) == 0 {
		require.NoError(t, table.Know())
	}
	again, err := Parse(table.Text())
	require.NoError(t, err)
	require.Equal(t, string(table.Text()), string(again.Text()))
	os.WriteFile("/tmp/qk/"+server+".facts", table.Text(), 0o666)
	return again
}

// viewPaths are paths of a server's view, as another table enumerates them.
func viewPaths(t *testing.T, version, server string) (*introspect.Schema, []string) {
	v := view(t, version, server)
	names, err := qapi.LoadFS(schema.FS, "11.1/"+servers[server], nil)
	require.NoError(t, err)
	live, err := unmask.Unmask(v, names)
	require.NoError(t, err)
	own := New()
	_ = own.Add(version, live.Schema, true)
	return v, slices.Collect(own.Paths())
}

// judge compares a table with what a server of a version says.
func judge(t *testing.T, table *Table, version, server string) {
	v, paths := viewPaths(t, version, server)
	all := map[string]bool{}
	for _, p := range paths {
		all[p] = true
	}
	for p := range table.Paths() {
		all[p] = true
	}
	wrong, options := map[string][]string{}, 0
	for _, p := range slices.Sorted(maps.Keys(all)) {
		has, err := v.Has(p)
		require.NoError(t, err)
		f, err := table.Path(p)
		require.NoError(t, err)
		in := f != nil && f.In(version)
		switch {
		case in == has:
		case in && f.If != "":
			options++
		case f == nil:
			wrong["unknown"] = append(wrong["unknown"], p)
		case has:
			k := "has, not in the facts"
			wrong[k] = append(wrong[k], p+" since "+f.Since.Release+" after "+f.Since.After+" "+f.Since.Source+" removed "+f.Removed.Release)
		default:
			k := "has not, in the facts"
			wrong[k] = append(wrong[k], p+" since "+f.Since.Release+" after "+f.Since.After+" "+f.Since.Source+" removed "+f.Removed.Release)
		}
	}
	n := 0
	for k, list := range wrong {
		n += len(list)
		t.Logf("%s %d:\n%s", k, len(list), strings.Join(list, "\n"))
	}
	t.Logf("%s %s: %d paths, %d build options, %d wrong", server, version, len(all), options, n)
}

func TestX(t *testing.T) {
	for _, server := range []string{"qemu", "storage"} {
		table := build(t, server, strings.Fields(os.Getenv("WITHOUT"))...)
		for _, version := range strings.Fields(os.Getenv("JUDGE")) {
			judge(t, table, version, server)
		}
	}
}
