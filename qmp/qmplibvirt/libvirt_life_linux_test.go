package qmplibvirt_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/internal/libvirttest"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
	"github.com/qmpkit/qmpkit/qmp/qmplibvirt"
)

// TestLibvirtHang stops three of five QEMUs, as many as the defaults allow. Their commands wait, and the other machines
// answer.
func TestLibvirtHang(t *testing.T) {
	libvirttest.Run(t, libvirttest.Config{}, func(t *testing.T, d *libvirttest.Daemon) {
		conn := dialReal(t, d, nil)
		machines := func(names ...string) (vms []*qmplibvirt.Domain) {
			for _, name := range names {
				vms = append(vms, machineOf(t, d, conn, libvirttest.Machine{Name: name}))
			}
			return vms
		}
		hung, others := machines("hung1", "hung2", "hung3"), machines("vm1", "vm2")
		late := make(chan qmp.RawJSON, len(hung))
		for _, vm := range hung {
			require.NoError(t, d.Hang(vm.Name()))
			ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
			defer cancel()
			_, err := qemu.QueryStatus{}.Do(ctx, vm, qmp.OnLateReply(func(result qmp.RawJSON) { late <- result }))
			require.ErrorIs(t, err, qmp.ErrOutcomeUnknown)
			require.ErrorIs(t, err, context.DeadlineExceeded)
			_, err = qemu.QueryStatus{}.Do(ctx, vm)
			require.ErrorIs(t, err, qmp.ErrNotSent)
		}
		for range 50 {
			for _, vm := range others {
				_, err := qemu.QueryStatus{}.Do(t.Context(), vm)
				require.NoError(t, err)
			}
		}
		for info, err := range conn.Domains(t.Context()) { // no QEMU needs to answer
			require.NoError(t, err)
			require.Equal(t, qmplibvirt.StateRunning, info.State, info.Name)
		}
		for _, vm := range hung {
			require.NoError(t, d.Wake(vm.Name()))
			require.Contains(t, string(<-late), "status")
			_, err := qemu.QueryStatus{}.Do(t.Context(), vm)
			require.NoError(t, err)
		}
	})
}

// TestLibvirtEnds ends machines in all ways.
func TestLibvirtEnds(t *testing.T) {
	libvirttest.Run(t, libvirttest.Config{}, func(t *testing.T, d *libvirttest.Daemon) {
		conn := dialReal(t, d, nil)
		watch, err := conn.Watch(t.Context())
		require.NoError(t, err)
		defer watch.Close()
		killed := []qmplibvirt.StopDetail{qmplibvirt.StoppedFailed, qmplibvirt.StoppedCrashed} // libvirt 9.0 and 11.3 differ
		for name, test := range map[string]struct {
			end     func(t *testing.T, vm *qmplibvirt.Domain)
			details []qmplibvirt.StopDetail
		}{
			"quit": {func(t *testing.T, vm *qmplibvirt.Domain) {
				require.NoError(t, qemu.Quit{}.Do(t.Context(), vm))
			}, []qmplibvirt.StopDetail{qmplibvirt.StoppedShutdown, qmplibvirt.StoppedFailed}}, // failed: libvirt lost the monitor first
			"destroyed": {func(t *testing.T, vm *qmplibvirt.Domain) {
				d.Destroy(t, vm.Name())
			}, []qmplibvirt.StopDetail{qmplibvirt.StoppedDestroyed}},
			"killed": {func(t *testing.T, vm *qmplibvirt.Domain) {
				require.NoError(t, d.Kill(vm.Name()))
			}, killed},
			"killed in a command": {func(t *testing.T, vm *qmplibvirt.Domain) {
				require.NoError(t, d.Hang(vm.Name()))
				inFlight := make(chan error)
				go func() {
					_, err := qemu.QueryStatus{}.Do(t.Context(), vm)
					inFlight <- err
				}()
				// A second command waits for the first one. Kill works in any case, and the outcome is one of two.
				require.NoError(t, d.Kill(vm.Name()))
				err := <-inFlight
				require.True(t, errors.Is(err, qmp.ErrOutcomeUnknown) || errors.Is(err, qmp.ErrNotSent), "%v", err)
			}, killed},
		} {
			t.Run(name, func(t *testing.T) {
				vm := machineOf(t, d, conn, libvirttest.Machine{Name: name})
				stream := vm.Events()
				defer stream.Close()
				test.end(t, vm)
				<-vm.Done()
				stopped, ok := errors.AsType[*qmplibvirt.StoppedError](vm.Err())
				require.True(t, ok, "%v", vm.Err())
				require.Contains(t, test.details, stopped.Detail)
				for err = nil; err == nil; {
					_, err = stream.Next(t.Context())
				}
				require.ErrorIs(t, err, qmplibvirt.ErrStopped)
				_, err := qemu.QueryStatus{}.Do(t.Context(), vm)
				require.ErrorIs(t, err, qmp.ErrNotSent)
				require.ErrorIs(t, err, qmplibvirt.ErrStopped)
				_, err = conn.Domain(t.Context(), name)
				require.ErrorIs(t, err, os.ErrNotExist)
				for {
					e, err := watch.Next(t.Context())
					require.NoError(t, err)
					if e.Name == name && e.Lifecycle == qmplibvirt.Stopped {
						break
					}
				}
			})
		}
	})
}

