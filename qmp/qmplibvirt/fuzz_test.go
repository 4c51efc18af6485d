package qmplibvirt_test

import (
	"bytes"
	"errors"
	"net"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/internal/libvirt"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
	"github.com/qmpkit/qmpkit/qmp/qmplibvirt"
)

// FuzzDaemon sends any bytes while a command waits for its reply. The command ends, and the connection says why it ended.
func FuzzDaemon(f *testing.F) {
	for _, h := range []libvirt.Header{
		{Procedure: libvirt.Ping, Type: libvirt.Event},
		{Procedure: libvirt.MonitorCommand, Type: libvirt.Reply, Serial: 8},
		{Procedure: libvirt.MonitorCommand, Type: libvirt.Reply, Serial: 8, Status: libvirt.Failed},
		{Procedure: libvirt.MonitorEvent, Type: libvirt.Event},
		{Procedure: libvirt.LifecycleEvent, Type: libvirt.Event},
	} {
		for _, body := range []libvirt.Message{nil, &libvirt.StringBody{Value: `{"return":{}}`}, failure(42, "no"),
			&libvirt.LifecycleBody{Callback: 1, Domain: libvirt.Domain{Name: "web1", UUID: libvirt.UUID{1}, ID: -1}, Event: 5},
			&libvirt.MonitorEventBody{Callback: 1, Domain: libvirt.Domain{Name: "web1", UUID: libvirt.UUID{1}, ID: 7}, Event: "STOP"}} {
			packet, err := libvirt.AppendPacket(nil, h, body, 0)
			require.NoError(f, err)
			f.Add(packet)
		}
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		d, client := newDaemon(t)
		d.override = func(h libvirt.Header, _ []byte) bool {
			if h.Procedure != libvirt.MonitorCommand {
				return false
			}
			d.write.Lock()
			defer d.write.Unlock()
			_, _ = bytes.NewReader(text).WriteTo(d.conn)
			_ = d.conn.Close()
			return true
		}
		c := connect(t, d, client, nil)
		err := qemu.Stop{}.Do(limit(t), web1(t, c))
		<-c.Done()
		require.Error(t, c.Err())
		require.NotErrorIs(t, c.Err(), net.ErrClosed)
		_, refused := errors.AsType[*qmp.Error](err)
		_, undecoded := errors.AsType[*qmp.DecodeError](err)
		require.True(t, err == nil || refused || undecoded || errors.Is(err, qmp.ErrOutcomeUnknown) || errors.Is(err, qmp.ErrNotSent), err)
		require.NotErrorIs(t, err, qmplibvirt.ErrUntracked)
	})
}
