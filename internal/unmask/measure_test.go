package unmask_test

import (
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/internal/qemutest"
	"github.com/qmpkit/qmpkit/qapi"
	"github.com/qmpkit/qmpkit/qmp/introspect"
	"github.com/qmpkit/qmpkit/testdata/schema"
)

var versions = []string{"5.2", "7.2", "10.0", "10.2"}

// sources holds what source has loaded.
var sources sync.Map

// source is the schema of a QEMU, from its own files.
func source(t testing.TB, version, main string) *qapi.Schema {
	t.Helper()
	key := version + "/" + main
	if s, ok := sources.Load(key); ok {
		return s.(*qapi.Schema)
	}
	var s *qapi.Schema
	var err error
	if version == "10.2" {
		s, err = qapi.LoadFS(schema.FS, key, nil)
	} else {
		s, err = qapi.Load(filepath.Join(qemutest.Source(t, version), main), nil)
	}
	require.NoError(t, err)
	sources.Store(key, s)
	return s
}

// TestRecovered takes the names off QEMU's own schemas, gives them back by the names of other
// versions, and compares with the truth. Of the types that both versions have, and that commands
// or events lead to, 95 % are to have their name, and no type is to have that of another one. As it
// is, all of them have it.
func TestRecovered(t *testing.T) {
	for _, live := range versions {
		for _, names := range versions {
			for _, main := range []string{schema.QEMU, schema.Storage, schema.Guest} {
				t.Run(live+" by "+names+"/"+main, func(t *testing.T) {
					truth, old := source(t, live, main), source(t, names, main)
					both, recovered, wrong := measure(t, truth, old)
					t.Logf("%d of %d", recovered, both)
					require.NotZero(t, both)
					require.GreaterOrEqual(t, 100*recovered, 95*both)
					require.Empty(t, wrong)
				})
			}
		}
	}
}

// measure counts the types that both schemas have and those of them that have their name again,
// and lists the types that have another one's.
func measure(t *testing.T, truth, old *qapi.Schema) (both, recovered int, wrong []string) {
	masked := truth.Introspect(qapi.IntrospectOptions{})
	named := truth.Introspect(qapi.IntrospectOptions{Unmask: true})
	oldNamed := old.Introspect(qapi.IntrospectOptions{Unmask: true})
	result := unmasked(t, masked, old).Schema.Introspect(qapi.IntrospectOptions{Unmask: true})
	for name, got := range renamed(named, result) {
		isOld := oldNamed.Lookup(name) != nil
		if isOld {
			both++
		}
		switch {
		case got == name && isOld:
			recovered++
		case got != name && (isOld || named.Lookup(got) != nil):
			wrong = append(wrong, name)
		}
	}
	return both, recovered, wrong
}

// renamed returns what the types of one schema are called in another one that is the same but for
// these names.
func renamed(a, b *introspect.Schema) map[string]string {
	names := map[string]string{}
	var walk func(a1, b1 string)
	walk = func(a1, b1 string) {
		if array, ok := a.Lookup(a1).(*introspect.Array); ok {
			walk(array.ElementType, b.Lookup(b1).(*introspect.Array).ElementType)
			return
		}
		if names[a1] != "" {
			return
		}
		switch info := a.Lookup(a1).(type) {
		case *introspect.Builtin:
		case *introspect.Enum:
			names[a1] = b1
		case *introspect.Alternate:
			names[a1] = b1
			for i, t := range info.Types {
				walk(t, b.Lookup(b1).(*introspect.Alternate).Types[i])
			}
		case *introspect.Object:
			names[a1] = b1
			other := b.Lookup(b1).(*introspect.Object)
			for _, m := range info.Members {
				walk(m.Type, other.Member(m.Name).Type)
			}
			for _, v := range info.Variants {
				walk(v.Type, other.Variant(v.Case).Type)
			}
		}
	}
	for c := range a.Commands() {
		other := b.Lookup(c.Name).(*introspect.Command)
		walk(c.ArgType, other.ArgType)
		walk(c.RetType, other.RetType)
	}
	for e := range a.Events() {
		walk(e.ArgType, b.Lookup(e.Name).(*introspect.Event).ArgType)
	}
	for name := range names {
		if strings.HasPrefix(name, "q_") {
			delete(names, name) // which no schema writes
		}
	}
	return names
}

// TestOrder puts the entries of an array into other orders, which changes nothing.
func TestOrder(t *testing.T) {
	names := source(t, "10.2", schema.QEMU)
	live := source(t, "10.2", schema.Storage).Introspect(qapi.IntrospectOptions{})
	want := unmasked(t, live, names)
	random := rand.New(rand.NewPCG(1, 2))
	for range 5 {
		infos := slices.Clone(live.Infos)
		random.Shuffle(len(infos), func(i, j int) { infos[i], infos[j] = infos[j], infos[i] })
		require.Equal(t, want.Files, unmasked(t, introspect.New(infos), names).Files)
	}
}

// TestUnmaskedArray takes an array whose types have names: these stay.
func TestUnmaskedArray(t *testing.T) {
	s := source(t, "10.2", schema.QEMU)
	live := s.Introspect(qapi.IntrospectOptions{Unmask: true})
	storage := source(t, "10.2", schema.Storage)
	got := unmasked(t, live, storage).Schema.Introspect(qapi.IntrospectOptions{Unmask: true})
	for name, now := range renamed(live, got) {
		require.Equal(t, name, now)
	}
}

// TestBuilds takes the arrays of servers that were built without some parts: numbers have gaps,
// and there are unused types.
func TestBuilds(t *testing.T) {
	names := source(t, "10.0", schema.QEMU)
	for seed := range uint64(8) {
		random := rand.New(rand.NewPCG(seed, 0))
		without := map[string]bool{}
		live := source(t, "10.2", schema.QEMU).Introspect(qapi.IntrospectOptions{Config: func(name string) bool {
			if _, ok := without[name]; !ok {
				without[name] = random.IntN(3) == 0
			}
			return !without[name]
		}, ValuesOnly: seed%2 == 1})
		unmasked(t, live, names)
	}
}
