package facts_test

import (
	"cmp"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/internal/qemutest"
	"github.com/qmpkit/qmpkit/internal/unmask"
	"github.com/qmpkit/qmpkit/qapi"
	"github.com/qmpkit/qmpkit/qapi/facts"
	"github.com/qmpkit/qmpkit/qmp/introspect"
	"github.com/qmpkit/qmpkit/testdata/schema"
)

var mains = map[string]string{"qemu": schema.QEMU, "storage": schema.Storage, "guest": schema.Guest}

var committed = map[string]func() *facts.Table{"qemu": facts.QEMU, "storage": facts.Storage, "guest": facts.Guest}

// captured is what a server of a version said.
func captured(t *testing.T, version, server string) *introspect.Schema {
	t.Helper()
	text, err := fs.ReadFile(schema.Captured, "captured/"+version+"/"+server+".json")
	require.NoError(t, err)
	view, err := introspect.Read(text)
	require.NoError(t, err)
	return view
}

// named is captured with the names of types.
func named(t *testing.T, version, server string) *qapi.Schema {
	t.Helper()
	names, err := qapi.LoadFS(schema.FS, "11.1/"+mains[server], nil)
	require.NoError(t, err)
	snapshot, err := unmask.Unmask(captured(t, version, server), names)
	require.NoError(t, err)
	return snapshot.Schema
}

// A verdict is how the facts compare with a server: which paths are there and which are not.
type verdict struct {
	paths, options  int
	missing, absent []string // what the server has and the facts have not, and the other way round
}

// judge asks for all paths of a table, and of the server's own one.
func judge(t *testing.T, table *facts.Table, version, server string) (v verdict) {
	t.Helper()
	view := captured(t, version, server)
	own := facts.New()
	require.NoError(t, own.Add(version, named(t, version, server), true))
	paths := map[string]bool{}
	for _, from := range []*facts.Table{own, table} {
		for path := range from.Paths() {
			paths[path] = true
		}
	}
	for path := range longPaths(view) {
		paths[path] = true
	}
	v.paths = len(paths)
	holding, lacking := map[string]bool{}, map[string]string{}
	for _, path := range slices.Sorted(maps.Keys(paths)) {
		has, err := view.Has(path)
		require.NoError(t, err)
		fact, err := table.Path(path)
		require.NoError(t, err)
		in := fact != nil && fact.In(version)
		switch {
		case has && !in:
			v.missing = append(v.missing, path)
		case in && !has && fact.If == "":
			v.absent = append(v.absent, path)
		case in && !has:
			v.options++
			lacking[path] = fact.If
		case in && !strings.Contains(fact.If, ", "):
			holding[fact.If] = true
		}
	}
	for path, conditions := range lacking { // one condition at least has to be one that nothing shows to hold
		if !slices.ContainsFunc(strings.Split(conditions, ", "), func(c string) bool { return !holding[c] }) {
			v.absent = append(v.absent, path+" with "+conditions)
		}
	}
	return v
}

// longPaths are random paths of a server, and wrong ones that are like them.
func longPaths(view *introspect.Schema) map[string]bool {
	r := rand.New(rand.NewPCG(1, 2))
	paths := map[string]bool{}
	commands := slices.Collect(view.Commands())
	for range 3000 {
		c := commands[r.IntN(len(commands))]
		path, typ := c.Name+"/arg-type", c.ArgType
		if r.IntN(2) == 0 {
			path, typ = c.Name+"/ret-type", c.RetType
		}
		for range 12 {
			paths[path], paths[path+"/!array"], paths[path+"/!object"] = true, true, true
			switch info := view.Lookup(typ).(type) {
			case *introspect.Array:
				typ = info.ElementType
			case *introspect.Alternate:
				typ = info.Types[r.IntN(len(info.Types))]
			case *introspect.Enum:
				paths[path+"/^"+info.Members[r.IntN(len(info.Members))].Name] = true
			case *introspect.Builtin:
				for _, kind := range []string{"string", "int", "boolean", "number", "null", "value"} {
					paths[path+"/!"+kind] = true
				}
			case *introspect.Object:
				if n := len(info.Variants); n > 0 && r.IntN(2) == 0 {
					v := info.Variants[r.IntN(n)]
					path, typ = path+"/+"+v.Case, v.Type
				} else if len(info.Members) > 0 {
					m := info.Members[r.IntN(len(info.Members))]
					paths[path+"/*"+m.Name] = true
					paths[path+"/"+m.Name+"/$$deprecated"] = true
					path, typ = path+"/"+m.Name, m.Type
				}
			}
		}
	}
	return paths
}

