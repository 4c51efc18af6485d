// Package control has all ways that control takes between a question and what depends on it.
package control

import (
	"context"
	"log"
	"os"
	"time"

	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
	"github.com/qmpkit/qmpkit/qmp/introspect"

	"example.org/vet/caps"
)

type vm struct {
	c *qmp.Client
	s *introspect.Schema
}

func (v *vm) has(path string) bool { ok, err := v.s.Has(path); return err == nil && ok }

func (v *vm) die() { panic("too old") }

func (v *vm) ends(ctx context.Context, how int) {
	switch how {
	case 0:
		if !v.has("query-stats") {
			v.die()
		}
		qemu.QueryStats{}.Do(ctx, v.c)
	case 1:
		if !v.has("query-stats") {
			os.Exit(1)
		}
		qemu.QueryStats{}.Do(ctx, v.c)
	case 2:
		if !v.has("query-stats") {
			log.Fatalf("too old")
		}
		qemu.QueryStats{}.Do(ctx, v.c)
	case 3:
		if !v.has("query-stats") {
			caps.Die("too old")
		}
		qemu.QueryStats{}.Do(ctx, v.c)
	case 4:
		if !v.has("query-stats") {
			log.Printf("too old")
		}
		qemu.QueryStats{}.Do(ctx, v.c) // want `query-stats`
	case 5:
		caps.Must(v.has("query-stats"))
		qemu.QueryStats{}.Do(ctx, v.c)
	}
	qemu.QueryStats{}.Do(ctx, v.c) // want `query-stats`
}

func (v *vm) retry(ctx context.Context) {
	for i := 0; ; i++ {
		ok, err := v.s.Has("query-stats")
		if err != nil {
			continue
		}
		if ok {
			break
		}
		time.Sleep(time.Second)
	}
	qemu.QueryStats{}.Do(ctx, v.c)
	_ = qemu.BlockdevAdd{Active: new(true)} // want `7.1 to 9.2 lack it`
}

func (v *vm) retryThrice(ctx context.Context) {
	ok := false
	for range 3 {
		var err error
		if ok, err = v.s.Has("query-stats"); err == nil {
			break
		}
	}
	if !ok {
		return
	}
	qemu.QueryStats{}.Do(ctx, v.c)
}

func (v *vm) labels(ctx context.Context) {
	if v.has("query-stats") {
		goto found
	}
	return
found:
	qemu.QueryStats{}.Do(ctx, v.c)
	if v.has("query-status") {
		goto end
	}
end:
	_ = qemu.BlockdevAdd{Active: new(true)} // want `7.1 to 9.2 lack it`
}

func (v *vm) nested(ctx context.Context, all []int) {
outer:
	for _, a := range all {
		for range a {
			if !v.has("query-stats") {
				continue outer
			}
			qemu.QueryStats{}.Do(ctx, v.c)
		}
		qemu.QueryStats{}.Do(ctx, v.c) // want `query-stats`
	}
}

func (v *vm) required(ctx context.Context) {
	for _, path := range []string{"query-stats"} {
		if !v.has(path) {
			return
		}
	}
	qemu.QueryStats{}.Do(ctx, v.c)
	_ = qemu.BlockdevAdd{Active: new(true)} // want `7.1 to 9.2 lack it`
}

func (v *vm) requiredMany(ctx context.Context, more []string) {
	for _, path := range []string{"query-stats", "blockdev-add/arg-type/active"} {
		if !v.has(path) {
			return
		}
	}
	qemu.QueryStats{}.Do(ctx, v.c)
}

func (v *vm) found(ctx context.Context, more []string) {
	missing := false
	for _, path := range more {
		if !v.has(path) {
			missing = true
			break
		}
	}
	if !missing {
		qemu.QueryStats{}.Do(ctx, v.c)
	}
	for i := 0; i < len(more); i++ {
		if v.has(more[i]) {
			qemu.QueryStats{}.Do(ctx, v.c)
		}
	}
	qemu.QueryStats{}.Do(ctx, v.c) // want `query-stats`
}

func many(ctx context.Context, vms []*vm) {
	for _, v := range vms {
		if !v.has("query-stats") {
			return
		}
	}
	for _, v := range vms {
		qemu.QueryStats{}.Do(ctx, v.c)
	}
}

func some(ctx context.Context, vms []*vm) {
	for _, v := range vms {
		if v.has("query-stats") {
			log.Print("has it")
		}
	}
	for _, v := range vms {
		qemu.QueryStats{}.Do(ctx, v.c) // want `query-stats`
	}
}

func (v *vm) unknown(ctx context.Context, path string, plain bool) {
	if plain {
		if !v.has(path) {
			return
		}
		qemu.QueryStats{}.Do(ctx, v.c)
	}
	qemu.QueryStats{}.Do(ctx, v.c) // want `query-stats`
	if !v.has(path) {
		return
	}
	qemu.QueryStats{}.Do(ctx, v.c)
	defer qemu.QueryStats{}.Do(ctx, v.c)
	go func() { qemu.QueryStats{}.Do(ctx, v.c) }()
}

func (v *vm) joined(ctx context.Context, path string) {
	if v.has(path) {
		log.Print("has it")
	} else {
		log.Print("has it not")
	}
	qemu.QueryStats{}.Do(ctx, v.c) // want `query-stats`
	if v.has("query-stats") && v.has(path) {
		qemu.QueryStats{}.Do(ctx, v.c)
	} else if !v.has("query-stats") {
		qemu.QueryStats{}.Do(ctx, v.c) // want `query-stats`
	}
	switch {
	case v.has(path):
		qemu.QueryStats{}.Do(ctx, v.c)
	case v.has("query-stats"):
		qemu.QueryStats{}.Do(ctx, v.c)
	}
	qemu.QueryStats{}.Do(ctx, v.c) // want `query-stats`
}

func (v *vm) selects(ctx context.Context, c chan int) {
	select {
	case <-c:
		if !v.has("query-stats") {
			return
		}
	case <-ctx.Done():
		return
	}
	qemu.QueryStats{}.Do(ctx, v.c)
}

func group(v *vm, n int)      { groupOther(v, n-1) }
func groupOther(v *vm, n int) { group(v, n-1); qemu.QueryStats{}.Do(nil, v.c) } // want `query-stats`

func (v *vm) guarded(n int) {
	if n > 0 {
		v.guarded(n - 1)
	}
	qemu.QueryStats{}.Do(nil, v.c)
}

func (v *vm) guards() {
	if v.has("query-stats") {
		v.guarded(3)
	}
}

func (v *vm) fallsThrough(ctx context.Context) {
	ver := v.c.Version()
	switch {
	case ver.Major >= 10:
		fallthrough
	case ver.Major == 9:
		qemu.QueryStats{}.Do(ctx, v.c)
		_ = qemu.BlockdevAdd{Active: new(true)} // want `9.0 to 9.2 lack it`
	}
	defer func() {
		if v.has("query-stats") {
			qemu.QueryStats{}.Do(ctx, v.c)
		}
	}()
}
