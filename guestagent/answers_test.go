package guestagent_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"io"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/guestagent"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/guest"
	"github.com/qmpkit/qmpkit/qmp/qmptest"
)

// answering returns an agent of a fake guest that answers some commands in another way.
func answering(t *testing.T, answers map[string]func(args []byte) (any, error)) (*guestagent.Agent, *fakeGuest) {
	g := newFakeGuest()
	g.answers = answers
	return g.agent(t, false), g
}

func refusal(class qmp.ErrorClass) func([]byte) (any, error) {
	return func([]byte) (any, error) { return nil, &qmp.Error{Class: class, Desc: "refused"} }
}

func returns(value any) func([]byte) (any, error) {
	return func([]byte) (any, error) { return value, nil }
}

// TestHowProgramsAreStarted: by setsid if there is one; merged by the agent from 8.1 on, and by a shell before.
func TestHowProgramsAreStarted(t *testing.T) {
	execs := func(g *fakeGuest) (all []string) {
		for _, call := range g.calls {
			if strings.HasPrefix(call, "guest-exec{") {
				all = append(all, strings.TrimPrefix(call, "guest-exec"))
			}
		}
		return all
	}
	program := guestagent.Command{Path: "program", Args: []string{"a"}}
	merged := program
	merged.Output = guestagent.Merged

	g := newFakeGuest()
	a := g.agent(t, false)
	for range 2 {
		_, err := a.Run(t.Context(), merged)
		require.NoError(t, err)
	}
	_, err := a.Start(t.Context(), program)
	require.NoError(t, err)
	mergedCall := `{"path":"setsid","arg":["program","a"],"capture-output":"merged"}`
	require.Equal(t, []string{mergedCall, mergedCall, `{"path":"setsid","arg":["program","a"]}`}, execs(g))
	require.Equal(t, "guest-info", g.calls[0])
	require.Len(t, slices.DeleteFunc(g.calls, func(call string) bool { return call != "guest-info" }), 1)

	for _, version := range []string{"8.0.5", "5.2.0", "7.2.22 (Debian)", "unknown"} {
		g = newFakeGuest()
		g.version = version
		_, err = g.agent(t, false).Run(t.Context(), merged)
		require.NoError(t, err)
		require.Equal(t, []string{`{"path":"setsid","arg":["sh","-c","exec \"$0\" \"$@\" 2>&1","program","a"],"capture-output":true}`}, execs(g), version)
	}
	for _, version := range []string{"8.1.0", "9.0.0-rc1", "10.0.2+deb1", "11.1.3"} {
		g = newFakeGuest()
		g.version = version
		_, err = g.agent(t, false).Run(t.Context(), merged)
		require.NoError(t, err)
		require.Equal(t, []string{mergedCall}, execs(g), version)
	}

	// Without setsid.
	g = newFakeGuest()
	pids := 0
	lacking := ""
	g.answers = map[string]func([]byte) (any, error){"guest-exec": func(args []byte) (any, error) {
		for _, missing := range strings.Fields(lacking) {
			if bytes.HasPrefix(args, []byte(`{"path":"`+missing+`"`)) {
				return refusal(qmp.ErrGeneric)(nil)
			}
		}
		pids++
		pid := int64(1<<20 + pids)
		g.running[pid] = bytes.Contains(args, []byte("forever"))
		if bytes.Contains(args, []byte("KILL")) && !bytes.Contains(args, []byte(`"-1048`)) {
			clear(g.running)
			g.running[pid] = false
		}
		return map[string]any{"pid": pid}, nil
	}}
	lacking = "setsid sh"
	a = g.agent(t, false)
	for range 2 {
		_, err = a.Run(t.Context(), program)
		require.NoError(t, err)
	}
	plain := `{"path":"program","arg":["a"],"capture-output":true}`
	require.Equal(t, []string{`{"path":"setsid","arg":["program","a"],"capture-output":true}`, plain, plain}, execs(g))
	p, err := a.Start(t.Context(), guestagent.Command{Path: "forever"})
	require.NoError(t, err)
	g.calls = nil
	require.NoError(t, p.Kill(t.Context()))
	require.Contains(t, strings.Join(execs(g), "\n"), `{"path":"kill","arg":["-s","KILL","--","-1048579"]}`)
	lacking = "setsid kill sh"
	p, err = a.Start(t.Context(), guestagent.Command{Path: "forever"})
	require.NoError(t, err)
	require.ErrorIs(t, p.Kill(t.Context()), qmp.ErrGeneric)
	lacking = "setsid program"
	_, err = a.Run(t.Context(), program)
	require.ErrorIs(t, err, qmp.ErrGeneric)
	require.EqualError(t, err, `guestagent: run "program": qmp: refused`)
}