// TestLibvirtRestart restarts the daemon: connections end, and machines do not.
func TestLibvirtRestart(t *testing.T) {
	libvirttest.Run(t, libvirttest.Config{}, func(t *testing.T, d *libvirttest.Daemon) {
		conn := dialReal(t, d, nil)
		vm := machineOf(t, d, conn, libvirttest.Machine{Name: "vm1"})
		pid, err := d.PidOf("vm1")
		require.NoError(t, err)
		stream := vm.Events()
		defer stream.Close()

		require.NoError(t, d.Restart(t.Context()))
		<-conn.Done()
		require.ErrorIs(t, conn.Err(), io.EOF)
		<-vm.Done()
		_, err = stream.Next(t.Context())
		require.ErrorIs(t, err, io.EOF)
		_, err = qemu.QueryStatus{}.Do(t.Context(), vm)
		require.ErrorIs(t, err, qmp.ErrNotSent)

		again, err := dialReal(t, d, nil).Domain(t.Context(), "vm1")
		require.NoError(t, err)
		_, err = qemu.QueryStatus{}.Do(t.Context(), again)
		require.NoError(t, err)
		same, err := d.PidOf("vm1")
		require.NoError(t, err)
		require.Equal(t, pid, same)
	})
}

// TestLibvirtFifty asks 50 machines at once, of which one hangs.
func TestLibvirtFifty(t *testing.T) {
	libvirttest.Run(t, libvirttest.Config{}, func(t *testing.T, d *libvirttest.Daemon) {
		conn := dialReal(t, d, &qmplibvirt.Options{EventQueue: 1 << 14})
		watch, err := conn.Watch(t.Context())
		require.NoError(t, err)
		defer watch.Close()
		var vms []*qmplibvirt.Domain
		for i := range 50 {
			vms = append(vms, machineOf(t, d, conn, libvirttest.Machine{Name: fmt.Sprint("vm", i), Paused: true}))
		}
		require.NoError(t, d.Hang("vm7"))
		const rounds = 10
		var all sync.WaitGroup
		for i, vm := range vms {
			all.Go(func() {
				if i == 7 {
					ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
					defer cancel()
					_, err := qemu.QueryStatus{}.Do(ctx, vm)
					assert.ErrorIs(t, err, context.DeadlineExceeded)
					return
				}
				for range rounds {
					assert.NoError(t, qemu.Cont{}.Do(t.Context(), vm))
					assert.NoError(t, qemu.Stop{}.Do(t.Context(), vm))
				}
			})
		}
		all.Wait()
		require.NoError(t, d.Wake("vm7"))
		counts := map[string]int{}
		for sum := 0; sum < 49*2*rounds; {
			e, err := watch.Next(t.Context())
			require.NoError(t, err)
			if e.QMP.Name == "STOP" || e.QMP.Name == "RESUME" {
				counts[e.Name]++
				sum++
			}
		}
		for i := range vms {
			if i != 7 {
				require.Equal(t, 2*rounds, counts[fmt.Sprint("vm", i)], "vm%d", i)
			}
		}
		n := 0
		for info, err := range conn.Domains(t.Context()) {
			require.NoError(t, err)
			require.Equal(t, qmplibvirt.StatePaused, info.State, info.Name)
			n++
		}
		require.Equal(t, 50, n)
	})
}

