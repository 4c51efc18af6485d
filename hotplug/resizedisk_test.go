package hotplug_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/hotplug"
	"github.com/qmpkit/qmpkit/internal/fakeqemu"
	"github.com/qmpkit/qmpkit/qmp"
)

func TestResize(t *testing.T) {
	m := fakeqemu.New(t)
	vm := hotplug.New(m.Dial())
	require.NoError(t, vm.AddDisk(t.Context(), memory("d")))
	require.NoError(t, vm.ResizeDisk(t.Context(), "d", 5<<30))
	require.JSONEq(t, `{"node-name":"d","size":5368709120}`, argumentsOf(m, "block_resize"))
	require.ErrorIs(t, vm.ResizeDisk(t.Context(), "e", 1), qmp.ErrGeneric)
}

func TestResizeFaults(t *testing.T) {
	m := fakeqemu.New(t)
	vm := hotplug.New(m.Dial())
	require.EqualError(t, vm.ResizeDisk(t.Context(), "d", 0), `hotplug: disk "d" is not resized: a size of 0 bytes`)
	require.ErrorContains(t, vm.ResizeDisk(t.Context(), "d", -1), "a size of -1 bytes")
	require.ErrorContains(t, vm.ResizeDisk(t.Context(), "", 1), "needs an ID")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, vm.ResizeDisk(ctx, "d", 1), context.Canceled)
	require.Empty(t, m.Requests())
}
