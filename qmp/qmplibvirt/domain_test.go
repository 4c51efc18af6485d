package qmplibvirt_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/guestagent"
	"github.com/qmpkit/qmpkit/hotplug"
	"github.com/qmpkit/qmpkit/internal/libvirt"
	"github.com/qmpkit/qmpkit/internal/qemutest"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/guest"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
	"github.com/qmpkit/qmpkit/qmp/qmplibvirt"
	"github.com/qmpkit/qmpkit/qmp/qmpschema"
)

func TestCommandsAndEvents(t *testing.T) {
	d, client := newDaemon(t)
	var requests []string
	d.monitor = func(domain *libvirt.Domain, request string, _ []*os.File) (string, *libvirt.Error) {
		requests = append(requests, request)
		switch commandOf(request) {
		case "query-status":
			return `{"id":"libvirt-9","return":{"status":"running","singlestep":false,"running":true}}` + "\n", nil
		case "stop":
			data := `{"n":1}`
			d.event(*domain, "STOP", nil)
			d.event(*domain, "RTC_CHANGE", &data)
			return `{"return":{}}`, nil
		}
		return `{"error":{"class":"CommandNotFound","desc":"no such command"},"id":"libvirt-2"}`, nil
	}
	c := connect(t, d, client, nil)
	vm := web1(t, c)
	require.Equal(t, "web1 01000000-0000-0000-0000-000000000000 7", fmt.Sprint(vm.Name(), " ", vm.UUID(), " ", vm.ID()))

	status, err := qemu.QueryStatus{}.Do(limit(t), vm)
	require.NoError(t, err)
	require.True(t, status.Running)

	stops, all := qmp.Subscribe[qemu.StopEvent](vm), vm.Events()
	some := vm.EventsFunc(func(e qmp.RawEvent) bool { return e.Data != nil })
	require.NoError(t, qemu.Stop{}.Do(limit(t), vm))
	stop, err := stops.Next(limit(t))
	require.NoError(t, err)
	require.Equal(t, time.Unix(1_700_000_000, 5000), stop.Time)
	e, err := all.Next(limit(t))
	require.NoError(t, err)
	require.Equal(t, "STOP", e.Name)
	require.Nil(t, e.Data)
	e, err = some.Next(limit(t))
	require.NoError(t, err)
	require.JSONEq(t, `{"n":1}`, string(e.Data))

	_, err = qmp.Raw{Command: "x", Args: qmp.Args{"a": 1}}.Do(limit(t), vm)
	require.ErrorIs(t, err, qmp.ErrCommandNotFound)
	require.EqualError(t, err, "qmp: x: no such command (CommandNotFound)")
	require.Equal(t, []string{`{"execute":"query-status"}`, `{"execute":"stop"}`, `{"execute":"x","arguments":{"a":1}}`}, requests)

	again, err := c.Domain(limit(t), vm.UUID())
	require.NoError(t, err)
	require.Same(t, qmp.ServerOf(vm), qmp.ServerOf(again))
	require.NotSame(t, qmp.ServerOf(vm), qmp.ServerOf(vm.Guest()))
	require.Equal(t, 1, d.came(libvirt.RegisterMonitorEvents), "one registration for a run")
}

// TestEndings is the table of libvirt's errors: each number, and how a command ends then.
func TestEndings(t *testing.T) {
	notSent := map[int32]error{
		3: errors.ErrUnsupported, 8: nil, 29: os.ErrPermission, 42: os.ErrNotExist, 55: nil, 68: nil,
		74: errors.ErrUnsupported, 88: os.ErrPermission,
	}
	d, client := newDaemon(t)
	var code int32
	d.monitor = func(*libvirt.Domain, string, []*os.File) (string, *libvirt.Error) { return "", failure(code, "why") }
	vm := web1(t, connect(t, d, client, nil))
	for code = range int32(120) {
		err := qemu.Stop{}.Do(limit(t), vm)
		matches, before := notSent[code]
		require.Equal(t, before, errors.Is(err, qmp.ErrNotSent), code)
		require.Equal(t, !before, errors.Is(err, qmp.ErrOutcomeUnknown), code)
		if matches != nil {
			require.ErrorIs(t, err, matches, code)
		}
		ours, ok := errors.AsType[*qmplibvirt.Error](err)
		require.True(t, ok)
		require.EqualValues(t, code, ours.Code)
	}
	code = 68
	require.EqualError(t, qemu.Stop{}.Do(limit(t), vm), "qmp: stop: not sent: libvirt: why (code 68)")
}

