package main

import (
	"errors"
	"fmt"
	"runtime"
	"sync"

	"github.com/qmpkit/qmpkit/internal/libvirttest"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
	"github.com/qmpkit/qmpkit/qmp/qmplibvirt"
)

// libvirtMachines is the number of machines on one connection.
const libvirtMachines = 50

// measureLibvirt compares commands through a libvirt daemon with the same commands on the machines' own monitors. The
// machines are paused, so that they take no CPU time.
func measureLibvirt(b *bench) {
	d, err := libvirttest.Launch(b.ctx, "11.3", libvirttest.Config{})
	if errors.Is(err, libvirttest.ErrMissing) {
		check(fmt.Errorf("%w: %w", errNoPlace, err))
	}
	check(err)
	b.cleanup(func() { check(d.Close()) })
	n := libvirtMachines
	if b.quick {
		n = 5
	}
	names := make([]string, n)
	for i := range names {
		names[i] = fmt.Sprint("vm", i)
		check(d.CreateMachine(b.ctx, libvirttest.Machine{Name: names[i], Paused: true}))
	}
	conn := must(qmplibvirt.Dial(b.ctx, d.Socket(), nil))
	b.cleanup(func() { conn.Close() })

	before := liveHeap()
	through := make([]*qmplibvirt.Domain, n)
	for i, name := range names {
		through[i] = must(conn.Domain(b.ctx, name))
		check(paused(b, through[i])())
	}
	perDomain := int(liveHeap()-before) / n
	before = liveHeap()
	direct := make([]*qmp.Client, n)
	for i, name := range names {
		direct[i] = must(qmp.Dial(b.ctx, d.Monitor(name), nil))
		b.cleanup(func() { direct[i].Close() })
		check(paused(b, direct[i])())
	}
	perClient := int(liveHeap()-before) / n

	trips := b.few(trips)
	times := b.inTurn(slow, single(trips, paused(b, through[0])), single(trips, paused(b, direct[0])))
	b.row("query-status through libvirt", times[0].String(), judged(times[0].over(times[1]), "× its own monitor"),
		"its own monitor: "+times[1].String())
	times = b.inTurn(slow,
		single(b.few(10), func() error { _, err := qemu.QueryQMPSchema{}.Do(b.ctx, through[0]); return err }),
		single(b.few(10), func() error { _, err := qemu.QueryQMPSchema{}.Do(b.ctx, direct[0]); return err }))
	b.row("query-qmp-schema through libvirt", times[0].String(), judged(times[0].over(times[1]), "× its own monitor"),
		"its own monitor: "+times[1].String())
	times = b.inTurn(slow, each(n, allAtOnce(through, b)), each(n, allAtOnce(direct, b)))
	b.row(fmt.Sprintf("query-status of %d machines at once, each", n), times[0].String(),
		judged(times[0].over(times[1]), "× their own monitors"), "their own monitors: "+times[1].String())
	b.row("a machine on a connection to libvirt, memory", byteCount(perDomain),
		judged(float64(perDomain)/float64(perClient), "× a client of its monitor"), "a client: "+byteCount(perClient))
}

// allAtOnce returns an operation that asks each machine once, all at the same time.
func allAtOnce[X qmp.Executor](machines []X, b *bench) operation {
	return func() error {
		errs := make([]error, len(machines))
		var all sync.WaitGroup
		for i, m := range machines {
			all.Go(func() { errs[i] = paused(b, m)() })
		}
		all.Wait()
		return errors.Join(errs...)
	}
}

// liveHeap returns the bytes of the live objects, the finest measure of a few of them.
func liveHeap() uint64 {
	runtime.GC()
	runtime.GC() // pools release their contents at the second one
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// paused returns a query-status of a machine that is paused.
func paused(b *bench, x qmp.Executor) operation {
	return func() error {
		_, err := qemu.QueryStatus{}.Do(b.ctx, x)
		return err
	}
}
