package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestMain lets the test's program be a child of itself, too.
func TestMain(m *testing.M) {
	child, err := runTask(context.Background())
	switch {
	case err != nil:
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	case child:
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// TestQuickClient sees that the measurements of the client run, not what they say.
func TestQuickClient(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	var stdout, stderr bytes.Buffer
	err := run(t.Context(), []string{"-quick", "-json", "client"}, &stdout, &stderr)
	require.NoError(t, err, "%s", &stderr)
	var r report
	require.NoError(t, json.Unmarshal(stdout.Bytes(), &r))
	require.GreaterOrEqual(t, len(r.Results), 15)
	for _, row := range r.Results {
		require.NotEmpty(t, row.What)
		require.NotNil(t, row.Judged, row.What)
		require.NotEmpty(t, row.Judged.Of, row.What)
	}
	left, err := os.ReadDir(os.TempDir())
	require.NoError(t, err)
	require.Empty(t, left)
}

// TestInterrupted sees that nothing goes on, and that nothing is left, when a run is cut short.
func TestInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	b := &bench{temp: t.TempDir()}
	s, err := startStandIn(ctx, b, false)
	require.NoError(t, err)
	defer s.stop()
	f, err := newFloor(s)
	require.NoError(t, err)
	defer f.close()
	cancel()
	require.Error(t, s.cmd.Wait())
	require.Error(t, f.drain(1), "its connections have ended")
	_, err = b.alone(ctx, "connections", startNow)
	require.Error(t, err)
}

func TestChoose(t *testing.T) {
	chosen, err := choose([]string{"client", "encode"})
	require.NoError(t, err)
	require.Len(t, chosen, 7)
	require.Equal(t, "client/roundtrip", chosen[0].name)
	require.Equal(t, "encode", chosen[6].name)
	_, err = choose([]string{"cli"})
	require.ErrorContains(t, err, "nothing is called cli")
}

func TestRatio(t *testing.T) {
	require.Equal(t, 2.0, ratio([]float64{2, 200, 3}, []float64{1, 100, 1}))
}

func TestLimitOfZero(t *testing.T) {
	require.Equal(t, "0.00 a of b (limit 0)", (&judged{Unit: "a", Of: "of b", None: true}).String())
	require.Equal(t, "1 a of b (limit 0) MISSED", (&judged{Value: 1, Unit: "a", Of: "of b", None: true}).String())
}
