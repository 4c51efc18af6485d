package qemutest_test

import (
	"context"
	"os"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/internal/qemutest"
)

func TestSlotsAreLimited(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("only Linux limits the number of guests")
	}
	t.Setenv("TMPDIR", t.TempDir()) // not those that other packages hold
	var held []*os.File
	for range qemutest.SlotCount() {
		slot, err := qemutest.TakeSlot(expired(t))
		require.NoError(t, err)
		held = append(held, slot)
	}
	_, err := qemutest.TakeSlot(expired(t))
	require.ErrorIs(t, err, context.DeadlineExceeded)

	require.NoError(t, held[0].Close())
	again, err := qemutest.TakeSlot(expired(t))
	require.NoError(t, err)
	require.NoError(t, again.Close())
	for _, slot := range held[1:] {
		require.NoError(t, slot.Close())
	}
}

func TestSlotIsFreeOnceTheGuestIsUp(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("only Linux limits the number of guests")
	}
	t.Setenv("TMPDIR", t.TempDir())
	vm := qemutest.Get(t, "").Start(t, qemutest.Config{Machine: "pc", Guest: true})
	for range qemutest.SlotCount() - 1 {
		slot, err := qemutest.TakeSlot(expired(t))
		require.NoError(t, err)
		defer slot.Close()
	}
	_, err := qemutest.TakeSlot(expired(t))
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.NoError(t, vm.WaitGuest(limited(t)))
	slot, err := qemutest.TakeSlot(expired(t))
	require.NoError(t, err)
	require.NoError(t, slot.Close())
}
