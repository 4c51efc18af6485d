// Package sent sends by all ways that Go has.
package sent

import (
	"context"

	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/guest"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
	"github.com/qmpkit/qmpkit/qmp/introspect"
)

type wrap struct{ qemu.BlockdevAdd }
type wrapPointer struct{ *qemu.ChardevSocket }
type outer struct{ wrap }
type mine qemu.ChardevSocket
type alias = qemu.BlockdevSetActive

func setp[T any](p **T, v T) { *p = &v }

func promoted() {
	var w wrap
	w.Active = new(true) // want `qemu.BlockdevAdd.Active`
	w.Driver = qemu.BlockdevDriverRaw
	p := wrapPointer{&qemu.ChardevSocket{}}
	p.ReconnectMs = new(int64(1)) // want `reconnect-ms`
	var o outer
	o.Active = new(true)                   // want `active`
	o.wrap.BlockdevAdd.Active = new(false) // want `active`
}

func addresses() {
	var s qemu.ChardevSocket
	setp(&s.ReconnectMs, 4) // want `reconnect-ms`
	setp(&s.Telnet, true)
	p := &s.ReconnectMs // want `reconnect-ms`
	*p = new(int64(3))
	*s.ReconnectMs = 5 // want `reconnect-ms`
	if s.ReconnectMs != nil {
		*s.ReconnectMs = 6
	}
}

func run[R qmp.Request](ctx context.Context, c *qmp.Client, r R) error {
	return r.Do(ctx, c)
}

type queue[R qmp.Request] struct{ list []R }

func make2[T any]() (t T) { return t }

func generics(ctx context.Context, c *qmp.Client) {
	run(ctx, c, qemu.BlockdevSetActive{})        // want `blockdev-set-active`
	run(ctx, c, alias{})                         // want `blockdev-set-active`
	run(ctx, c, make2[qemu.BlockdevSetActive]()) // want `blockdev-set-active`
	run[qemu.Stop](ctx, c, qemu.Stop{})
	_ = queue[qemu.BlockdevSetActive]{} // want `blockdev-set-active`
	_ = queue[qemu.Stop]{}
	_ = mine{ReconnectMs: new(int64(1))} // want `reconnect-ms`
}

func on[T any, P interface {
	*T
	qmp.EventData
}](c *qmp.Client) {
	qmp.Subscribe[T, P](c)
}

func decode[T any, P interface {
	*T
	qmp.EventData
}](e qmp.RawEvent) {
	qmp.EventAs[T, P](e)
}

var removedEvents = []string{
	"MEM_UNPLUG_ERROR", // want `removed in QEMU 9.1`
	"STOP",
}

func events(c *qmp.Client, s *introspect.Schema) {
	n := "VFIO_MIGRATION"
	c.Events(n)                                // want `VFIO_MIGRATION`
	c.Events([]string{n, "STOP"}...)           // want `VFIO_MIGRATION`
	_ = qmp.Subscribe[qemu.VFIOMigrationEvent] // want `VFIO_MIGRATION`
	on[qemu.VFIOMigrationEvent](c)             // want `VFIO_MIGRATION`
	on[qemu.StopEvent](c)
	decode[qemu.VFIOMigrationEvent](qmp.RawEvent{})
	c.Events(removedEvents...)
	names := []string{"STOP"}
	if ok, _ := s.Has("VFIO_MIGRATION"); ok {
		names = append(names, "VFIO_MIGRATION")
	}
	c.Events(names...)
	name := "STOP"
	if ok, _ := s.Has("VFIO_MIGRATION"); ok {
		name = "VFIO_MIGRATION"
	}
	c.Events(name)
}

func raw(ctx context.Context, c *qmp.Client, s *introspect.Schema) {
	a := qmp.Args{"driver": "raw"}
	a["active"] = true // want `blockdev-add/arg-type/active`
	a["node-name"] = "n"
	qmp.Raw{Command: "blockdev-add", Args: a}.Do(ctx, c)
	b := qmp.Args{"driver": "raw"}
	if ok, _ := s.Has("blockdev-add/arg-type/active"); ok {
		b["active"] = true
	}
	qmp.Raw{Command: "blockdev-add", Args: b}.Do(ctx, c)
	d := qmp.Args{"driver": "raw", "active": true}
	if ok, _ := s.Has("blockdev-add/arg-type/active"); !ok {
		delete(d, "active")
	}
	qmp.Raw{Command: "blockdev-add", Args: d}.Do(ctx, c)
	qmp.Raw{Command: "blockdev-add", Args: qmp.Args{"driver": "gluster"}}.Do(ctx, c) // want `\^gluster\): removed between QEMU 10.2`
	qmp.Raw{Command: "chardev-add", Args: qmp.Args{"id": "x", "backend": map[string]any{
		"type": "socket", "data": map[string]any{
			"reconnect-ms": 1, // want `chardev-add/arg-type/backend/\+socket/data/reconnect-ms`
			"server":       true,
		},
	}}}.Do(ctx, c)
	qmp.Raw{Command: "set_password", Args: qmp.Args{"protocol": "vnc", "password": "p"}}.Do(ctx, c)
	for _, command := range []string{"query-stats", "query-status"} {
		qmp.Raw{Command: command}.Do(ctx, c) // want `query-stats`
	}
	for _, test := range []struct{ name, command string }{{"a", "query-status"}, {"b", "query-stats-schemas"}} {
		qmp.Raw{Command: test.command}.Do(ctx, c) // want `query-stats-schemas`
	}
	commands := map[string]string{"stats": "query-stats"}
	qmp.Raw{Command: commands["stats"]}.Do(ctx, c) // want `query-stats`
}

func given(ctx context.Context, c *qmp.Client, r any) {
	switch r := r.(type) {
	case qemu.QueryStats:
		r.Do(ctx, c)
	case qemu.Stop:
		r.Do(ctx, c)
	}
	if q, ok := r.(qemu.QueryStats); ok {
		q.Do(ctx, c)
	}
}

func agent(ctx context.Context, g *qmp.GuestClient) error {
	if _, err := (guest.GuestGetLoad{}).Do(ctx, g); err != nil { // want `guest.GuestGetLoad \(guest-get-load\)`
		return err
	}
	_, err := guest.GuestInfo{}.Do(ctx, g)
	return err
}

func deprecated(ctx context.Context, c *qmp.Client, info *qemu.BlockInfo) {
	commit := qemu.BlockCommit{
		Base: new("base.img"), // want `qemu.BlockCommit.Base \(block-commit/arg-type/base\): deprecated since QEMU 3.1; use base-node`
	}
	commit.TopNode = new("node")
	commit.Do(ctx, c)
	if c.Version().Major < 8 {
		commit.Base = new("base.img") // the newest QEMU does not come here
	}
	qmp.Raw{Command: "block-commit", Args: qmp.Args{"top": "t"}}.Do(ctx, c) // want `block-commit/arg-type/top\): deprecated`
}
