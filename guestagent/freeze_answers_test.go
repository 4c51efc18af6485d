package guestagent_test

import (
	"context"
	"errors"
	"io"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/guestagent"
	"github.com/qmpkit/qmpkit/qmp"
)

// TestFreezeAnswers: what an agent can answer to a freeze and a thaw.
func TestFreezeAnswers(t *testing.T) {
	called := func(context.Context) error { return errors.New("called") }
	synctest.Test(t, func(t *testing.T) {
		g := newFakeGuest()
		a := g.agent(t, false)
		g.count = 0
		require.ErrorIs(t, a.WhileFrozen(t.Context(), nil, called), guestagent.ErrNotAllFrozen)
		require.Equal(t, []string{"guest-fsfreeze-freeze"}, g.calls)

		g.answers = map[string]func([]byte) (any, error){"guest-fsfreeze-freeze": refusal(qmp.ErrGeneric)}
		g.calls = nil
		require.ErrorIs(t, a.WhileFrozen(t.Context(), nil, called), qmp.ErrGeneric)
		require.Equal(t, []string{"guest-fsfreeze-freeze", "guest-fsfreeze-thaw"}, g.calls)

		// Thawing fails, at first or each time, or cannot work.
		g.count = 2
		attempts := 0
		g.answers = map[string]func([]byte) (any, error){"guest-fsfreeze-thaw": func([]byte) (any, error) {
			if attempts++; attempts < 5 {
				return refusal(qmp.ErrGeneric)(nil)
			}
			g.frozen = false
			return 0, nil // thawed by the first attempt
		}}
		require.NoError(t, a.WhileFrozen(t.Context(), nil, func(context.Context) error { return nil }))
		require.Equal(t, 5, attempts)
		g.frozen = false
		g.answers["guest-fsfreeze-thaw"] = refusal(qmp.ErrGeneric)
		failure := errors.New("failure")
		begin := time.Now()
		err := a.WhileFrozen(t.Context(), &guestagent.FreezeOptions{ThawLimit: 10 * time.Second}, func(context.Context) error { return failure })
		require.ErrorIs(t, err, failure)
		require.ErrorIs(t, err, qmp.ErrGeneric)
		thaw := new(guestagent.ThawError)
		require.ErrorAs(t, err, &thaw)
		require.True(t, qmp.MayHaveExecuted(err))
		require.Equal(t, 10*time.Second, time.Since(begin))
		g.answers["guest-fsfreeze-thaw"] = refusal(qmp.ErrCommandNotFound)
		begin = time.Now()
		require.ErrorIs(t, a.Thaw(t.Context()), guestagent.ErrUnavailable)
		require.Zero(t, time.Since(begin))
		g.answers = nil
		require.NoError(t, a.Thaw(t.Context()))

		// A list of mount points.
		opts := &guestagent.FreezeOptions{Mountpoints: []string{"/", "/srv"}}
		g.answers = map[string]func([]byte) (any, error){"guest-fsfreeze-freeze-list": returns(1)}
		g.calls = nil
		err = a.WhileFrozen(t.Context(), opts, called)
		require.ErrorIs(t, err, guestagent.ErrNotAllFrozen)
		require.Equal(t, []string{`guest-fsfreeze-freeze-list{"mountpoints":["/","/srv"]}`, "guest-fsfreeze-thaw"}, g.calls)

		// Somebody else has frozen the guest: it stays so.
		g.answers = nil
		g.frozen = true
		z := a.Freezer(opts)
		require.ErrorIs(t, z.Freeze(t.Context()), guestagent.ErrFrozen)
		require.NoError(t, z.Thaw(t.Context()))
		require.True(t, g.frozen)
		g.frozen = false

		z = a.Freezer(nil)
		require.NoError(t, z.Freeze(t.Context()))
		g.answers = map[string]func([]byte) (any, error){"guest-fsfreeze-thaw": returns(1)}
		err = z.Thaw(t.Context())
		require.ErrorIs(t, err, guestagent.ErrThawedEarly)
		require.ErrorContains(t, err, "1 of 2 were still frozen")
	})
}

// TestFreezeLimit: the file systems are thawed when the time is over, even if the function has not returned.
func TestFreezeLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newFakeGuest()
		a := g.agent(t, false)
		begin := time.Now()
		err := a.WhileFrozen(t.Context(), nil, func(context.Context) error {
			time.Sleep(9 * time.Second)
			require.Equal(t, []string{"frozen"}, g.left())
			time.Sleep(2 * time.Second)
			require.Empty(t, g.left())
			time.Sleep(time.Second)
			return nil
		})
		require.Equal(t, 12*time.Second, time.Since(begin))
		require.ErrorIs(t, err, guestagent.ErrFreezeLimit)
		require.ErrorIs(t, err, context.DeadlineExceeded)
	})
}

// TestFrozenContext: operations with the context of a freeze do not wait for its end.
func TestFrozenContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newFakeGuest()
		a := g.agent(t, false)
		p, err := a.Start(t.Context(), guestagent.Command{Path: "forever"})
		require.NoError(t, err)
		g.running[p.PID()] = true
		f, err := a.Open(t.Context(), "/file", os.O_RDWR)
		require.NoError(t, err)
		begin := time.Now()
		require.NoError(t, a.WhileFrozen(t.Context(), nil, func(ctx context.Context) error {
			_, err := p.Wait(ctx)
			require.ErrorIs(t, err, guestagent.ErrFrozen)
			require.ErrorIs(t, p.Kill(ctx), guestagent.ErrFrozen)
			_, err = a.ReadFile(ctx, "/file")
			require.ErrorIs(t, err, guestagent.ErrFrozen)
			_, err = f.Read(make([]byte, 1))
			require.ErrorIs(t, err, guestagent.ErrFrozen)
			require.ErrorIs(t, a.WhileFrozen(ctx, nil, nil), guestagent.ErrFrozen)
			require.Zero(t, time.Since(begin))
			go func() { // Close waits
				_, err := f.Write([]byte("text"))
				require.ErrorIs(t, err, guestagent.ErrFrozen)
				require.NoError(t, f.Close())
			}()
			time.Sleep(time.Second)
			return nil
		}))
		time.Sleep(time.Minute)
		require.Empty(t, g.open)
		require.NoError(t, p.Kill(t.Context()))
	})
}

// TestCopiesWaitForThaw: a whole operation waits while file systems are frozen.
func TestCopiesWaitForThaw(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newFakeGuest()
		a := g.agent(t, false)
		time.AfterFunc(10*time.Second, func() { require.NoError(t, a.Thaw(context.Background())) })
		reader := freezingReader{g, 3}
		n, err := a.CopyTo(t.Context(), "/file", &reader, nil)
		require.NoError(t, err)
		require.EqualValues(t, 300, n)
		g.frozen = true
		time.AfterFunc(time.Second, func() { require.NoError(t, a.Thaw(context.Background())) })
		_, err = a.ReadFile(t.Context(), "/file")
		require.ErrorIs(t, err, guestagent.ErrFrozen, "it has nothing to lose yet")
		time.Sleep(time.Minute)
		require.Empty(t, g.left())
	})
}

// A freezingReader freezes the guest while it is read.
type freezingReader struct {
	g    *fakeGuest
	left int
}

func (r *freezingReader) Read(b []byte) (int, error) {
	if r.left--; r.left < 0 {
		return 0, io.EOF
	}
	r.g.mu.Lock()
	r.g.frozen = r.left == 1
	r.g.mu.Unlock()
	return 100, nil
}
