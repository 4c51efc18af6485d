package qmpfd_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/internal/fakeqemu"
	"github.com/qmpkit/qmpkit/internal/qemutest"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/qmpfd"
	"github.com/qmpkit/qmpkit/qmp/qmptest"
)

func TestSet(t *testing.T) {
	qemutest.CheckFds(t)
	ctx := t.Context()
	m := fakeqemu.New(t)
	c := m.Dial()
	files := open(t, image(t), rw, ro)
	a, err := qmpfd.AddSet(ctx, c, "t:a", files...)
	require.NoError(t, err)
	b, err := qmpfd.AddSet(ctx, c, "t:b", files[0])
	require.NoError(t, err)
	require.Equal(t, []string{"fdset 0 t:a", "fdset 0 t:a", "fdset 1 t:b"}, m.State())
	require.Equal(t, "/dev/fdset/1", b.Path())
	require.EqualValues(t, 1, b.ID())

	require.NoError(t, a.Remove(ctx))
	require.Equal(t, []string{"fdset 1 t:b"}, m.State())

	// The number is used again, by a set that the first one's end does not touch.
	_, err = qmpfd.AddSet(ctx, c, "t:a", files[0])
	require.NoError(t, err)
	n := len(m.Requests())
	require.NoError(t, a.Remove(ctx))
	require.Len(t, m.Requests(), n)
	require.Equal(t, []string{"fdset 0 t:a", "fdset 1 t:b"}, m.State())

	// Of two with the same text only the one that is meant goes.
	again, err := qmpfd.AddSet(ctx, c, "t:a", files[0])
	require.NoError(t, err)
	require.NoError(t, again.Remove(ctx))
	require.Equal(t, []string{"fdset 0 t:a", "fdset 1 t:b"}, m.State())

	begins := func(opaque string) bool { return strings.HasPrefix(opaque, "t:a") }
	require.NoError(t, qmpfd.RemoveSetsFunc(ctx, c, begins))
	require.NoError(t, qmpfd.RemoveSetsFunc(ctx, c, begins), "twice")
	require.Equal(t, []string{"fdset 1 t:b"}, m.State())
	require.NoError(t, qmpfd.RemoveSets(ctx, c, "t:a"), "which are gone")
	require.NoError(t, qmpfd.RemoveSets(ctx, c, "t:b"))
	require.Empty(t, m.State())

	// Nor one that somebody else has removed.
	_, err = qmpfd.AddSet(ctx, c, "t:c", files...)
	require.NoError(t, err)
	_, err = qmpfd.AddSet(ctx, c, "t:d", files...)
	require.NoError(t, err)
	require.NoError(t, b.Remove(ctx))
	require.Equal(t, []string{"fdset 0 t:c", "fdset 0 t:c", "fdset 1 t:d", "fdset 1 t:d"}, m.State())
}

// TestRemoveSet removes a set by its number alone.
func TestRemoveSet(t *testing.T) {
	qemutest.CheckFds(t)
	ctx := t.Context()
	m := fakeqemu.New(t)
	c := m.Dial()
	remove := func(id int64, want bool) {
		t.Helper()
		removed, err := qmpfd.RemoveSet(ctx, c, id)
		require.NoError(t, err)
		require.Equal(t, want, removed)
	}
	files := open(t, image(t), rw, ro)
	for _, opaque := range []string{"t:a", "t:b"} {
		_, err := qmpfd.AddSet(ctx, c, opaque, files...)
		require.NoError(t, err)
	}
	remove(7, false)
	remove(0, true)
	require.Equal(t, []string{"fdset 1 t:b", "fdset 1 t:b"}, m.State())
	remove(0, false)

	m.Intercept("remove-fd", func(r *qmptest.Request, machine qmptest.Handler) (any, error) { // somebody was faster
		if _, err := machine(r); err != nil {
			return nil, err
		}
		return machine(r)
	})
	remove(1, false)
	require.Empty(t, m.State())
}