// TestLibvirtTenThousandEvents makes events as fast as QEMU can: transactions of many small jobs. It compares the
// events that came through libvirt with the events of QEMU's own monitor.
func TestLibvirtTenThousandEvents(t *testing.T) {
	libvirttest.Run(t, libvirttest.Config{}, func(t *testing.T, d *libvirttest.Daemon) {
		vm := machineOf(t, d, dialReal(t, d, &qmplibvirt.Options{EventQueue: 1 << 15}), libvirttest.Machine{Name: "vm1"}).AllowUntracked()
		direct, err := qmp.Dial(t.Context(), d.Monitor("vm1"), &qmp.Options{EventQueue: 1 << 15})
		require.NoError(t, err)
		defer direct.Close()
		streams := []qmp.EventStream{vm.Events(), direct.Events()}

		const jobs, want = 50, 10_000
		var actions []qemu.TransactionAction
		for i := range jobs {
			from, to := fmt.Sprint("from", i), fmt.Sprint("to", i)
			require.NoError(t, addNull(t.Context(), vm, from, 64<<10))
			require.NoError(t, addNull(t.Context(), vm, to, 64<<10))
			actions = append(actions, qemu.TransactionAction{Branch: &qemu.BlockdevBackup{
				JobID: new(fmt.Sprint("job", i)), Device: from, Target: to, Sync: qemu.MirrorSyncModeFull,
			}})
		}
		next := func(stream qmp.EventStream) string {
			e := nextOf(t, stream)
			return fmt.Sprint(e.Name, " ", e.Time.UnixMicro())
		}
		for n := 0; n < want; {
			require.NoError(t, qemu.Transaction{Actions: actions}.Do(t.Context(), vm))
			for ended := 0; ended < jobs; n++ {
				e := nextOf(t, streams[1])
				if e.Name == "BLOCK_JOB_COMPLETED" {
					ended++
				}
				require.Equal(t, fmt.Sprint(e.Name, " ", e.Time.UnixMicro()), next(streams[0]))
			}
			for left := 1; left > 0; { // the next transaction needs the names of the jobs
				list, err := qemu.QueryJobs{}.Do(t.Context(), vm)
				require.NoError(t, err)
				left = len(list)
			}
		}
		for _, stream := range streams {
			require.NoError(t, stream.Close())
		}
	})
}

