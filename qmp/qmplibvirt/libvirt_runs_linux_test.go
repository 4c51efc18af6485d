package qmplibvirt_test

import (
	"context"
	"errors"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/internal/libvirttest"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
	"github.com/qmpkit/qmpkit/qmp/qmplibvirt"
)

// TestLibvirtRuns: a machine is destroyed and started again while a program looks for it. Every Domain ends with its own
// run, and only with it.
func TestLibvirtRuns(t *testing.T) {
	libvirttest.Run(t, libvirttest.Config{}, func(t *testing.T, d *libvirttest.Daemon) {
		conn := dialReal(t, d, nil)
		machine := libvirttest.Machine{Name: "vm1", UUID: "0b5e4f1e-7f3c-4a5e-9d0a-1f2e3d4c5b6a"}
		d.Create(t, machine)
		ctx, cancel := context.WithCancel(t.Context())
		var seen []*qmplibvirt.Domain
		looked := make(chan struct{})
		go func() {
			defer close(looked)
			last := -1
			for ctx.Err() == nil {
				vm, err := conn.Domain(ctx, machine.UUID)
				if err != nil {
					if !errors.Is(err, os.ErrNotExist) && !errors.Is(err, qmplibvirt.ErrStopped) && !errors.Is(err, context.Canceled) {
						t.Error(err)
					}
					continue
				}
				if vm.ID() != last {
					last = vm.ID()
					seen = append(seen, vm)
				}
			}
		}()
		for range 8 {
			time.Sleep(50 * time.Millisecond)
			d.Destroy(t, machine.Name)
			d.Create(t, machine)
		}
		now, err := conn.Domain(t.Context(), machine.Name)
		require.NoError(t, err)
		time.Sleep(200 * time.Millisecond)
		cancel()
		<-looked
		require.Greater(t, len(seen), 4)
		for _, vm := range seen {
			if vm.ID() != now.ID() {
				<-vm.Done()
				require.ErrorIs(t, vm.Err(), qmplibvirt.ErrStopped)
				continue
			}
			require.NoError(t, vm.Err())
		}
		_, err = qemu.QueryStatus{}.Do(t.Context(), now)
		require.NoError(t, err)
		t.Log(len(seen), "runs")
	})
}