// TestNothingSent: these errors are found before a command is sent.
func TestNothingSent(t *testing.T) {
	qemutest.CheckFds(t)
	ctx := t.Context()
	m := fakeqemu.New(t)
	c := m.Dial()
	path := image(t)
	writable := open(t, path, rw)
	errs := map[string]error{}
	_, errs["no text"] = qmpfd.AddSet(ctx, c, "", writable...)
	_, errs["no files"] = qmpfd.AddSet(ctx, c, "t")
	_, errs["nil"] = qmpfd.AddSet(ctx, c, "t", writable[0], nil)
	_, errs["wrong flags"] = qmpfd.Use{ReadOnly: true}.AddSet(ctx, c, "t", writable...)
	errs["remove without a text"] = qmpfd.RemoveSets(ctx, c, "")
	_, errs["use of nil"] = qmpfd.UseOf(nil)
	errs["no name"] = qmpfd.Send(ctx, c, "", writable[0])
	errs["digit"] = qmpfd.Send(ctx, c, "0tap", writable[0])
	errs["send nil"] = qmpfd.Send(ctx, c, "tap", nil)
	if qmpfd.PathFlag != 0 {
		place := open(t, path, qmpfd.PathFlag)
		_, errs["place"] = qmpfd.AddSet(ctx, c, "t", writable[0], place[0])
		errs["send a place"] = qmpfd.Send(ctx, c, "tap", place[0])
	}
	for name, err := range errs {
		require.ErrorIs(t, err, qmp.ErrNotSent, name)
		require.True(t, strings.HasPrefix(err.Error(), "qmpfd: "), err)
	}
	require.Empty(t, m.Requests())
}

// TestSetFaults causes each fault at each command of AddSet.
func TestSetFaults(t *testing.T) {
	for _, fault := range fakeqemu.Faults {
		t.Run(string(fault), func(t *testing.T) {
			qemutest.CheckFds(t)
			m := fakeqemu.New(t)
			c := m.Dial()
			path := image(t)
			other, err := qmpfd.AddSet(t.Context(), c, "t:other", open(t, path, ro)...)
			require.NoError(t, err)
			before := m.State()
			met, err := fakeqemu.AtEveryStep(t.Context(), c, fault, func(ctx context.Context, x *fakeqemu.Faulty) error {
				_, err := qmpfd.Use{AutoReadOnly: true}.AddSet(ctx, x, "t:a", open(t, path, rw, ro)...)
				return err
			}, func(command string, err error) {
				require.Error(t, err, command)
				require.NotErrorAs(t, err, new(*qmpfd.UndoError), command)
				require.Equal(t, before, m.State(), command)
			})
			require.NoError(t, err)
			require.Equal(t, []string{"add-fd", "add-fd"}, met)
			require.NoError(t, qmpfd.RemoveSets(t.Context(), c, "t:a"))
			require.NoError(t, other.Remove(t.Context()))
			require.Empty(t, m.State())
		})
	}
}

// TestLateAnswer: the context ends before the answer comes.
func TestLateAnswer(t *testing.T) {
	qemutest.CheckFds(t)
	m := fakeqemu.New(t)
	held := make(chan struct{})
	m.SetFaults(func(out io.WriteCloser) io.WriteCloser { return &holding{WriteCloser: out, until: held} })
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	c := &interrupted{m.Dial(), func() { // its request has come, and the answer has not gone out
		for len(m.Requests()) == 0 {
			time.Sleep(time.Millisecond)
		}
		cancel()
	}, held}
	_, err := qmpfd.AddSet(ctx, c, "t", open(t, image(t), rw)...)
	require.ErrorIs(t, err, qmp.ErrOutcomeUnknown)
	require.ErrorIs(t, err, context.Canceled)
	require.NotErrorAs(t, err, new(*qmpfd.UndoError))
	require.Equal(t, "remove-fd", m.Requests()[2].Command)
	require.Empty(t, m.State())
}

// holding lets two messages out, the greeting and the answer to qmp_capabilities, and holds others.
type holding struct {
	io.WriteCloser
	until  <-chan struct{}
	passed int
}

func (h *holding) Write(b []byte) (int, error) {
	if h.passed++; h.passed > 2 {
		<-h.until
	}
	return h.WriteCloser.Write(b)
}

// interrupted is a connection whose first command's context ends while it is executed. Answers come
// after that.
type interrupted struct {
	*qmp.Client
	interrupt func()
	held      chan struct{}
}

func (i *interrupted) Execute(ctx context.Context, call *qmp.Call) error {
	if i.interrupt == nil {
		return i.Client.Execute(ctx, call)
	}
	go i.interrupt()
	i.interrupt = nil
	defer close(i.held)
	return i.Client.Execute(ctx, call)
}