// TestKillThatFails: the program does not end. Run kills it once: its number can belong to another process afterwards.
func TestKillThatFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newFakeGuest()
		kills := 0
		g.answers = map[string]func([]byte) (any, error){"guest-exec": func(args []byte) (any, error) {
			if !bytes.Contains(args, []byte("KILL")) {
				g.running[2000] = true
				return map[string]any{"pid": 2000}, nil
			}
			kills++
			g.running[3000] = false
			return map[string]any{"pid": 3000}, nil
		}}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := g.agent(t, false).Run(ctx, guestagent.Command{Path: "program"})
		require.ErrorIs(t, err, context.DeadlineExceeded)
		running := new(guestagent.StillRunningError)
		require.ErrorAs(t, err, &running)
		require.EqualValues(t, 2000, running.PID)
		require.ErrorContains(t, err, "process 2000 may still run in the guest: it was killed")
		require.Equal(t, 1, kills)
		require.True(t, qmp.MayHaveExecuted(err))
	})
	a, g := answering(t, map[string]func([]byte) (any, error){"guest-exec-status": func(args []byte) (any, error) {
		if string(args) == `{"pid":1001}` {
			return map[string]any{"exited": false}, nil
		}
		return map[string]any{"exited": true, "exitcode": 1}, nil
	}})
	p, err := a.Start(t.Context(), guestagent.Command{Path: "program"})
	require.NoError(t, err)
	exit := new(guestagent.ExitError)
	require.ErrorAs(t, p.Kill(t.Context()), &exit)
	require.Equal(t, "kill", exit.Path)
	require.Len(t, g.calls, 7)
}

// TestPathThatIsNone: setsid would take it for an option.
func TestPathThatIsNone(t *testing.T) {
	for _, path := range []string{"", "--help"} {
		a, g := answering(t, nil)
		_, err := a.Run(t.Context(), guestagent.Command{Path: path, Args: []string{"program"}})
		require.ErrorIs(t, err, qmp.ErrNotSent)
		require.Empty(t, g.calls)
	}
}

// TestShortWriter: a writer that takes less and reports no error.
func TestShortWriter(t *testing.T) {
	a, _ := answering(t, map[string]func([]byte) (any, error){
		"guest-file-read": returns(map[string]any{"count": 8, "buf-b64": "dGV4dHRleHQ=", "eof": true}),
	})
	n, err := a.CopyFrom(t.Context(), "/file", shortWriter{}, nil)
	require.ErrorIs(t, err, io.ErrShortWrite)
	require.EqualValues(t, 7, n)
}

type shortWriter struct{}

func (shortWriter) Write(b []byte) (int, error) { return len(b) - 1, nil }

