package qmp_test

import (
	"context"
	"errors"
	"io"
	"os"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/wire"
)

// sync does as an agent does with a delimiter: it complains about it, and answers what follows.
// Before is what comes before that.
func (p *peer) sync(before string) {
	const request = "\xff" + `{"execute":"guest-sync-delimited","arguments":{"id":`
	p.expect(request)
	number, id := p.until(','), p.until('}')
	p.write(before + `{"error": {"class": "GenericError", "desc": "JSON parse error"}}` + "\n\xff" +
		`{"return": ` + strings.TrimSuffix(number, "}") + `, ` + id + "}\n")
}

// until reads up to a byte, which it leaves out.
func (p *peer) until(end byte) string {
	var text []byte
	b := make([]byte, 1)
	for {
		if _, err := io.ReadFull(p, b); err != nil {
			return string(text)
		}
		if b[0] == end {
			return string(text)
		}
		text = append(text, b[0])
	}
}

// connectAgent returns a client, and its agent.
func connectAgent(t *testing.T) (*qmp.GuestClient, *peer) {
	t.Helper()
	p, conn := newPeer(t)
	go p.sync("")
	g, err := qmp.NewGuestClient(limit(t), conn, nil)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, g.Close()) })
	return g, p
}

// ask executes a command of an agent.
func ask(ctx context.Context, g *qmp.GuestClient, command string) (string, error) {
	v, err := qmp.Raw{Command: command}.Do(ctx, g)
	return string(v), err
}

// TestGuestLeftovers: the client drops text that an agent has sent before.
func TestGuestLeftovers(t *testing.T) {
	for name, before := range map[string]string{
		"a reply":           `{"return": 77, "id": 0}` + "\n",
		"a part of one":     `{"return": {"buf": "AAA`,
		"the end of one":    `AAAA"}, "id": 3}` + "\n",
		"a delimiter":       "\xff" + `{"return": 5}` + "\n",
		"something else":    "login: \x00\x01 {[}",
		"garbage, messages": `]{"return": 1}]` + "\xff]\xff" + `{"ret`,
	} {
		t.Run(name, func(t *testing.T) {
			p, conn := newPeer(t)
			go func() {
				p.sync(before)
				p.expect(`{"execute":"guest-ping","id":`)
				id := p.until('}')
				p.write(`{"return": {}, "id": ` + id + "}\n")
			}()
			g, err := qmp.NewGuestClient(limit(t), conn, nil)
			require.NoError(t, err)
			_, err = ask(limit(t), g, "guest-ping")
			require.NoError(t, err)
			require.NoError(t, g.Close())
			require.ErrorIs(t, g.Err(), qmp.ErrClosed)
		})
	}
}

// TestGuestSynchronisesAgain after a reply that did not come in time.
func TestGuestSynchronisesAgain(t *testing.T) {
	g, p := connectAgent(t)
	ctx, cancel := context.WithCancel(limit(t))
	go func() {
		p.expect(`{"execute":"guest-get-time","id":`)
		p.until('}')
		cancel()
	}()
	_, err := ask(ctx, g, "guest-get-time")
	require.ErrorIs(t, err, qmp.ErrOutcomeUnknown)
	go func() {
		p.sync(`{"return": 1, "id": 1}` + "\n") // late
		p.expect(`{"execute":"guest-get-time","id":`)
		id := p.until('}')
		p.write(`{"return": 2, "id": ` + id + "}\n")
	}()
	v, err := ask(limit(t), g, "guest-get-time")
	require.NoError(t, err)
	require.Equal(t, "2", v)
}

// swallow reads and drops what an agent does not see, for a while.
func (p *peer) swallow(d time.Duration) (text string) {
	_ = p.SetReadDeadline(time.Now().Add(d))
	b, err := io.ReadAll(p)
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		p.t.Errorf("read %q, then %v", b, err)
	}
	_ = p.SetReadDeadline(time.Time{})
	return string(b)
}

