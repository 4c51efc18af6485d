package qemutest_test

import (
	"bufio"
	"context"
	"net"
	"os"
	"regexp"
	"runtime"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/internal/qemutest"
	"github.com/qmpkit/qmpkit/qmp"
)

// greeting returns the first line of a server on a socket.
func greeting(t *testing.T, socket string) string {
	t.Helper()
	c, err := net.Dial("unix", socket)
	require.NoError(t, err)
	defer c.Close()
	require.NoError(t, c.SetDeadline(time.Now().Add(20*time.Second)))
	line, err := bufio.NewReader(c).ReadString('\n')
	require.NoError(t, err)
	return line
}

func limited(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

func TestMonitorsAnswerAtOnce(t *testing.T) {
	qemutest.CheckFds(t)
	qemutest.Run(t, qemutest.Versions, func(t *testing.T, q *qemutest.QEMU) {
		vm := q.Start(t, qemutest.Config{Monitors: 2})
		require.Len(t, vm.Sockets, 2)
		for _, socket := range vm.Sockets {
			require.Contains(t, greeting(t, socket), `{"QMP": {"version": {"qemu": {`)
		}
	})
}

func TestDial(t *testing.T) {
	qemutest.CheckFds(t)
	qemutest.Run(t, qemutest.Versions, func(t *testing.T, q *qemutest.QEMU) {
		c := q.Start(t, qemutest.Config{Machine: "q35"}).Dial(t)
		require.Equal(t, q.Major, c.Version().Major)
		require.Equal(t, q.Minor, c.Version().Minor)
		pci, err := qmp.Raw{Command: "query-pci"}.Do(limited(t), c)
		require.NoError(t, err)
		require.Contains(t, string(pci), `"qdev_id": "rp4"`)
	})
}

func TestDialTellsWhyThereIsNoQEMU(t *testing.T) {
	q := qemutest.Get(t, "")
	require.Regexp(t, "(?s)^failed: .*no such file", verdict(t, func(t testing.TB) {
		vm := q.Start(t, qemutest.Config{})
		require.NoError(t, vm.Kill())
		vm.Dial(t)
	}))
}

func TestGuestBoots(t *testing.T) {
	qemutest.Run(t, []string{"7.2", "10.0"}, func(t *testing.T, q *qemutest.QEMU) {
		for _, machine := range []string{"pc", "q35"} {
			t.Run(machine, func(t *testing.T) {
				t.Parallel()
				vm := q.Start(t, qemutest.Config{Machine: machine, Guest: true, Args: []string{
					"-netdev", "user,id=n", "-device", "virtio-net-pci,netdev=n,romfile=",
				}})
				require.NoError(t, vm.WaitGuest(limited(t)))
				require.NoError(t, vm.WaitGuestSees(limited(t), regexp.MustCompile(`^blk= net=eth0 lo$`)))
				require.NoError(t, vm.WaitGuestSees(limited(t), regexp.MustCompile(`^cpus=1 mem=2\d\d$`)))
			})
		}
	})
}

func TestNoProcessIsLeft(t *testing.T) {
	q := qemutest.Get(t, "")
	vm, err := q.Launch(qemutest.Config{})
	require.NoError(t, err)
	require.Contains(t, greeting(t, vm.Socket()), "QMP")
	require.ErrorIs(t, vm.Wait(expired(t)), context.DeadlineExceeded)

	require.NoError(t, vm.Close())
	require.ErrorContains(t, vm.Wait(limited(t)), "killed")
	process, err := os.FindProcess(vm.Pid())
	require.NoError(t, err)
	require.ErrorIs(t, process.Signal(syscall.Signal(0)), os.ErrProcessDone)
	require.NoDirExists(t, vm.Dir)
	_, err = net.Dial("unix", vm.Socket())
	require.Error(t, err)
	require.NoError(t, vm.Close())
}

func expired(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 0)
	t.Cleanup(cancel)
	return ctx
}