// TestWrongAnswers: of an agent, or of a guest that has replaced it.
func TestWrongAnswers(t *testing.T) {
	ctx := t.Context()
	a, _ := answering(t, map[string]func([]byte) (any, error){
		"guest-exec-status": returns(map[string]any{"exited": true, "exitcode": 0, "out-data": "!"}),
		"guest-file-read":   returns(map[string]any{"count": 1, "buf-b64": "!", "eof": false}),
		"guest-file-write":  returns(map[string]any{"count": 0, "eof": false}),
		"guest-file-seek":   refusal(qmp.ErrGeneric),
	})
	_, err := a.Run(ctx, guestagent.Command{Path: "program"})
	require.ErrorContains(t, err, "illegal base64")
	_, err = a.ReadFile(ctx, "/file")
	require.ErrorContains(t, err, "illegal base64")
	require.ErrorIs(t, a.WriteFile(ctx, "/file", []byte("text"), 0o666), io.ErrShortWrite)
	f, err := a.Open(ctx, "/file", os.O_RDWR)
	require.NoError(t, err)
	_, err = f.ReadAt(make([]byte, 1), 5)
	require.ErrorIs(t, err, qmp.ErrGeneric)
	_, err = f.Seek(1, io.SeekStart)
	require.ErrorIs(t, err, qmp.ErrGeneric)
	_, err = a.CopyFrom(ctx, "/file", io.Discard, &guestagent.CopyOptions{Progress: func(int64, int64) {}})
	require.ErrorContains(t, err, "illegal base64")

	a, _ = answering(t, map[string]func([]byte) (any, error){
		"guest-file-read":  returns(map[string]any{"count": 8, "buf-b64": "dGV4dHRleHQ=", "eof": false}),
		"guest-file-write": returns(map[string]any{"count": 5, "eof": false}),
	})
	f, err = a.Open(ctx, "/file", os.O_RDWR)
	require.NoError(t, err)
	_, err = f.Read(make([]byte, 4))
	require.ErrorContains(t, err, "agent has sent 8 bytes instead of up to 4")
	n, err := f.Write([]byte("text"))
	require.ErrorIs(t, err, io.ErrShortWrite)
	require.Zero(t, n)

	for _, wrong := range []map[string]any{
		{"name": "a", "hardware-address": "x"},
		{"name": "a", "ip-addresses": []any{map[string]any{"ip-address": "x", "ip-address-type": "ipv4", "prefix": 1}}},
		{"name": "a", "ip-addresses": []any{map[string]any{"ip-address": "1.2.3.4", "ip-address-type": "ipv4", "prefix": 33}}},
	} {
		a, _ = answering(t, map[string]func([]byte) (any, error){"guest-network-get-interfaces": returns([]any{wrong})})
		_, err = a.Interfaces(ctx)
		require.ErrorContains(t, err, `guestagent: list interfaces "a": `)
	}
	a, _ = answering(t, map[string]func([]byte) (any, error){"guest-network-get-interfaces": returns([]any{map[string]any{
		"name": "eth0", "hardware-address": "52:54:00:12:34:56",
		"ip-addresses": []any{map[string]any{"ip-address": "fe80::1", "ip-address-type": "ipv6", "prefix": 64}}}})})
	all, err := a.Interfaces(ctx)
	require.NoError(t, err)
	require.Equal(t, "52:54:00:12:34:56", all[0].MAC.String())
	require.Equal(t, "fe80::1/64", all[0].Addresses[0].String())
	require.Nil(t, all[0].Statistics)
}

// TestSetTime: an error does not mean that the clock was not set.
func TestSetTime(t *testing.T) {
	now := time.Now()
	for got, set := range map[time.Time]bool{now: true, now.Add(time.Second): true, now.Add(-time.Hour): false, now.Add(time.Hour): false} {
		a, g := answering(t, map[string]func([]byte) (any, error){
			"guest-set-time": refusal(qmp.ErrGeneric), "guest-get-time": returns(got.UnixNano()),
		})
		err := a.SetTime(t.Context(), now)
		require.Equal(t, set, err == nil, err)
		if err != nil {
			require.ErrorIs(t, err, qmp.ErrGeneric)
		}
		require.Len(t, g.calls, 2)
		delete(g.answers, "guest-set-time")
		require.NoError(t, a.SetTime(t.Context(), now))
		require.Len(t, g.calls, 3)
	}
}

// TestTruncated: what came says that output was truncated, and not the agent.
func TestTruncated(t *testing.T) {
	for length, truncated := range map[int]bool{16<<20 - 1: false, 16 << 20: true} {
		for _, stream := range []string{"out", "err"} {
			data := base64.StdEncoding.EncodeToString(make([]byte, length))
			a, _ := answering(t, map[string]func([]byte) (any, error){"guest-exec-status": returns(map[string]any{
				"exited": true, "exitcode": 0, stream + "-data": data, stream + "-truncated": !truncated,
			})})
			r, err := a.Run(t.Context(), guestagent.Command{Path: "program"})
			require.Equal(t, truncated, errors.Is(err, guestagent.ErrTruncated))
			require.Len(t, append(r.Stdout, r.Stderr...), length)
		}
	}
}

// TestWriteInParts: an agent may write less than it got.
func TestWriteInParts(t *testing.T) {
	a, g := answering(t, map[string]func([]byte) (any, error){"guest-file-write": returns(map[string]any{"count": 3, "eof": false})})
	require.NoError(t, a.WriteFile(t.Context(), "/file", []byte("123456"), 0o666))
	require.Equal(t, []string{
		`guest-file-open{"path":"/file","mode":"wb"}`,
		`guest-file-write{"handle":1001,"buf-b64":"MTIzNDU2"}`,
		`guest-file-write{"handle":1001,"buf-b64":"NDU2"}`,
		`guest-file-flush{"handle":1001}`,
		`guest-file-close{"handle":1001}`,
	}, g.calls)
}