// TestGuestSwallowedSync: firmware or a boot loader reads the channel before the agent does. The
// client asks again, when it connects and after a command that was not answered.
func TestGuestSwallowedSync(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, conn := newPeer(t)
		go func() {
			text := p.swallow(10 * time.Second)
			if n := strings.Count(text, "\xff{"); n != 4 { // at 0, 3, 6 and 9 s
				t.Errorf("%d requests: %q", n, text)
			}
			p.sync("")
		}()
		begin := time.Now()
		traced := 0
		g, err := qmp.NewGuestClient(t.Context(), conn, &qmp.Options{Trace: func(m qmp.TraceMessage) {
			if m.Sent {
				traced++
			}
		}})
		require.NoError(t, err)
		defer g.Close()
		require.Equal(t, 12*time.Second, time.Since(begin))
		require.Equal(t, 5, traced)

		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		go func() {
			p.swallow(14 * time.Second)
			p.sync("")
			p.expect(`{"execute":"guest-ping","id":`)
			p.write(`{"return": {}, "id": ` + p.until('}') + "}")
		}()
		_, err = ask(ctx, g, "guest-ping")
		require.ErrorIs(t, err, qmp.ErrOutcomeUnknown)
		_, err = ask(t.Context(), g, "guest-ping")
		require.NoError(t, err)
		require.Zero(t, g.Stats().InFlight)
		time.Sleep(time.Minute) // nothing is sent any more: nobody would read it
	})
}

// TestGuestAnswersEachCopy: a slow agent answers each copy of a request. The first answer counts,
// and the others are not taken for replies to commands.
func TestGuestAnswersEachCopy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, conn := newPeer(t)
		served := make(chan struct{})
		go func() {
			defer close(served)
			text := p.swallow(31 * time.Second)
			one := strings.Split(text, "\xff")[1]
			number, id, _ := strings.Cut(strings.TrimPrefix(one, `{"execute":"guest-sync-delimited","arguments":{"id":`), `},"id":`)
			id = strings.TrimSuffix(id, "}")
			if strings.Count(text, one) != 11 {
				t.Errorf("not the same: %q", text)
			}
			for range 11 { // one after the other, among them other requests
				p.write(`{"error": {"class": "GenericError", "desc": "JSON parse error"}}` + "\n\xff" +
					`{"return": ` + number + `, "id": ` + id + "}\n")
			}
			for range 20 {
				p.expect(`{"execute":"c`)
				name := p.until('"')
				p.expect(`,"id":`)
				p.write(`{"return": "` + name + `", "id": ` + p.until('}') + "}\n")
			}
		}()
		g, err := qmp.NewGuestClient(t.Context(), conn, nil)
		require.NoError(t, err)
		defer g.Close()
		for i := range 20 {
			v, err := ask(t.Context(), g, "c"+strconv.Itoa(i))
			require.NoError(t, err)
			require.Equal(t, strconv.Quote(strconv.Itoa(i)), v)
		}
		require.Zero(t, g.Stats().InFlight)
		<-served
	})
}

// TestGuestDoesNotRead: the client does not repeat a request that is still to be written.
func TestGuestDoesNotRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, conn := newPeer(t)
		go func() {
			time.Sleep(time.Minute)
			p.sync("")
		}()
		g, err := qmp.NewGuestClient(t.Context(), conn, nil)
		require.NoError(t, err)
		require.NoError(t, g.Close())

		p, conn = newPeer(t)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		_, err = qmp.NewGuestClient(ctx, conn, nil)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		_, err = p.Read(make([]byte, 1))
		require.ErrorIs(t, err, io.EOF)
	})
}

// TestGuestEndsWhileItIsAskedAgain: the connection, and Close.
func TestGuestEndsWhileItIsAskedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, conn := newPeer(t)
		go func() {
			p.swallow(10 * time.Second)
			_ = p.Close()
		}()
		_, err := qmp.NewGuestClient(t.Context(), conn, nil)
		require.ErrorIs(t, err, io.EOF)

		p, conn = newPeer(t)
		go func() { p.sync(""); p.swallow(10 * time.Second); _, _ = io.Copy(io.Discard, p) }()
		g, err := qmp.NewGuestClient(t.Context(), conn, nil)
		require.NoError(t, err)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err = ask(ctx, g, "a")
		require.ErrorIs(t, err, context.DeadlineExceeded)
		time.AfterFunc(20*time.Second, func() { _ = g.Close() })
		_, err = ask(t.Context(), g, "b")
		require.ErrorIs(t, err, qmp.ErrClosed)
		require.ErrorIs(t, err, qmp.ErrNotSent)
	})
}

