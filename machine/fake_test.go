package machine_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/internal/fakeqemu"
	"github.com/qmpkit/qmpkit/machine"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
	"github.com/qmpkit/qmpkit/qmp/qmptest"
)

// argument returns the arguments of a request.
func argument[T any](r *qmptest.Request) (args T) {
	if err := json.Unmarshal(r.Arguments, &args); err != nil {
		panic(err)
	}
	return args
}

// A fake is a QEMU that keeps descriptors and draws and dumps what the test says.
type fake struct {
	*qmptest.Server

	mu       sync.Mutex
	files    map[string]*os.File // by the name of getfd, or the path of the set
	opaque   *string             // of the set
	content  []byte              // that it writes
	fails    string              // why a dump fails
	hangs    bool                // a dump never ends
	status   qemu.DumpStatus
	blockers []string // one is taken with each query-migrate
	events   bool
}

func newFake(t qmptest.T) *fake {
	f := &fake{Server: qmptest.NewServer(t, nil), files: map[string]*os.File{}, status: qemu.DumpStatusNone, events: true}
	handle := func(command string, h qmptest.Handler) {
		f.Handle(command, func(r *qmptest.Request) (any, error) {
			f.mu.Lock()
			defer f.mu.Unlock()
			return h(r)
		})
	}
	drop := func(name string) {
		if file := f.files[name]; file != nil {
			file.Close()
			delete(f.files, name)
		}
	}
	t.Cleanup(func() {
		for name := range f.files {
			drop(name)
		}
	})
	handle("getfd", func(r *qmptest.Request) (any, error) {
		f.files["fd:"+argument[qemu.GetFD](r).FDName] = r.Files[0]
		return nil, nil
	})
	handle("closefd", func(r *qmptest.Request) (any, error) { drop("fd:" + argument[qemu.CloseFD](r).FDName); return nil, nil })
	handle("add-fd", func(r *qmptest.Request) (any, error) {
		f.files["/dev/fdset/4"], f.opaque = r.Files[0], argument[qemu.AddFD](r).Opaque
		return qemu.AddFDInfo{FDSetID: 4, FD: 9}, nil
	})
	handle("query-fdsets", func(*qmptest.Request) (any, error) {
		sets := []qemu.FDSetInfo{}
		if f.files["/dev/fdset/4"] != nil {
			sets = append(sets, qemu.FDSetInfo{FDSetID: 4, FDs: []qemu.FDSetFDInfo{{FD: 9, Opaque: f.opaque}}})
		}
		return sets, nil
	})
	handle("remove-fd", func(*qmptest.Request) (any, error) { drop("/dev/fdset/4"); return nil, nil })
	handle("screendump", func(r *qmptest.Request) (any, error) {
		_, err := f.files[argument[qemu.Screendump](r).Filename].Write(f.content)
		return nil, err
	})
	handle("dump-guest-memory", func(r *qmptest.Request) (any, error) {
		file := f.files[argument[qemu.DumpGuestMemory](r).Protocol]
		delete(f.files, argument[qemu.DumpGuestMemory](r).Protocol)
		f.status = qemu.DumpStatusActive
		go f.dump(file)
		return nil, nil
	})
	handle("query-dump", func(*qmptest.Request) (any, error) {
		return qemu.DumpQueryResult{Status: f.status, Completed: 1, Total: 2}, nil
	})
	handle("query-status", func(*qmptest.Request) (any, error) {
		return qemu.StatusInfo{Status: qemu.RunStateRunning, Running: true}, nil
	})
	handle("query-migrate", func(*qmptest.Request) (any, error) {
		var now []string
		if len(f.blockers) > 0 {
			now, f.blockers = f.blockers[:1], f.blockers[1:]
		}
		return qemu.MigrationInfo{BlockedReasons: slices.Clone(now)}, nil
	})
	return f
}

// dump writes a dump, and fails when nobody reads it.
func (f *fake) dump(to *os.File) {
	defer to.Close()
	_, err := to.Write(f.content)
	for hangs := true; hangs && err == nil; time.Sleep(time.Millisecond) {
		if f.set(func() { hangs = f.hangs }); hangs {
			_, err = to.Write([]byte{0})
		}
	}
	f.mu.Lock()
	event := map[string]any{"result": qemu.DumpQueryResult{Status: qemu.DumpStatusCompleted}}
	if f.status = qemu.DumpStatusCompleted; err != nil || f.fails != "" {
		f.status = qemu.DumpStatusFailed
		event = map[string]any{"result": qemu.DumpQueryResult{Status: f.status}, "error": f.fails}
	}
	events := f.events
	f.mu.Unlock()
	if events {
		f.Event(qemu.EventDumpCompleted, event)
	}
}

