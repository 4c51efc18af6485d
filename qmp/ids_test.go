package qmp

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestIDsRotate(t *testing.T) {
	var s idSet
	for i := range 35 {
		id := s.take()
		require.EqualValues(t, i%10, id)
		s.put(id)
	}
}

func TestIDsGrowOnlyWhenNeeded(t *testing.T) {
	var s idSet
	for want := range uint64(2000) {
		require.Equal(t, want, s.take())
	}
	s.put(1500)
	s.put(42)
	s.put(7)
	s.put(3)
	require.EqualValues(t, 7, s.take())
	require.EqualValues(t, 3, s.take())
	require.EqualValues(t, 42, s.take())
	require.EqualValues(t, 2000, s.take(), "has been free for longer")
}

func TestIDsAreNeverInUseTwice(t *testing.T) {
	var s idSet
	random := rand.New(rand.NewPCG(1, 2))
	used := map[uint64]bool{}
	var order []uint64
	for range 100_000 {
		if len(order) > 0 && (random.IntN(2) == 0 || len(order) > 150) {
			i := random.IntN(len(order))
			s.put(order[i])
			delete(used, order[i])
			order = append(order[:i], order[i+1:]...)
			continue
		}
		id := s.take()
		require.False(t, used[id])
		used[id] = true
		order = append(order, id)
	}
}