// TestGuestReplyOfAnEarlierAttempt: the reply has the number of the earlier attempt and the id of
// the present one.
func TestGuestReplyOfAnEarlierAttempt(t *testing.T) {
	p, conn := newPeer(t)
	go func() {
		p.until('}')
		p.until('}')
		p.write("\xff" + `{"return": 12345, "id": 0}` + "\n")
		p.sync("")
	}()
	g, err := qmp.NewGuestClient(limit(t), conn, nil)
	require.NoError(t, err)
	require.NoError(t, g.Close())
}

// TestGuestThatDoesNotAnswer: repeated requests need no more memory.
func TestGuestThatDoesNotAnswer(t *testing.T) {
	p, conn := newPeer(t)
	go func() { _, _ = io.Copy(io.Discard, p) }()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	_, err := qmp.NewGuestClient(ctx, conn, nil)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.ErrorContains(t, err, "the guest agent does not answer")

	g, p := connectAgent(t)
	go func() { _, _ = io.Copy(io.Discard, p) }()
	for range 20 {
		ctx, cancel := context.WithTimeout(limit(t), time.Millisecond)
		_, err := ask(ctx, g, "guest-ping")
		cancel()
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.LessOrEqual(t, g.Stats().InFlight, 2)
	}
}

// TestGuestWithoutReply: a command that has no reply on success.
func TestGuestWithoutReply(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // a slow machine has sent it before its context ends
		g, p := connectAgent(t)
		go func() {
			p.expect(`{"execute":"guest-shutdown","id":`)
			p.until('}')
		}()
		ctx, cancel := context.WithTimeout(limit(t), 20*time.Millisecond)
		defer cancel()
		require.NoError(t, g.Execute(ctx, &qmp.Call{Command: "guest-shutdown", NoReply: true}))
		go func() {
			p.sync("")
			p.expect(`{"execute":"guest-shutdown","id":`)
			id := p.until('}')
			p.write(`{"error": {"class": "GenericError", "desc": "no"}, "id": ` + id + "}\n")
		}()
		err := g.Execute(limit(t), &qmp.Call{Command: "guest-shutdown", NoReply: true})
		require.ErrorIs(t, err, qmp.ErrGeneric)
	})
}

// TestGuestTakesNoFiles: they would be left in its channel.
func TestGuestTakesNoFiles(t *testing.T) {
	g, _ := connectAgent(t)
	_, err := qmp.Raw{Command: "guest-ping"}.Do(limit(t), g, qmp.WithFile(os.Stdin))
	require.ErrorIs(t, err, qmp.ErrNotSent)
	require.ErrorIs(t, err, errors.ErrUnsupported)
}

// TestGuestOneAtATime: commands wait for each other, until their contexts end.
func TestGuestOneAtATime(t *testing.T) {
	g, p := connectAgent(t)
	first := make(chan error)
	go func() { _, err := ask(limit(t), g, "first"); first <- err }()
	p.expect(`{"execute":"first","id":`)
	id := p.until('}')
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Millisecond)
	defer cancel()
	_, err := ask(ctx, g, "second")
	require.ErrorIs(t, err, qmp.ErrNotSent)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	p.write(`{"return": {}, "id": ` + id + "}\n")
	require.NoError(t, <-first)
	require.NoError(t, p.Close())
	<-g.Done()
	_, err = ask(limit(t), g, "third")
	require.ErrorIs(t, err, qmp.ErrNotSent)
	require.ErrorIs(t, g.Err(), io.EOF)
}

// TestGuestBrokenReply: the client drops text that is not a message, and the command gets no
// reply.
func TestGuestBrokenReply(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // a slow machine has sent it before its context ends
		g, p := connectAgent(t)
		ctx, cancel := context.WithTimeout(limit(t), 20*time.Millisecond)
		defer cancel()
		go func() {
			p.expect(`{"execute":"a","id":`)
			p.until('}')
			p.write(`[1, 2]`)
		}()
		_, err := ask(ctx, g, "a")
		require.True(t, errors.Is(err, qmp.ErrOutcomeUnknown), err)
		go func() {
			p.sync(strings.Repeat("]", 100))
			p.expect(`{"execute":"b","id":`)
			id := p.until('}')
			p.write(`{"return": "` + strings.Repeat("x", 100_000) + `", "id": ` + id + "}\n")
		}()
		var got string
		err = g.Execute(limit(t), &qmp.Call{Command: "b", Result: func(d *wire.Decoder) { got = d.String() }})
		require.NoError(t, err)
		require.Len(t, got, 100_000)
	})
}

