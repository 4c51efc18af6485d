package unmask_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/internal/diff"
	"github.com/qmpkit/qmpkit/internal/golden"
	"github.com/qmpkit/qmpkit/internal/qemutest"
	"github.com/qmpkit/qmpkit/internal/unmask"
	"github.com/qmpkit/qmpkit/qapi"
	"github.com/qmpkit/qmpkit/qmp/introspect"
	"github.com/qmpkit/qmpkit/qmp/qmpschema"
	"github.com/qmpkit/qmpkit/testdata/schema"
)

// TestJoin joins "source.json" of each archive under testdata/join with the answer of a server
// built from "live.json". The files in want are the result.
func TestJoin(t *testing.T) {
	golden.Compare(t, "testdata/join/*.txtar", func(t *testing.T, archive *txtar.Archive) *txtar.Archive {
		opts := unmask.JoinOptions{Version: "99.1", Overrides: map[string]unmask.Choice{}}
		for _, f := range archive.Files {
			if f.Name == "overrides" {
				opts.Overrides = overrides(string(f.Data))
			}
		}
		source := loadText(t, archive, "source.json")
		live := loadText(t, archive, "live.json").Introspect(qapi.IntrospectOptions{})
		joined := join(t, source, live, opts)
		var parts string
		for _, p := range joined.Added {
			parts += strings.TrimSuffix(p.Definition+" "+p.Name, " ") + "\n"
		}
		got := withWant(archive, joined.Files)
		got.Files = append(got.Files, txtar.File{Name: "want/added", Data: []byte(parts)})
		return got
	})
}

func overrides(text string) map[string]unmask.Choice {
	rows := map[string]unmask.Choice{}
	for line := range strings.Lines(text) {
		place, choice, _ := strings.Cut(strings.TrimSpace(line), " ")
		rows[place] = map[string]unmask.Choice{"source": unmask.TakeSource, "server": unmask.TakeServer}[choice]
	}
	return rows
}

// join joins, and makes sure that nothing of the source is lost, nor of the server but where the
// source was to count.
func join(t *testing.T, source *qapi.Schema, live *introspect.Schema, opts unmask.JoinOptions) *unmask.Joined {
	t.Helper()
	joined, err := unmask.Join(source, live, opts)
	require.NoError(t, err)
	taken := map[unmask.Choice]bool{}
	for _, choice := range opts.Overrides {
		taken[choice] = true
	}
	if !taken[unmask.TakeServer] {
		requireAll(t, source.Introspect(qapi.IntrospectOptions{}), joined.Schema)
	}
	if !taken[unmask.TakeSource] {
		requireAll(t, live, joined.Schema)
	}
	for _, d := range source.Definitions {
		require.NotNil(t, joined.Schema.Lookup(d.Head().Name))
	}
	return joined
}

// requireAll makes sure that a schema has all that another one has: that nothing was removed or
// made mandatory, and that what was retyped takes what it did, and more.
func requireAll(t *testing.T, view *introspect.Schema, s *qapi.Schema) {
	t.Helper()
	changes, err := diff.Compare(view, s.Introspect(qapi.IntrospectOptions{}))
	require.NoError(t, err)
	for _, c := range changes {
		if c.Kind != diff.Retyped || !strings.HasPrefix(c.New, c.Old+" or ") {
			require.Contains(t, []diff.Kind{diff.Added, diff.Optional, diff.Deprecated}, c.Kind, "%+v", c)
		}
	}
}

// TestConflicts joins schemas with different kinds at many places: the error has each, with what
// to do.
func TestConflicts(t *testing.T) {
	archive, err := txtar.ParseFile("testdata/join/overrides.txtar")
	require.NoError(t, err)
	source := loadText(t, archive, "source.json")
	live := loadText(t, archive, "live.json").Introspect(qapi.IntrospectOptions{})
	_, err = unmask.Join(source, live, unmask.JoinOptions{Overrides: map[string]unmask.Choice{"nowhere.x": 0, "use.a": 0}})
	conflicts, ok := errors.AsType[*unmask.ConflictError](err)
	require.True(t, ok, err)
	require.Equal(t, []string{"nowhere.x"}, conflicts.Unused)
	var lines []string
	for _, c := range conflicts.Conflicts {
		lines = append(lines, c.Place+": "+c.Source+", "+c.Server)
	}
	require.Equal(t, []string{
		"Multi+one: the struct Thing, another struct",
		"loud/ret-type: the struct Thing, nothing",
		"silent/ret-type: nothing, another struct",
		"turned/arg-type: the struct q_obj_turned-arg, a union",
		"turned/ret-type: the struct Thing, an array of another struct",
		"use.b: str, an alternate",
		"use.c: an array of str, str",
		"use.d: the enum Kinds, another enum",
		"use.e: the struct Thing, another struct",
	}, lines)
	require.ErrorContains(t, err, "\n  use.b is str in the source and an alternate in the server: add a row to the overrides that decides\n")
	require.ErrorContains(t, err, "\n  nowhere.x is in the overrides, but the source and the server do not differ there: remove the row")
}

