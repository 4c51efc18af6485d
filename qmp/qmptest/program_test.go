package qmptest_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
	"github.com/qmpkit/qmpkit/qmp/qmptest"
)

// A program without a test has a server, too.
func ExampleProgram() {
	var p qmptest.Program
	s := qmptest.NewServer(&p, nil)
	s.Expect("stop")
	s.Expect("cont")

	fmt.Println(qemu.Stop{}.Do(p.Context(), s.Dial()))
	fmt.Println(p.Close()) // where a test would end
	// Output:
	// <nil>
	// qmptest: missing commands: cont
}

// TestProgram ends as a test does: the context first, then the cleanups, those that cleanups add included.
func TestProgram(t *testing.T) {
	var p qmptest.Program
	ctx := p.Context()
	var order []string
	p.Cleanup(func() { order = append(order, "first") })
	p.Cleanup(func() {
		require.ErrorIs(t, ctx.Err(), context.Canceled)
		order = append(order, "second")
		p.Cleanup(func() { order = append(order, "third") })
		p.Errorf("in a %s", "cleanup")
	})
	p.Error("one ", 1)
	require.PanicsWithValue(t, "no way: 2", func() { p.Fatalf("no way: %d", 2) })
	require.EqualError(t, p.Close(), "one 1\nin a cleanup")
	require.Equal(t, []string{"second", "third", "first"}, order)
	require.EqualError(t, p.Close(), "one 1\nin a cleanup")
	require.ErrorIs(t, p.Context().Err(), context.Canceled)
	require.NoError(t, new(qmptest.Program).Close())
}