// TestLibvirtConnections connects in all ways.
func TestLibvirtConnections(t *testing.T) {
	libvirttest.Run(t, libvirttest.Config{TCP: true, TLS: true}, func(t *testing.T, d *libvirttest.Daemon) {
		d.Create(t, libvirttest.Machine{Name: "vm1"})
		status := func(t *testing.T, conn *qmplibvirt.Conn, err error) error {
			t.Helper()
			require.NoError(t, err)
			t.Cleanup(func() { require.NoError(t, conn.Close()) })
			vm, err := conn.Domain(t.Context(), "vm1")
			if err != nil {
				return err
			}
			_, err = qemu.QueryStatus{}.Do(t.Context(), vm)
			return err
		}
		t.Run("TCP", func(t *testing.T) {
			conn, err := qmplibvirt.Dial(t.Context(), "tcp:"+d.TCP(), &qmplibvirt.Options{KeepAlive: 10 * time.Millisecond})
			require.NoError(t, status(t, conn, err))
			vm, err := conn.Domain(t.Context(), "vm1")
			require.NoError(t, err)
			file, err := os.Open(os.DevNull)
			require.NoError(t, err)
			defer file.Close()
			require.ErrorIs(t, qemu.GetFD{FDName: "f"}.Do(t.Context(), vm, qmp.WithFile(file)), errors.ErrUnsupported)
			time.Sleep(200 * time.Millisecond) // 20 pings
			require.NoError(t, conn.Err())
		})
		t.Run("TLS", func(t *testing.T) {
			address, config := d.TLS()
			raw, err := net.Dial("tcp", address)
			require.NoError(t, err)
			conn, err := qmplibvirt.NewConn(t.Context(), tls.Client(raw, config), nil)
			require.NoError(t, status(t, conn, err))
		})
		t.Run("TLS without a certificate", func(t *testing.T) {
			address, config := d.TLS()
			config.Certificates = nil
			raw, err := net.Dial("tcp", address)
			require.NoError(t, err)
			_, err = qmplibvirt.NewConn(t.Context(), tls.Client(raw, config), nil)
			require.ErrorContains(t, err, "TLS")
		})
		t.Run("read-only", func(t *testing.T) {
			conn, err := qmplibvirt.Dial(t.Context(), d.ReadOnlySocket(), nil)
			if err == nil {
				err = status(t, conn, nil)
			}
			require.ErrorIs(t, err, os.ErrPermission)
		})
		t.Run("another driver", func(t *testing.T) {
			_, err := qmplibvirt.Dial(t.Context(), d.Socket(), &qmplibvirt.Options{URI: "qemu:///nothing"})
			_, refused := errors.AsType[*qmplibvirt.Error](err)
			require.True(t, refused, "%v", err)
		})
	})
}

// TestLibvirtClose: the daemon has nothing to complain about, also if a machine hangs.
func TestLibvirtClose(t *testing.T) {
	libvirttest.Run(t, libvirttest.Config{}, func(t *testing.T, d *libvirttest.Daemon) {
		for _, hang := range []bool{false, true} {
			conn := dialReal(t, d, nil)
			vm := machineOf(t, d, conn, libvirttest.Machine{Name: fmt.Sprint("hangs ", hang)})
			ctx := t.Context()
			if hang {
				require.NoError(t, d.Hang(vm.Name()))
				limited, cancel := context.WithTimeout(ctx, 100*time.Millisecond)
				defer cancel()
				ctx = limited
			}
			_, err := qemu.QueryStatus{}.Do(ctx, vm)
			require.Equal(t, hang, errors.Is(err, context.DeadlineExceeded))
			require.NoError(t, conn.Close())
			require.ErrorIs(t, conn.Err(), qmp.ErrClosed)
			require.NoError(t, dialReal(t, d, nil).Close())
			require.NotContains(t, d.Log(), "End of file while reading data")
			if hang {
				require.NoError(t, d.Wake(vm.Name()))
			}
		}
	})
}

// TestLibvirtMemory shows that machines that come and go leave nothing in a Conn.
func TestLibvirtMemory(t *testing.T) {
	d := libvirttest.Start(t, "11.3", libvirttest.Config{})
	conn := dialReal(t, d, nil)
	for i := range 3 {
		before := runtime.NumGoroutine()
		vm := machineOf(t, d, conn, libvirttest.Machine{Name: "vm1", Paused: true})
		_, err := qemu.QueryStatus{}.Do(t.Context(), vm)
		require.NoError(t, err)
		d.Destroy(t, "vm1")
		<-vm.Done()
		require.LessOrEqual(t, runtime.NumGoroutine(), before+1, "round %d", i)
	}
}