// kept returns the number of descriptors that were not taken back.
func (f *fake) kept() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.files)
}

// set changes the fake.
func (f *fake) set(change func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change()
}

// ended waits until no dump is active, and returns the state of the last one.
func (f *fake) ended() qemu.DumpStatus {
	for ; ; time.Sleep(time.Millisecond) {
		var status qemu.DumpStatus
		if f.set(func() { status = f.status }); status != qemu.DumpStatusActive {
			return status
		}
	}
}

// TestDumpFaults: each command of a dump goes wrong in each way. The caller learns it, and nothing is left in QEMU.
func TestDumpFaults(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	f.content = []byte("core")
	met, err := fakeqemu.AtEveryStep(t.Context(), f.Dial(), fakeqemu.Refused, func(ctx context.Context, conn *fakeqemu.Faulty) error {
		return machine.DumpMemory(ctx, conn, io.Discard, nil)
	}, func(command string, err error) {
		require.Error(t, err, command)
		f.ended()
		require.Zero(t, f.kept(), command)
	})
	require.NoError(t, err)
	require.Subset(t, met, []string{"query-migrate", "getfd", "dump-guest-memory", "query-dump"})
}

// TestDumpLostCommands: the context ends around each command. The dump ends in QEMU, too.
func TestDumpLostCommands(t *testing.T) {
	t.Parallel()
	for _, fault := range []fakeqemu.Fault{fakeqemu.CtxEnds, fakeqemu.LostAfter, fakeqemu.LostBefore} {
		t.Run(string(fault), func(t *testing.T) {
			t.Parallel()
			f := newFake(t)
			f.hangs = fault == fakeqemu.LostAfter
			failures := 0
			_, err := fakeqemu.AtEveryStep(t.Context(), f.Dial(), fault, func(ctx context.Context, conn *fakeqemu.Faulty) error {
				if conn.At > 4 {
					f.set(func() { f.hangs = false }) // no command goes wrong any more
				}
				return machine.DumpMemory(ctx, conn, io.Discard, nil)
			}, func(command string, err error) {
				status := f.ended()
				require.Zero(t, f.kept(), command)
				if err == nil { // the context ended too late
					require.Equal(t, qemu.DumpStatusCompleted, status)
					return
				}
				require.ErrorIs(t, err, context.Canceled, command)
				failures++
			})
			require.NoError(t, err)
			require.Greater(t, failures, 3)
		})
	}
}

// TestDumpReason: a failed dump has QEMU's reason, also if the event is lost.
func TestDumpReason(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	f.content, f.fails = []byte("part"), "dump: failed to save memory: No space left on device"
	c := f.Dial()
	var core bytes.Buffer
	err := machine.DumpMemory(t.Context(), c, &core, nil)
	require.ErrorIs(t, err, machine.ErrDumpFailed)
	require.ErrorContains(t, err, "No space left on device")
	f.set(func() { f.events = false })
	err = machine.DumpMemory(t.Context(), c, &core, nil)
	require.ErrorIs(t, err, machine.ErrDumpFailed)
	require.ErrorContains(t, err, "did not report a reason")
}

// TestDumpCleansUp: DumpMemory returns when the dump does not prevent a migration any more. It does not wait for what
// prevented one before, and not for ever.
func TestDumpCleansUp(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	c := f.Dial()
	f.set(func() { f.blockers = []string{"old", "dump", "dump", "old", "not asked for"} })
	require.NoError(t, machine.DumpMemory(t.Context(), c, io.Discard, nil))
	f.set(func() { require.Equal(t, []string{"not asked for"}, f.blockers) })
	f.set(func() { f.blockers = []string{"another dump", "another dump"} })
	require.NoError(t, machine.DumpMemory(t.Context(), c, io.Discard, nil))
	f.set(func() { f.status = qemu.DumpStatusNone })
	f.set(func() { f.blockers = append([]string{"old"}, slices.Repeat([]string{"new"}, 200)...) })
	require.NoError(t, machine.DumpMemory(t.Context(), c, io.Discard, nil))
	f.set(func() { require.Len(t, f.blockers, 100) })
}

// TestOtherDump: DumpMemory does not begin a dump while QEMU writes another one.
func TestOtherDump(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	f.status = qemu.DumpStatusActive
	require.ErrorIs(t, machine.DumpMemory(t.Context(), f.Dial(), io.Discard, nil), machine.ErrDumping)
	require.Len(t, f.Requests(), 1)
}