// TestConnectionLost: nothing can be undone.
func TestConnectionLost(t *testing.T) {
	qemutest.CheckFds(t)
	lose := func(r *qmptest.Request) (any, error) {
		r.Disconnect()
		return nil, nil
	}
	m := fakeqemu.New(t)
	m.Handle("add-fd", lose)
	m.Handle("getfd", lose)
	files := open(t, image(t), rw)
	_, addErr := qmpfd.AddSet(t.Context(), m.Dial(), "t", files...)
	sendErr := qmpfd.Send(t.Context(), m.Dial(), "t", files[0])
	for _, err := range []error{addErr, sendErr} {
		var undo *qmpfd.UndoError
		require.ErrorAs(t, err, &undo)
		require.ErrorIs(t, undo.Err, qmp.ErrOutcomeUnknown)
		require.ErrorIs(t, undo.Undo, qmp.ErrNotSent)
		require.True(t, qmp.MayHaveExecuted(err), "of the two, what was not sent is the undoing")
		require.ErrorContains(t, err, "it could not be undone")
	}
}

// TestStopped: QEMU closes no descriptors while its machine is stopped.
func TestStopped(t *testing.T) {
	ctx := t.Context()
	m := fakeqemu.New(t)
	c := m.Dial()
	set, err := qmpfd.AddSet(ctx, c, "t", open(t, image(t), rw)...)
	require.NoError(t, err)
	m.Stop(true)
	require.ErrorIs(t, set.Remove(ctx), qmpfd.ErrKept)
	require.ErrorIs(t, qmpfd.RemoveSets(ctx, c, "t"), qmpfd.ErrKept)
	m.Handle("remove-fd", qmptest.Refuse(qmp.ErrGeneric, "no"))
	require.ErrorIs(t, set.Remove(ctx), qmp.ErrGeneric)
	require.NotEmpty(t, m.State())
	ended, cancel := context.WithCancel(ctx)
	cancel()
	require.ErrorIs(t, set.Remove(ended), context.Canceled)
}

// TestConcurrently is for the race detector, and checks that each set gets its own files.
func TestConcurrently(t *testing.T) {
	qemutest.CheckFds(t)
	m := fakeqemu.New(t)
	c := m.Dial()
	files := open(t, image(t), rw, ro)
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			set, err := qmpfd.AddSet(t.Context(), c, fmt.Sprint("t:", i), files...)
			if err != nil {
				t.Error(err)
				return
			}
			for range 3 {
				all.Go(func() {
					if err := set.Remove(t.Context()); err != nil {
						t.Error(err)
					}
				})
			}
		})
	}
	all.Wait()
	require.Empty(t, m.State())
}

// TestSetOverPipe: the connection cannot carry descriptors.
func TestSetOverPipe(t *testing.T) {
	m := fakeqemu.New(t)
	c, err := qmp.NewClient(t.Context(), m.Pipe(), nil)
	require.NoError(t, err)
	defer c.Close()
	f, err := os.Open(image(t))
	require.NoError(t, err)
	defer f.Close()
	_, err = qmpfd.AddSet(t.Context(), c, "t", f)
	require.ErrorIs(t, err, qmp.ErrNotSent)
	require.ErrorIs(t, qmpfd.Send(t.Context(), c, "t", f), qmp.ErrNotSent)
	require.Empty(t, m.State())
}

// TestSetOfNobody: the Set was not made by AddSet. Remove fails at once.
func TestSetOfNobody(t *testing.T) {
	err := new(qmpfd.Set).Remove(t.Context())
	require.ErrorIs(t, err, qmp.ErrNotSent)
	require.EqualError(t, err, "qmpfd: the Set was not made by AddSet")
}

// TestRemoveGivesUp: while another goroutine removes the set, Remove waits until its context ends.
func TestRemoveGivesUp(t *testing.T) {
	m := fakeqemu.New(t)
	f, err := os.Open(image(t))
	require.NoError(t, err)
	defer f.Close()
	set, err := qmpfd.AddSet(t.Context(), m.Dial(), "t", f)
	require.NoError(t, err)
	asked := make(chan struct{})
	m.Handle("query-fdsets", func(*qmptest.Request) (any, error) { close(asked); return nil, qmptest.ErrNoReply })
	first, endFirst := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- set.Remove(first) }()
	<-asked
	stop := errors.New("the operator has pressed stop")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(stop)
	err = set.Remove(ctx)
	require.EqualError(t, err, "qmpfd: another goroutine is removing the set: the operator has pressed stop")
	require.ErrorIs(t, err, stop)
	require.ErrorIs(t, err, context.Canceled)
	require.ErrorIs(t, err, qmp.ErrNotSent)
	endFirst()
	require.ErrorIs(t, <-done, context.Canceled)
}
