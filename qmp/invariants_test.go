package qmp

import (
	"strconv"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
)

var invariantsChecked atomic.Int64

// All tests of this package check the invariants of turn.go, each time that somebody unlocks inflight.mu.
func init() {
	checkInvariants = func(f *inflight) {
		invariantsChecked.Add(1)
		if broken := brokenInvariant(f); broken != "" {
			panic("invariant of turn.go: " + broken)
		}
	}
}

// brokenInvariant returns what is wrong with f, "" if nothing is.
func brokenInvariant(f *inflight) string {
	t := &f.turn
	free := !t.taken && !t.ended
	if t.leader != nil && (!t.taken || t.ended) {
		return "1: a leader does not have the turn"
	}
	if free && !t.armed {
		return "3: the turn is free and the timer does not run"
	}
	if t.interrupted && t.leader == nil && !t.ended {
		return "5: a deadline is set and nobody reads"
	}
	promoted := 0
	for id, p := range f.byID {
		if p == nil {
			continue
		}
		of := " (id " + strconv.Itoa(id) + ")"
		if p.promoted {
			promoted++
		}
		switch {
		case promoted > 1:
			return "2: two commands are promoted" + of
		case p.promoted && (!t.taken || t.ended || t.leader != nil):
			return "2: a promoted command does not have the turn" + of
		case p.parked && free && t.shared:
			return "3: the turn is free and a caller is parked" + of
		case p.parked && (p.done || p.promoted):
			return "4: a caller is parked that has its reply or the turn" + of
		case p.id != uint64(id):
			return "6: a command is in another place than its id" + of
		case p.stage == finished && !p.abandoned:
			return "6: a finished command is in flight" + of
		}
	}
	return ""
}

// TestInvariantsAreChecked: each broken invariant is found.
func TestInvariantsAreChecked(t *testing.T) {
	waits := func(p *pending) *inflight {
		return &inflight{byID: []*pending{p}, turn: turn{taken: true, shared: true}}
	}
	require.Empty(t, brokenInvariant(waits(&pending{parked: true})))
	two := waits(&pending{promoted: true})
	two.byID = append(two.byID, &pending{id: 1, promoted: true})
	free := waits(&pending{parked: true})
	free.turn = turn{armed: true, shared: true}
	for want, f := range map[string]*inflight{
		"1": {turn: turn{leader: &pending{}, armed: true}},
		"2": two,
		"3": free,
		"4": waits(&pending{parked: true, done: true}),
		"5": {turn: turn{taken: true, interrupted: true}},
		"6": waits(&pending{stage: finished}),
	} {
		require.Regexp(t, "^"+want+": ", brokenInvariant(f))
	}
	require.Regexp(t, "^2: .*not have", brokenInvariant(&inflight{
		byID: []*pending{{promoted: true}}, turn: turn{taken: true, leader: &pending{}}}))
	require.Regexp(t, "^3: .*timer", brokenInvariant(&inflight{}))
}