func TestReplyThatIsNone(t *testing.T) {
	for reply, want := range map[string]error{
		"":                           qmp.ErrOutcomeUnknown,
		"{}":                         qmp.ErrOutcomeUnknown,
		`{"return":{}`:               qmp.ErrOutcomeUnknown,
		`{"return":{}} x`:            qmp.ErrOutcomeUnknown,
		`{"event":"STOP"}`:           qmp.ErrOutcomeUnknown,
		`{"return":{"running":"x"}}`: nil,
	} {
		d, client := newDaemon(t)
		d.monitor = func(*libvirt.Domain, string, []*os.File) (string, *libvirt.Error) { return reply, nil }
		_, err := qemu.QueryStatus{}.Do(limit(t), web1(t, connect(t, d, client, nil)))
		if want != nil {
			require.ErrorIs(t, err, want, reply)
			_, ok := errors.AsType[*qmp.ProtocolError](err)
			require.True(t, ok)
			continue
		}
		_, ok := errors.AsType[*qmp.DecodeError](err)
		require.True(t, ok, err)
	}
}

func TestRefusedBeforeSending(t *testing.T) {
	d, client := newDaemon(t)
	vm := web1(t, connect(t, d, client, nil))
	ended, end := context.WithCancelCause(t.Context())
	end(errors.New("enough"))
	null, err := os.Open(os.DevNull)
	require.NoError(t, err)
	defer null.Close()
	for name, test := range map[string]struct {
		err  error
		want error
		text string
	}{
		"untracked": {qemu.DeviceDel{ID: "a"}.Do(limit(t), vm), qmplibvirt.ErrUntracked,
			"qmp: device_del: not sent: libvirt would not notice this change, and could not restore or migrate the machine (see AllowUntracked)"},
		"oob": {qemu.Stop{}.Do(limit(t), vm, qmp.OutOfBand()), errors.ErrUnsupported,
			"qmp: stop: not sent: libvirt does not execute commands out of band"},
		"files": {qemu.GetFD{FDName: "a"}.Do(limit(t), vm, qmp.WithFile(null)), errors.ErrUnsupported,
			"qmp: getfd: not sent: files need a UNIX socket of libvirt"},
		"long": {qemu.GetFD{FDName: strings.Repeat("x", 4<<20)}.Do(limit(t), vm), qmp.ErrNotSent,
			"qmp: getfd: not sent: the command is longer than 4 MiB, libvirt's limit"},
		"context":    {qemu.Stop{}.Do(ended, vm), context.Canceled, "qmp: stop: not sent: enough"},
		"agent oob":  {guest.GuestPing{}.Do(limit(t), vm.Guest(), qmp.OutOfBand()), errors.ErrUnsupported, ""},
		"agent file": {guest.GuestPing{}.Do(limit(t), vm.Guest(), qmp.WithFile(null)), errors.ErrUnsupported, ""},
	} {
		require.ErrorIs(t, test.err, qmp.ErrNotSent, name)
		require.ErrorIs(t, test.err, test.want, name)
		if test.text != "" {
			require.EqualError(t, test.err, test.text, name)
		}
	}
	require.Zero(t, d.came(libvirt.MonitorCommand))
	require.NoError(t, qemu.DeviceDel{ID: "a"}.Do(limit(t), vm.AllowUntracked()))
}