func TestFdsOfTheProcess(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("only /proc lists the descriptors of other processes")
	}
	vm := qemutest.Get(t, "").Start(t, qemutest.Config{Machine: "pc"})
	greeting(t, vm.Socket())
	fds, err := vm.Fds()
	require.NoError(t, err)
	require.Contains(t, fds, vm.Dir+"/serial.log")
	vm.HasNoNewFds(t, append(fds, "closed since"))
	lacking := slices.DeleteFunc(fds, func(what string) bool { return what == vm.Dir+"/serial.log" })
	require.Regexp(t, `^failed: the program has new descriptors: \[".*/serial.log"\]$`, verdict(t, func(t testing.TB) { vm.HasNoNewFds(t, lacking) }))
}

func TestWrongArguments(t *testing.T) {
	q := qemutest.Get(t, "")
	require.Regexp(t, "(?s)^failed: .*status 1.*no-such-option", verdict(t, func(t testing.TB) {
		q.Start(t, qemutest.Config{Args: []string{"-no-such-option"}})
	}))
}

func TestWaitGuestTellsOfTheEnd(t *testing.T) {
	vm := qemutest.Get(t, "").Start(t, qemutest.Config{})
	require.NoError(t, vm.Kill())
	require.ErrorContains(t, vm.Wait(limited(t)), "killed")
	require.ErrorContains(t, vm.WaitGuest(limited(t)), "QEMU has ended: ")
}

func TestWaitSerialTellsWhereTheLogEnds(t *testing.T) {
	vm := qemutest.Get(t, "").Start(t, qemutest.Config{})
	greeting(t, vm.Socket())
	require.NoError(t, os.WriteFile(vm.Dir+"/serial.log", []byte("panic: out of cheese\r\n"), 0o600))
	require.NoError(t, vm.WaitSerial(expired(t), regexp.MustCompile("cheese")))
	err := vm.WaitGuest(expired(t))
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.ErrorContains(t, err, "panic: out of cheese")
}

func TestWaitGuestSeesTheLastLine(t *testing.T) {
	vm := qemutest.Get(t, "").Start(t, qemutest.Config{})
	greeting(t, vm.Socket())
	require.NoError(t, os.WriteFile(vm.Dir+"/serial.log",
		[]byte("READY\r\nGUEST blk=vda net=lo\r\nGUEST blk= net=lo\r\nGUEST blk=vd"), 0o600))
	require.NoError(t, vm.WaitGuestSees(expired(t), regexp.MustCompile("^blk= net=lo$")))
	require.Error(t, vm.WaitGuestSees(expired(t), regexp.MustCompile("blk=vda")))
}

func TestWaitGuestSeesEitherLine(t *testing.T) {
	vm := qemutest.Get(t, "").Start(t, qemutest.Config{})
	greeting(t, vm.Socket())
	require.NoError(t, os.WriteFile(vm.Dir+"/serial.log",
		[]byte("GUEST blk= net=lo\r\nBOARD cpus=1 mem=215\r\nBOARD cpus=2 mem=215\r\n"), 0o600))
	require.NoError(t, vm.WaitGuestSees(expired(t), regexp.MustCompile("^blk= net=lo$")))
	require.NoError(t, vm.WaitGuestSees(expired(t), regexp.MustCompile("^cpus=2 mem=215$")))
	require.Error(t, vm.WaitGuestSees(expired(t), regexp.MustCompile("cpus=1")))
}

func TestStorageDaemon(t *testing.T) {
	qemutest.Run(t, qemutest.Versions, func(t *testing.T, q *qemutest.QEMU) {
		require.Contains(t, greeting(t, q.StartStorage(t).Socket()), `{"QMP": {"version": {"qemu": {`)
	})
}

func TestAgent(t *testing.T) {
	qemutest.Run(t, qemutest.Versions, func(t *testing.T, q *qemutest.QEMU) {
		c, err := net.Dial("unix", q.StartAgent(t).Socket())
		require.NoError(t, err)
		defer c.Close()
		require.NoError(t, c.SetDeadline(time.Now().Add(20*time.Second)))
		_, err = c.Write([]byte(`{"execute":"guest-sync","arguments":{"id":42}}` + "\n"))
		require.NoError(t, err)
		line, err := bufio.NewReader(c).ReadString('\n')
		require.NoError(t, err)
		require.JSONEq(t, `{"return":42}`, line)
	})
}
