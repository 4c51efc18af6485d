package qemutest_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/internal/qemutest"
)

func TestMachinesBoot(t *testing.T) {
	qemutest.Machines(t, func(t *testing.T, q *qemutest.QEMU) {
		for name, cfg := range map[string]qemutest.Config{
			"aarch64":      {Target: "aarch64", Machine: "virt"},
			"aarch64 UEFI": {Target: "aarch64", Machine: "virt", Firmware: true},
			"ppc64":        {Target: "ppc64", Machine: "pseries"},
			"riscv64":      {Target: "riscv64", Machine: "virt"},
			"s390x":        {Target: "s390x", Machine: "s390-ccw-virtio"},
			"microvm":      {Machine: "microvm"},
		} {
			t.Run(name, func(t *testing.T) {
				cfg.Guest = true
				ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
				defer cancel()
				require.NoError(t, q.Start(t, cfg).WaitGuest(ctx))
			})
		}
	})
}