func TestGuest(t *testing.T) {
	d, client := newDaemon(t)
	timeout, block := int32(0), make(chan struct{})
	d.agent = func(args *libvirt.AgentArgs) (*string, *libvirt.Error) {
		timeout = args.Timeout
		reply := `{"return":{}}`
		switch commandOf(args.Command) {
		case "guest-shutdown":
			d.working.Go(func() { d.stopped("web1", 0) })
			return nil, failure(38, "monitor lost")
		case "guest-suspend-ram":
			return nil, failure(1, "unable to execute QEMU agent command 'guest-suspend-ram': no")
		case "guest-get-vcpus":
			return nil, failure(113, "guest agent command failed: no CPUs")
		case "guest-suspend-disk":
			return nil, failure(86, "not connected")
		case "guest-suspend-hybrid":
			<-block
		}
		if commandOf(args.Command) == "guest-sync" {
			return nil, nil
		}
		return &reply, nil
	}
	vm := web1(t, connect(t, d, client, nil))
	require.NoError(t, guest.GuestPing{}.Do(t.Context(), vm.Guest()))
	require.EqualValues(t, -2, timeout)
	ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
	defer cancel()
	require.NoError(t, guest.GuestPing{}.Do(ctx, vm.Guest()))
	require.EqualValues(t, 3600, timeout)
	_, err := guest.GuestSync{}.Do(ctx, vm.Guest())
	require.ErrorIs(t, err, qmp.ErrOutcomeUnknown)

	_, err = guest.GuestGetVCPUs{}.Do(ctx, vm.Guest())
	refused, ok := errors.AsType[*qmp.Error](err)
	require.True(t, ok, "%v", err)
	require.Equal(t, &qmp.Error{Command: "guest-get-vcpus", Class: qmp.ErrGeneric, Desc: "guest agent command failed: no CPUs"}, refused)

	agent := guestagent.New(vm.Guest(), nil)
	require.NoError(t, agent.WaitReady(limit(t)))
	require.NoError(t, agent.Close())

	// Commands without a reply: an error is one at once, the deadline is success, and so is the end of the machine.
	require.ErrorIs(t, guest.GuestSuspendRAM{}.Do(t.Context(), vm.Guest()), qmp.ErrOutcomeUnknown)
	require.ErrorIs(t, guest.GuestSuspendDisk{}.Do(t.Context(), vm.Guest()), qmp.ErrOutcomeUnknown)
	short, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	err = guest.GuestSuspendHybrid{}.Do(short, vm.Guest())
	if !errors.Is(err, qmp.ErrNotSent) { // on a busy machine
		require.NoError(t, err)
	}
	close(block)
	require.NoError(t, guest.GuestShutdown{}.Do(ctx, vm.Guest()), "the machine stops")
}

// TestMatchEndsItsGoroutine: the connection ends too, instead of being silent.
func TestMatchEndsItsGoroutine(t *testing.T) {
	d, client := newDaemon(t)
	c := connect(t, d, client, nil)
	vm := web1(t, c)
	panics := vm.EventsFunc(func(qmp.RawEvent) bool { panic("no") })
	d.event(libvirt.Domain{Name: "web1", UUID: libvirt.UUID{1}, ID: 7}, "A", nil)
	_, err := panics.Next(limit(t))
	_, ok := errors.AsType[*qmp.CallbackError](err)
	require.True(t, ok)
	require.NoError(t, c.Err())

	exits := vm.EventsFunc(func(qmp.RawEvent) bool { runtimeGoexit(); return true })
	d.event(libvirt.Domain{Name: "web1", UUID: libvirt.UUID{1}, ID: 7}, "A", nil)
	_, err = exits.Next(limit(t))
	_, ok = errors.AsType[*qmp.CallbackError](err)
	require.True(t, ok)
	<-c.Done()
	_, ok = errors.AsType[*qmp.CallbackError](c.Err())
	require.True(t, ok)
}

