package qemutest_test

import (
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/internal/qemutest"
)

// TestGuestBootsThoughQEMUIsStarved gives QEMU a CPU for short moments only, as a busy machine does.
// That is where a kernel that tests its timer finds that it does not tick.
func TestGuestBootsThoughQEMUIsStarved(t *testing.T) {
	vm := qemutest.Get(t, "").Start(t, qemutest.Config{Machine: "pc", Guest: true})
	for range 100 {
		require.NoError(t, syscall.Kill(vm.Pid(), syscall.SIGSTOP))
		time.Sleep(60 * time.Millisecond)
		require.NoError(t, syscall.Kill(vm.Pid(), syscall.SIGCONT))
		time.Sleep(20 * time.Millisecond)
	}
	require.NoError(t, vm.WaitGuest(limited(t)))
	log, err := vm.Serial()
	require.NoError(t, err)
	require.NotContains(t, log, "8254 timer not connected")
}