// TestServers compares the facts with the answers of servers: they agree on every path, but for what a
// condition leaves out.
func TestServers(t *testing.T) {
	for _, version := range []string{"5.2", "7.2", "10.0", "11.1"} {
		for _, server := range []string{"qemu", "storage"} {
			v := judge(t, committed[server](), version, server)
			require.Empty(t, v.missing, "%s of %s has these", server, version)
			require.Empty(t, v.absent, "%s of %s has not these", server, version)
			require.Greater(t, v.paths, 2500)
			t.Logf("%s %s: %d paths, of which build options leave out %d", server, version, v.paths, v.options)
		}
	}
}

// build makes a table anew, without a version.
func build(t *testing.T, server, without string) *facts.Table {
	t.Helper()
	table := facts.New()
	for _, version := range qemutest.SourceVersions {
		if version != without {
			s, err := qapi.Load(qemutest.Source(t, version)+"/"+mains[server], nil)
			require.NoError(t, err)
			require.NoError(t, table.Add(version, s, false))
		}
	}
	s, err := qapi.LoadFS(schema.FS, "10.2/"+mains[server], nil)
	require.NoError(t, err)
	require.NoError(t, table.Add("10.2", s, false))
	if server != "guest" {
		require.NoError(t, table.Add("11.1", named(t, "11.1", server), true))
	}
	return table
}

// TestCurrent makes the committed tables anew.
func TestCurrent(t *testing.T) {
	for server, table := range committed {
		made := build(t, server, "")
		require.NoError(t, made.Know())
		require.NoError(t, made.Check())
		require.Equal(t, string(made.Text()), string(table().Text()), "run make facts")
	}
}

// TestKnown finds each row of known.txt in the facts. Remove a row that changes nothing.
func TestKnown(t *testing.T) {
	text, err := os.ReadFile("known.txt")
	require.NoError(t, err)
	for row := range strings.Lines(string(text)) {
		fields := strings.Fields(row)
		if len(fields) == 0 || fields[0] != "removed" && fields[0] != "since" && fields[0] != "deprecated" {
			continue
		}
		for path := range strings.SplitSeq(fields[2], ",") {
			var dates []string
			for _, table := range committed {
				if f, err := table().Fact(path); f != nil {
					require.NoError(t, err)
					dates = append(dates, cmp.Or(map[string]*facts.Date{"removed": &f.Removed, "since": &f.Since, "deprecated": f.Deprecated}[fields[0]], &facts.Date{}).Release)
				}
			}
			require.Contains(t, dates, fields[1], "%s: %s", path, row)
		}
	}
	for path, want := range map[string]string{
		"cpu-add/arg-type/id/!int":                   "1.5 5.2",
		"netdev_add/arg-type/type/!string":           "0.14 ",
		"netdev_add/arg-type/+user":                  "5.0 ",
		"blockdev-add/arg-type/+vxhs/server/host":    "2.10 5.1",
		"query-qmp-schema/ret-type/+object/features": "4.1 5.0",
	} {
		f, err := facts.QEMU().Path(path)
		require.NoError(t, err)
		require.Equal(t, want, f.Since.Release+" "+f.Removed.Release, path)
	}
}

