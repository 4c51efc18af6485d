package qemutest_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/internal/qemutest"
)

func TestMachinesBoot(t *testing.T) {
	qemutest.Machines(t, func(t *testing.T, q *qemutest.QEMU) {
		firmware := qemutest.Config{Target: "aarch64", Machine: "virt", Firmware: true}
		for _, cfg := range append(slices.Clone(qemutest.OtherMachines), firmware) {
			t.Run(cfg.Name(), func(t *testing.T) {
				cfg.Guest = true
				ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
				defer cancel()
				require.NoError(t, q.Start(t, cfg).WaitGuest(ctx))
			})
		}
	})
}