// TestWhyNotFound: the class is the same for three reasons.
func TestWhyNotFound(t *testing.T) {
	info := func(commands ...guest.GuestAgentCommandInfo) func([]byte) (any, error) {
		return returns(map[string]any{"version": "10.0.2", "supported_commands": append([]guest.GuestAgentCommandInfo{}, commands...)})
	}
	for name, c := range map[string]struct {
		answers map[string]func([]byte) (any, error)
		want    error
	}{
		"missing":               {map[string]func([]byte) (any, error){"guest-info": info()}, guestagent.ErrUnavailable},
		"disabled":              {map[string]func([]byte) (any, error){"guest-info": info(guest.GuestAgentCommandInfo{Name: "guest-exec"})}, guestagent.ErrDisabled},
		"frozen":                {map[string]func([]byte) (any, error){"guest-fsfreeze-status": returns("frozen")}, guestagent.ErrFrozen},
		"thawed since":          {map[string]func([]byte) (any, error){"guest-info": info(guest.GuestAgentCommandInfo{Name: "guest-exec", Enabled: true})}, guestagent.ErrFrozen},
		"no status, disabled":   {map[string]func([]byte) (any, error){"guest-fsfreeze-status": refusal(qmp.ErrCommandNotFound), "guest-info": info(guest.GuestAgentCommandInfo{Name: "guest-exec"})}, guestagent.ErrDisabled},
		"nothing is known":      {map[string]func([]byte) (any, error){"guest-info": refusal(qmp.ErrGeneric)}, qmp.ErrCommandNotFound},
		"not even guest-status": {map[string]func([]byte) (any, error){"guest-fsfreeze-status": refusal(qmp.ErrCommandNotFound), "guest-info": info()}, guestagent.ErrUnavailable},
	} {
		c.answers["guest-exec"] = refusal(qmp.ErrCommandNotFound)
		a, _ := answering(t, c.answers)
		_, err := a.Start(t.Context(), guestagent.Command{Path: "program"})
		require.ErrorIs(t, err, c.want, name)
		for _, other := range []error{guestagent.ErrUnavailable, guestagent.ErrDisabled, guestagent.ErrFrozen} {
			require.Equal(t, other == c.want, errors.Is(err, other), name)
		}
		wantUnsupported := c.want == guestagent.ErrUnavailable || c.want == qmp.ErrCommandNotFound
		require.Equal(t, wantUnsupported, errors.Is(err, errors.ErrUnsupported), name)
		refused := new(qmp.Error)
		require.ErrorAs(t, err, &refused)
		require.False(t, qmp.MayHaveExecuted(err))
	}
	a, g := answering(t, map[string]func([]byte) (any, error){"guest-fsfreeze-status": refusal(qmp.ErrCommandNotFound), "guest-info": info()})
	_, err := guest.GuestFsfreezeStatus{}.Do(t.Context(), a)
	require.ErrorIs(t, err, guestagent.ErrUnavailable)
	require.Equal(t, []string{"guest-fsfreeze-status", "guest-info"}, g.calls)
}

// TestWrappedConnection: an Agent sees the end of a connection behind a wrapper.
func TestWrappedConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := qmptest.NewServer(t, &qmptest.Options{Guest: true})
		dial := func(ctx context.Context) (qmp.Executor, error) {
			g, err := qmp.NewGuestClient(ctx, s.Pipe(), nil)
			if err != nil {
				return nil, err
			}
			t.Cleanup(func() { require.NoError(t, g.Close()) })
			return qmp.ExecutorWithTimeout(g, func(string) time.Duration { return time.Minute }), nil
		}
		first, err := dial(t.Context())
		require.NoError(t, err)
		a := guestagent.New(first, &guestagent.Options{Redial: dial})
		defer a.Close()
		s.Handle("guest-ping", qmptest.Return(nil))
		require.NoError(t, guest.GuestPing{}.Do(t.Context(), a))
		s.Disconnect()
		synctest.Wait()
		require.NoError(t, guest.GuestPing{}.Do(t.Context(), a))
		require.NoError(t, a.Close())
		require.ErrorIs(t, guest.GuestPing{}.Do(t.Context(), a), qmp.ErrClosed)
	})
}