// TestWithout leaves a version out and judges it: how far documentation, without its schema, is right. What
// went between two versions is not counted, nor what was there between two versions only, nor what has a
// condition: nothing could say so.
func TestWithout(t *testing.T) {
	for version, most := range map[string]int{"5.2": 27, "7.2": 16, "10.0": 3} {
		table, whole := build(t, "qemu", version), build(t, "qemu", "")
		v := judge(t, table, version, "qemu")
		var wrong []string
		for _, path := range slices.Concat(v.missing, v.absent) {
			now, err := table.Path(path)
			require.NoError(t, err)
			then, err := whole.Path(path)
			require.NoError(t, err)
			if now != nil && then.Removed.Release == "" && then.If == "" {
				wrong = append(wrong, path)
			}
		}
		t.Logf("%s: %d of %d paths are wrong", version, len(wrong), v.paths)
		require.LessOrEqual(t, len(wrong), most, "%s:\n%s", version, strings.Join(wrong, "\n"))
	}
}

// TestExtended adds a version to a table that is there: it becomes the one that is made of all.
func TestExtended(t *testing.T) {
	for _, version := range []string{"5.2", "7.2", "10.0"} {
		table := build(t, "storage", version)
		s, err := qapi.Load(qemutest.Source(t, version)+"/"+schema.Storage, nil)
		require.NoError(t, err)
		table, err = facts.Parse(table.Text())
		require.NoError(t, err)
		for range 2 {
			require.NoError(t, table.Add(version, s, false))
		}
		whole := build(t, "storage", "")
		for path := range whole.Paths() {
			want, err := whole.Fact(path)
			require.NoError(t, err)
			got, err := table.Fact(path)
			require.NoError(t, err)
			require.NotNil(t, got, path)
			require.Equal(t, want.Since, got.Since, path)
			require.Equal(t, want.Removed, got.Removed, path)
		}
	}
}

// TestAnswer adds the answer of a version of which there is no source: dates do not contradict it.
func TestAnswer(t *testing.T) {
	table := build(t, "qemu", "7.2")
	require.NoError(t, table.Add("7.2", named(t, "7.2", "qemu"), true))
	v := judge(t, table, "7.2", "qemu")
	require.Empty(t, v.missing)
	require.Empty(t, v.absent)
}