// TestDumpIntoFileGoesOn: a dump that needs to seek cannot be cancelled, and the error says so.
func TestDumpIntoFileGoesOn(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	f.hangs = true
	file, err := os.Create(t.TempDir() + "/core")
	require.NoError(t, err)
	defer file.Close()
	ctx, cancel := context.WithCancel(t.Context())
	err = machine.DumpMemory(ctx, f.Dial(), file, &machine.DumpOptions{
		Format: qemu.DumpGuestMemoryFormatKdumpRawZlib, Progress: func(int64, int64) { cancel() },
	})
	require.ErrorIs(t, err, machine.ErrDumpGoesOn)
	require.ErrorIs(t, err, context.Canceled)
	f.set(func() { require.Equal(t, qemu.DumpStatusActive, f.status); f.hangs = false })
}

// TestDumpOptions: what QEMU would take and misunderstand is refused before anything is sent.
func TestDumpOptions(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	c := f.Dial()
	for _, opts := range []machine.DumpOptions{{Length: -5, Begin: 1}, {Begin: -1, Length: 1}, {Begin: 1}} {
		require.ErrorContains(t, machine.DumpMemory(t.Context(), c, io.Discard, &opts), "must not be negative")
	}
	require.ErrorContains(t, machine.DumpMemory(t.Context(), c, io.Discard, &machine.DumpOptions{
		Format: qemu.DumpGuestMemoryFormatKdumpRawLZO,
	}), "needs an *os.File")
	require.Empty(t, f.Requests())
}

// TestWithoutDescriptors: a connection that cannot carry descriptors is an error that says so.
func TestWithoutDescriptors(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	c, err := qmp.NewClient(t.Context(), f.Pipe(), nil)
	require.NoError(t, err)
	defer c.Close()
	require.ErrorIs(t, machine.DumpMemory(t.Context(), c, io.Discard, nil), errors.ErrUnsupported)
	require.ErrorIs(t, machine.Screendump(t.Context(), c, io.Discard, nil), errors.ErrUnsupported)
}

// TestScreendumpFaults: each command goes wrong in each way. The caller learns it, and QEMU keeps no descriptor.
func TestScreendumpFaults(t *testing.T) {
	t.Parallel()
	for _, fault := range fakeqemu.Faults {
		t.Run(string(fault), func(t *testing.T) {
			t.Parallel()
			f := newFake(t)
			_, err := fakeqemu.AtEveryStep(t.Context(), f.Dial(), fault, func(ctx context.Context, conn *fakeqemu.Faulty) error {
				return machine.Screendump(ctx, conn, io.Discard, nil)
			}, func(command string, err error) {
				if command == "query-fdsets" || command == "remove-fd" { // of cleaning up
					require.True(t, err != nil || f.kept() == 0, command)
					f.set(func() { clear(f.files) })
					return
				}
				require.Error(t, err, command)
				require.Zero(t, f.kept(), command)
			})
			require.NoError(t, err)
		})
	}
}

// TestPictures: a wrong picture is an error, and a PNG has the pixels of the PPM.
func TestPictures(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	c := f.Dial()
	encode := func(ppm string) (string, error) {
		f.set(func() { f.content = []byte(ppm) })
		var picture bytes.Buffer
		err := machine.Screendump(t.Context(), c, &picture, &machine.ScreendumpOptions{Format: qemu.ImageFormatPNG})
		return picture.String(), err
	}
	for _, wrong := range []string{"", "P5\n1 1\n255\n\x00", "P6\n1 2\n255\nabc", "P6\n-1 2\n255\n", "P6\n1 99999999\n255\n"} {
		_, err := encode(wrong)
		require.ErrorContains(t, err, "picture of QEMU", "%q", wrong)
	}
	text, err := encode("P6\n2 1\n255\n\x01\x02\x03\xff\xfe\xfd")
	require.NoError(t, err)
	require.Equal(t, "(1,2,3) (255,254,253)", pixels(t, text))
	require.ErrorIs(t, machine.Screendump(t.Context(), c, failingWriter{}, nil), io.ErrShortWrite)
}

type failingWriter struct{}

func (failingWriter) Write([]byte) (int, error) { return 0, io.ErrShortWrite }