// TestGuestLateReply: the reply to a command that was given up goes to its function. It can come before the next
// command, with it, or before the delimiter.
func TestGuestLateReply(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, p := connectAgent(t)
		for name, late := range map[string]struct {
			now, before string // what the agent sends at once, and before the next delimiter
			got         []string
		}{
			"at once":               {now: `{"return": 1000, "id": ID}`, got: []string{"1000"}},
			"before the delimiter":  {before: `{"return": 1001, "id": ID}` + "\n", got: []string{"1001"}},
			"after another reply":   {before: `{"return": 7, "id": 123}{"return": [1002], "id": ID}`, got: []string{"[1002]"}},
			"after a delimiter":     {before: "}{\xff \n" + `{"return": 1003, "id": ID}` + "\xff", got: []string{"1003"}},
			"twice":                 {now: `{"return": 1004, "id": ID}`, before: `{"return": 1005, "id": ID}`, got: []string{"1004"}},
			"an error":              {now: `{"error": {"class": "GenericError", "desc": "no"}, "id": ID}`},
			"broken off":            {before: `{"return": 1006, "id": ID`},
			"never":                 {},
			"an event":              {before: `{"event": "A"}`},
			"behind a broken reply": {before: `{"return": {"buf": "AA` + "\xff" + `{"return": 1007, "id": ID}`, got: []string{"1007"}},
		} {
			ctx, cancel := context.WithCancel(t.Context())
			var got []string
			agent := make(chan struct{})
			go func() {
				defer close(agent)
				p.expect(`{"execute":"open","id":`)
				id := p.until('}')
				cancel()
				synctest.Wait()
				p.write(strings.ReplaceAll(late.now, "ID", id))
				p.sync(strings.ReplaceAll(late.before, "ID", id))
				p.expect(`{"execute":"guest-ping","id":`)
				p.write(`{"return": {}, "id": ` + p.until('}') + "}\n")
			}()
			_, err := qmp.Raw{Command: "open"}.Do(ctx, g, qmp.OnLateReply(func(result qmp.RawJSON) {
				got = append(got, string(result))
			}))
			require.ErrorIs(t, err, qmp.ErrOutcomeUnknown, name)
			_, err = ask(t.Context(), g, "guest-ping")
			require.NoError(t, err, name)
			require.Equal(t, late.got, got, name)
			require.Zero(t, g.Stats().InFlight, name)
			<-agent
		}
	})
}

// TestLateReplyPanics: a function that panics ends the connection.
func TestLateReplyPanics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, p := connectAgent(t)
		ctx, cancel := context.WithCancel(t.Context())
		go func() {
			p.expect(`{"execute":"open","id":`)
			id := p.until('}')
			cancel()
			synctest.Wait()
			p.write(`{"return": 1, "id": ` + id + "}\n")
		}()
		_, err := qmp.Raw{Command: "open"}.Do(ctx, g, qmp.OnLateReply(func(qmp.RawJSON) { panic("late") }))
		require.ErrorIs(t, err, qmp.ErrOutcomeUnknown)
		<-g.Done()
		failed, ok := errors.AsType[*qmp.CallbackError](g.Err())
		require.True(t, ok, g.Err())
		require.Equal(t, "the function of OnLateReply", failed.Callback)
	})
}

// TestGuestLeftoverError: an error for another client has the id of the synchronisation. An agent that refuses each
// time is not asked for ever.
func TestGuestLeftoverError(t *testing.T) {
	const refusal = `{"error": {"class": "GenericError", "desc": "no"}, "id": 0}` + "\n"
	p, conn := newPeer(t)
	go func() {
		p.until('}')
		p.until('}')
		p.write(refusal)
		p.sync("")
	}()
	g, err := qmp.NewGuestClient(limit(t), conn, nil)
	require.NoError(t, err)
	require.NoError(t, g.Close())

	p, conn = newPeer(t)
	go func() {
		for range 3 {
			p.until('}')
			p.expect(`,"id":`)
			p.write(strings.ReplaceAll(refusal, "0", p.until('}')))
		}
	}()
	_, err = qmp.NewGuestClient(limit(t), conn, nil)
	require.ErrorIs(t, err, qmp.ErrGeneric)
}
