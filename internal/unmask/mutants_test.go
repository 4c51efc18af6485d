package unmask_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/internal/unmask"
	"github.com/qmpkit/qmpkit/qapi"
	"github.com/qmpkit/qmpkit/qmp/introspect"
	"github.com/qmpkit/qmpkit/testdata/schema"
)

// TestMutants changes a server's schema in many places at once, in ways that QEMU would not
// choose. If it can be unmasked, the result is the same schema, and has each name once.
func TestMutants(t *testing.T) {
	names := source(t, "10.2", schema.Storage)
	array, err := names.Introspect(qapi.IntrospectOptions{}).MarshalJSON()
	require.NoError(t, err)
	unmaskedAny := 0
	for seed := range uint64(60) {
		live, err := introspect.Read(array)
		require.NoError(t, err)
		m := newMutator(live, seed)
		for range 1 + seed {
			m.mutate(live.Infos[m.IntN(len(live.Infos))])
		}
		s, err := unmask.Unmask(live, names)
		if err != nil {
			require.ErrorContains(t, err, "breaks QAPI's rules", seed)
			continue
		}
		unmaskedAny++
		requireSame(t, live, s.Schema)
		seen := map[string]bool{}
		for _, typ := range s.Types {
			require.False(t, seen[typ.Name], typ.Name)
			seen[typ.Name] = true
		}
	}
	require.NotZero(t, unmaskedAny)
	t.Logf("%d of 60 mutants are schemas", unmaskedAny)
}

// A mutator changes entries of a schema.
type mutator struct {
	*rand.Rand
	live  *introspect.Schema
	types []string
	tags  map[string]bool // the enums that have a branch for each value
}

func newMutator(live *introspect.Schema, seed uint64) *mutator {
	m := &mutator{rand.New(rand.NewPCG(seed, 0)), live, nil, map[string]bool{}}
	for _, info := range live.Infos {
		switch info := info.(type) {
		case *introspect.Command, *introspect.Event:
			continue
		case *introspect.Object:
			if info.Tag != "" {
				m.tags[info.Member(info.Tag).Type] = true
			}
		}
		m.types = append(m.types, info.Head().Name)
	}
	return m
}

func (m *mutator) mutate(info introspect.Info) {
	switch info := info.(type) {
	case *introspect.Enum:
		if m.tags[info.Name] {
			return
		}
		if m.IntN(2) == 0 || len(info.Members) == 0 {
			info.Members = append(info.Members, introspect.EnumMember{Name: m.name()})
			return
		}
		i := m.IntN(len(info.Members))
		info.Members = slices.Delete(slices.Clone(info.Members), i, i+1)
	case *introspect.Object:
		m.object(info)
	case *introspect.Command:
		info.ArgType, info.RetType = m.otherObject(info.ArgType), m.typ()
	case *introspect.Event:
		info.ArgType = m.otherObject(info.ArgType)
	}
}

func (m *mutator) object(o *introspect.Object) {
	if m.IntN(2) == 0 || len(o.Members) == 0 {
		o.Members = append(o.Members, introspect.Member{Name: m.name(), Type: m.typ(), Optional: m.IntN(2) == 0})
		return
	}
	o.Members = slices.Clone(o.Members)
	if i := m.IntN(len(o.Members)); o.Members[i].Name != o.Tag {
		o.Members[i].Type = m.typ()
	}
}

func (m *mutator) name() string { return fmt.Sprintf("m%d", m.IntN(1_000_000)) }

func (m *mutator) typ() string { return m.types[m.IntN(len(m.types))] }

// otherObject returns another object type, or in most cases the same.
func (m *mutator) otherObject(name string) string {
	other := m.typ()
	if _, ok := m.live.Lookup(other).(*introspect.Object); ok {
		return other
	}
	return name
}