// TestHMPErrors: what the error of a command of HMP says, without the secrets of the command.
func TestHMPErrors(t *testing.T) {
	t.Parallel()
	s := qmptest.NewServer(t, nil)
	c := s.Dial()
	for output, text := range map[string]string{
		"Error: no such thing\r\n":                             "machine: set_password: no such thing",
		"warning: old\r\nError: no\r\n":                        "machine: set_password: no",
		"no number\r\nTry \"help x\" for more information\r\n": "machine: set_password: no number",
		"Try \"help x\" for more information\r\n":              "machine: set_password: Try \"help x\" for more information",
		"unknown command: 'set_password'\r\n":                  "machine: set_password: unknown command: 'set_password'",
		"warning: old\r\n":                                     "",
		"":                                                     "",
		"Errors: 0\r\n":                                        "",
		"Command 'info skeys' not available until machine initialization has completed.\r\n": "machine: set_password: " +
			"Command 'info skeys' not available until machine initialization has completed.",
	} {
		s.Expect("human-monitor-command").Reply(output)
		got, err := machine.HumanMonitor(t.Context(), c, "set_password vnc secret")
		require.Equal(t, strings.ReplaceAll(output, "\r\n", "\n"), got)
		if text == "" {
			require.NoError(t, err, output)
		} else {
			require.EqualError(t, err, text)
		}
	}
	s.Expect("human-monitor-command").Refuse(qmp.ErrGeneric, "no")
	_, err := machine.HumanMonitor(t.Context(), c, "info x secret")
	require.ErrorContains(t, err, "machine: info x: ")
	require.NotContains(t, err.Error(), "secret")
	s.Expect("human-monitor-command").Refuse(qmp.ErrGeneric, "no")
	_, err = machine.HumanMonitor(t.Context(), c, " ")
	require.ErrorContains(t, err, "machine: empty command: ")
}

// TestRingbufPieces: a large buffer takes several commands. If one fails, the bytes that were read are not lost.
func TestRingbufPieces(t *testing.T) {
	t.Parallel()
	s := qmptest.NewServer(t, nil)
	c := s.Dial()
	full := bytes.Repeat([]byte{0xfe}, 1<<20)
	piece := func(b []byte) { s.Expect("ringbuf-read").Reply(base64.StdEncoding.EncodeToString(b)) }
	piece(full)
	piece(full)
	piece([]byte("end"))
	data, err := machine.ReadRingbuf(t.Context(), c, "r")
	require.NoError(t, err)
	require.True(t, bytes.Equal(slices.Concat(full, full, []byte("end")), data))
	piece(full)
	s.Expect("ringbuf-read").Refuse(qmp.ErrGeneric, "no")
	data, err = machine.ReadRingbuf(t.Context(), c, "r")
	require.ErrorContains(t, err, `machine: read ring buffer "r": `)
	require.Len(t, data, 1<<20)
	s.Expect("ringbuf-read").Reply("*")
	_, err = machine.ReadRingbuf(t.Context(), c, "r")
	var wrong *qmp.DecodeError
	require.ErrorAs(t, err, &wrong)
}

// TestDumpLosesConnection: the connection ends at the n-th look. DumpMemory returns the reason, and does not wait for more.
func TestDumpLosesConnection(t *testing.T) {
	t.Parallel()
	for _, command := range []string{"dump-guest-memory", "query-dump", "query-status", "query-migrate"} {
		t.Run(command, func(t *testing.T) {
			t.Parallel()
			f := newFake(t)
			f.content = []byte("core")
			c := f.Dial()
			asked := 0
			conn := &intercepted{c, func(call *qmp.Call) {
				if asked++; call.Command == command && asked > 1 {
					f.Disconnect()
				}
			}}
			var core bytes.Buffer
			err := machine.DumpMemory(t.Context(), conn, &core, nil)
			require.Error(t, err)
			<-c.Done()
			require.NotErrorIs(t, err, machine.ErrDumpGoesOn, "nobody knows")
		})
	}
}

// An intercepted connection calls a function before each command.
type intercepted struct {
	*qmp.Client
	before func(call *qmp.Call)
}

func (c *intercepted) Execute(ctx context.Context, call *qmp.Call) error {
	c.before(call)
	return c.Client.Execute(ctx, call)
}

// TestNoTemporaryFile: without a folder for temporary files, nothing is sent.
func TestNoTemporaryFile(t *testing.T) {
	s := qmptest.NewServer(t, nil)
	c := s.Dial()
	missing := t.TempDir() + "/nosuch"
	t.Setenv("TMPDIR", missing)
	t.Setenv("TMP", missing)
	err := machine.Screendump(t.Context(), c, io.Discard, nil)
	require.ErrorIs(t, err, os.ErrNotExist)
	require.ErrorContains(t, err, "machine: screendump: ")
	require.Empty(t, s.Requests())
}