// TestJoinErrors joins schemas that cannot be joined.
func TestJoinErrors(t *testing.T) {
	source52 := source(t, "5.2", schema.QEMU)
	live := source(t, "10.2", schema.Guest).Introspect(qapi.IntrospectOptions{})
	_, err := unmask.Join(source52, live, unmask.JoinOptions{})
	require.ErrorContains(t, err, "is a union without a discriminator")
	_, err = unmask.Join(source52, introspect.New(nil), unmask.JoinOptions{})
	require.ErrorContains(t, err, "no commands and no events")
}

// TestJoinMutants joins a schema with servers that differ from it in ways that QEMU would not
// choose: no part of the source is lost where it counts.
func TestJoinMutants(t *testing.T) {
	src := source(t, "10.2", schema.Storage)
	array, err := src.Introspect(qapi.IntrospectOptions{}).MarshalJSON()
	require.NoError(t, err)
	for seed := range uint64(30) {
		live, err := introspect.Read(array)
		require.NoError(t, err)
		m := newMutator(live, seed)
		for range 1 + seed {
			m.mutate(live.Infos[m.IntN(len(live.Infos))])
		}
		opts := unmask.JoinOptions{Overrides: map[string]unmask.Choice{}}
		_, err = unmask.Join(src, live, opts)
		if conflicts, ok := errors.AsType[*unmask.ConflictError](err); ok {
			for _, c := range conflicts.Conflicts {
				opts.Overrides[c.Place] = unmask.TakeSource
			}
		} else {
			require.NoError(t, err)
		}
		join(t, src, live, opts)
	}
}

// TestJoinVersions joins sources of QEMU with the answers of newer and older versions. If kinds
// differ, the server's type counts.
func TestJoinVersions(t *testing.T) {
	for _, versions := range [][2]string{{"7.2", "10.0"}, {"7.2", "10.2"}, {"10.0", "10.2"}, {"10.2", "10.0"}, {"10.2", "7.2"}} {
		for _, main := range []string{schema.QEMU, schema.Storage, schema.Guest} {
			t.Run(fmt.Sprintf("%s and %s/%s", versions[0], versions[1], main), func(t *testing.T) {
				src, server := source(t, versions[0], main), source(t, versions[1], main)
				live := server.Introspect(qapi.IntrospectOptions{})
				opts := unmask.JoinOptions{Version: versions[1], Overrides: map[string]unmask.Choice{}}
				if _, err := unmask.Join(src, live, opts); err != nil {
					conflicts, ok := errors.AsType[*unmask.ConflictError](err)
					require.True(t, ok, err)
					t.Log(err)
					require.Less(t, len(conflicts.Conflicts), 10)
					for _, c := range conflicts.Conflicts {
						opts.Overrides[c.Place] = unmask.TakeServer
					}
				}
				joined := join(t, src, live, opts)
				t.Logf("%d parts added", len(joined.Added))
				again := join(t, src, live, opts)
				require.Equal(t, joined.Files, again.Files)
			})
		}
	}
}

// newest decides between 10.2's source and an 11.1 server: what the server has takes, or can be, a
// string too.
var newest = map[string]unmask.Choice{
	"BlockExportOptions.iothread":      unmask.TakeServer, // several threads serve one export
	"MigrationParameters.tls-authz":    unmask.TakeServer, // null, as in what sets them
	"MigrationParameters.tls-creds":    unmask.TakeServer,
	"MigrationParameters.tls-hostname": unmask.TakeServer,
}

// TestJoinServer joins our newest source with the newest server, whose source is not here.
func TestJoinServer(t *testing.T) {
	q := qemutest.Get(t, "11.1")
	if !q.AtLeast(11, 1) {
		t.Skipf("this is QEMU %s, not 11.1", q.Release())
	}
	live, err := qmpschema.Query(t.Context(), q.Start(t, qemutest.Config{}).Dial(t))
	require.NoError(t, err)
	joined := join(t, source(t, "10.2", schema.QEMU), live, unmask.JoinOptions{Version: "11.1", Overrides: newest})
	for _, p := range []unmask.Part{
		{"BlockExportOptionsIothread", ""},
		{"GuestPanicInformation", "+sev"},
		{"GuestPanicInformationSev", ""},
		{"MigrationStatus", "failing"},
		{"ObjectOptions", "+monitor-hmp"},
		{"ObjectOptionsMonitorHmp", ""},
		{"ObjectType", "monitor-hmp"},
		{"query-block", "flat"},
	} {
		require.Contains(t, joined.Added, p)
	}
	user := joined.Schema.Lookup("NetdevUserOptions").(*qapi.Struct)
	for _, m := range user.Members {
		if m.Name == "dnssearch" {
			require.Equal(t, "['String']", m.Type.TypeName(), "11.1 has a type for each place")
		}
	}
	t.Logf("%d parts added: %v", len(joined.Added), joined.Added)
}