// TestFiles: a descriptor arrives with its command. If QEMU refuses the command, the descriptor is drained before the next
// command.
func TestFiles(t *testing.T) {
	qemutest.CheckFds(t)
	d, client := newUNIXDaemon(t)
	var mu sync.Mutex
	var seen []string
	d.monitor = func(_ *libvirt.Domain, request string, files []*os.File) (string, *libvirt.Error) {
		mu.Lock()
		defer mu.Unlock()
		text := request
		for _, f := range files {
			b, err := io.ReadAll(f)
			text += fmt.Sprintf(" %q %v", b, err)
		}
		seen = append(seen, text)
		if strings.Contains(request, "bad") || strings.Contains(request, `"0"`) {
			return `{"error":{"class":"GenericError","desc":"no"}}`, nil
		}
		return `{"return":{}}`, nil
	}
	vm := web1(t, connect(t, d, client, nil))
	path := filepath.Join(t.TempDir(), "f")
	require.NoError(t, os.WriteFile(path, []byte("content"), 0o600))
	f, err := os.Open(path)
	require.NoError(t, err)
	require.NoError(t, qemu.GetFD{FDName: "tap0"}.Do(limit(t), vm, qmp.WithFile(f)))
	_, err = f.Seek(0, io.SeekStart)
	require.NoError(t, err)
	err = qemu.GetFD{FDName: "bad"}.Do(limit(t), vm, qmp.WithFile(f))
	require.ErrorIs(t, err, qmp.ErrGeneric)
	require.NoError(t, qemu.Stop{}.Do(limit(t), vm))
	mu.Lock()
	require.Equal(t, []string{
		`{"execute":"getfd","arguments":{"fdname":"tap0"}} "content" <nil>`,
		`{"execute":"getfd","arguments":{"fdname":"bad"}} "content" <nil>`,
		`{"execute":"getfd","arguments":{"fdname":"0"}}`,
		`{"execute":"stop"}`,
	}, seen)
	mu.Unlock()
	err = qemu.GetFD{FDName: "a"}.Do(limit(t), vm, qmp.WithFile(f), qmp.WithFile(f))
	require.ErrorIs(t, err, errors.ErrUnsupported)
	err = qemu.Stop{}.Do(limit(t), vm, qmp.WithFile(f))
	require.EqualError(t, err, "qmp: stop: not sent: libvirt takes one file, for getfd or add-fd")
	require.NoError(t, f.Close())
	err = qemu.GetFD{FDName: "a"}.Do(limit(t), vm, qmp.WithFile(f))
	require.ErrorIs(t, err, qmp.ErrNotSent)
	err = qemu.GetFD{FDName: "a"}.Do(limit(t), vm, qmp.WithFile(nil))
	require.ErrorIs(t, err, qmp.ErrNotSent)
	require.NoError(t, qemu.Stop{}.Do(limit(t), vm), "everything was given back")
}

// TestFilesOfOldDaemon: libvirt before 8.2 does not know the procedure.
func TestFilesOfOldDaemon(t *testing.T) {
	d, client := newUNIXDaemon(t)
	d.override = func(h libvirt.Header, _ []byte) bool {
		if h.Procedure == libvirt.MonitorCommandWithFiles {
			d.reply(h, nil, failure(39, "unknown procedure: 7"))
		}
		return h.Procedure == libvirt.MonitorCommandWithFiles
	}
	vm := web1(t, connect(t, d, client, nil))
	err := qemu.GetFD{FDName: "a"}.Do(limit(t), vm, qmp.WithFile(os.Stdin))
	require.EqualError(t, err, "qmp: getfd: not sent: the daemon takes no files; libvirt 8.2 and later do: libvirt: unknown procedure: 7 (code 39)")
	require.ErrorIs(t, err, qmp.ErrNotSent)
	require.ErrorIs(t, err, errors.ErrUnsupported)
	refused, ok := errors.AsType[*qmplibvirt.Error](err)
	require.True(t, ok)
	require.Equal(t, 39, refused.Code)
	require.NoError(t, qemu.Stop{}.Do(limit(t), vm))
}

// TestOtherPackages: they keep the answers of a Domain, and cannot change it by accident.
func TestOtherPackages(t *testing.T) {
	d, client := newDaemon(t)
	d.monitor = func(_ *libvirt.Domain, request string, _ []*os.File) (string, *libvirt.Error) {
		if commandOf(request) == "query-qmp-schema" {
			return `{"return":[{"name":"stop","meta-type":"command","arg-type":"0","ret-type":"0"},{"name":"0","meta-type":"object","members":[]}]}`, nil
		}
		return `{"return":{}}`, nil
	}
	vm := web1(t, connect(t, d, client, nil))
	for range 3 {
		_, err := qmpschema.Query(limit(t), vm)
		require.NoError(t, err)
		_, err = qmpschema.Query(limit(t), vm.AllowUntracked())
		require.NoError(t, err)
	}
	require.Equal(t, 1, d.came(libvirt.MonitorCommand))
	err := hotplug.New(vm, nil).AddDevice(limit(t), hotplug.Device{ID: "rng1", Driver: "virtio-rng-pci", Bus: "pci.0"})
	require.ErrorIs(t, err, qmplibvirt.ErrUntracked)
	require.ErrorIs(t, err, qmp.ErrNotSent)
}
