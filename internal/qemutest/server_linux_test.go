package qemutest_test

import (
	"fmt"
	"os"
	"regexp"
	"strconv"
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

// TestInheritedSocketDoesNotBlock looks at the mode of the listening socket in a storage daemon and in a QEMU.
func TestInheritedSocketDoesNotBlock(t *testing.T) {
	q := qemutest.Get(t, "")
	requireNonBlocking(t, q.StartStorage(t).Pid())
	requireNonBlocking(t, q.Start(t, qemutest.Config{}).Pid())
}

func requireNonBlocking(t *testing.T, pid int) {
	t.Helper()
	info, err := os.ReadFile(fmt.Sprintf("/proc/%d/fdinfo/3", pid))
	require.NoError(t, err)
	match := regexp.MustCompile(`flags:\s+(\d+)`).FindSubmatch(info)
	require.NotNil(t, match, "%s", info)
	flags, err := strconv.ParseInt(string(match[1]), 8, 64)
	require.NoError(t, err)
	require.NotZero(t, flags&syscall.O_NONBLOCK)
}