// Facts that documentation has wrong, or that no schema here shows: QEMU's schema at each release from
// 4.2 to 10.2 was compared with them.
func TestDatesOfReleases(t *testing.T) {
	for _, tt := range []struct{ server, path, in, notIn string }{
		{"qemu", "block_passwd", "5.2", "6.0"},
		{"qemu", "query-migrate/ret-type/blocked/$$deprecated", "6.0", "6.1"},
		{"qemu", "object-add/arg-type/+qtest", "6.1", "6.0"},
		{"qemu", "calc-dirty-rate/arg-type/mode", "6.2", "6.1"},
		{"qemu", "object-add/arg-type/+iothread/thread-pool-max", "7.1", "7.0"},
		{"qemu", "object-add/arg-type/+cryptodev-backend-lkcf", "7.2", "7.1"},
		{"guest", "guest-exec/arg-type/capture-output/^merged", "8.1", "8.0"},
		{"qemu", "query-status/ret-type/singlestep/$$deprecated", "8.2", "9.0"},
		{"qemu", "migrate/arg-type/channels", "8.2", "8.1"},
		{"storage", "blockdev-create/arg-type/options/+luks/detached-header", "9.0", "9.1"},
		{"storage", "object-add/arg-type/+secret/loaded", "9.1", "9.2"},
		{"qemu", "qom-list-get", "10.1", "10.0"},
		{"qemu", "x-query-opcount", "10.0", "10.1"},
		{"qemu", "query-block-jobs/ret-type/type/^commit", "8.2", "8.1"},
		{"qemu", "query-block-jobs/ret-type/type/!string", "10.0", "1.0"}, // an enum, too
		// Members that went with the type of what has them.
		{"qemu", "query-named-block-nodes/ret-type/image/format-specific/+vmdk/data/extents/backing-filename", "7.2", "8.0"},
		{"qemu", "query-sgx-capabilities/ret-type/section-size", "7.2", "8.0"},
		{"qemu", "blockdev-create/arg-type/options/+luks/cipher-alg/^sm4", "9.0", "8.2"},
		// Members that became optional or mandatory.
		{"qemu", "migrate/arg-type/*uri", "9.0", "8.2"},
		{"qemu", "migrate-incoming/arg-type/*uri", "8.2", "8.1"},
		{"qemu", "query-named-block-nodes/ret-type/*node-name", "10.0", "10.1"},
		{"storage", "blockdev-create/arg-type/options/+luks/*file", "9.0", "8.2"},
		{"qemu", "blockdev-create/arg-type/options/+luks/*detached-header", "9.0", "8.2"},
		// Lists, and what is empty.
		{"qemu", "query-block/ret-type/!array", "4.2", "0.13"},
		{"qemu", "query-qmp-schema/ret-type/+object/features/!array", "4.2", "4.0"},
		{"qemu", "stop/arg-type/!object", "4.2", "0.13"},
		// Types.
		{"qemu", "NbdServerOptionsBase", "10.0", "9.2"},
		{"qemu", "SmpCachePropertiesWrapper", "9.2", "9.1"},
		{"qemu", "BlockLimitsInfo", "10.2", "10.1"},
		{"qemu", "MigMode", "8.2", "8.1"},
		{"qemu", "MigrationChannel/addr", "8.2", "8.1"},
		{"qemu", "BlockdevOptionsSheepdog/vdi", "6.0", "6.1"},
		{"qemu", "SGXInfo", "10.0", "10.1"},
		{"qemu", "S390CpuState/^load", "9.2", "9.1"},
		{"qemu", "Audiodev/+dbus", "7.0", "6.2"},
		{"qemu", "InetSocketAddressBase/host", "5.2", "1.2"},
		{"storage", "String", "8.2", "9.0"},
		{"guest", "GuestExecCaptureOutput", "8.1", "8.0"},
		{"guest", "GuestDiskStatsInfo/major", "7.1", "7.0"},
	} {
		fact, err := committed[tt.server]().Path(tt.path)
		require.NoError(t, err)
		require.NotNil(t, fact, tt.path)
		require.True(t, fact.In(tt.in), "%s in %s", tt.path, tt.in)
		require.False(t, fact.In(tt.notIn), "%s in %s", tt.path, tt.notIn)
	}
}

// TestDatesOfTypes compares types with what uses them: each has a date, and none is older than its first use, unless
// it is older than all schemas here.
func TestDatesOfTypes(t *testing.T) {
	for server, get := range committed {
		table := get()
		first := map[string]string{} // by type, the oldest date of a way to it
		for changed := true; changed; {
			changed = false
			for n := range table.Nodes() {
				owner, reached := first[n.Name], first[n.Name] != ""
				if n.Kind == "command" || n.Kind == "event" {
					owner, reached = n.Times[0].Since.Release, true
				}
				for _, p := range n.Parts {
					if !reached || p.Target == "" || len(p.Times) == 0 {
						continue
					}
					since := p.Times[0].Since.Release
					if facts.Compare(owner, since) > 0 {
						since = owner
					}
					if was, ok := first[p.Target]; !ok || facts.Compare(since, was) < 0 {
						first[p.Target], changed = since, true
					}
				}
			}
		}
		for n := range table.Nodes() {
			since := n.Times[0].Since
			if use, ok := first[n.Name]; ok {
				require.NotEmpty(t, since.Release, "%s: %s", server, n.Name)
				if facts.Compare(since.Release, "5.2") > 0 && since.Source != "history" {
					require.GreaterOrEqual(t, facts.Compare(since.Release, use), 0, "%s: %s is since %s, first used in %s", server, n.Name, since, use)
				}
			}
		}
	}
}
