// Package answers keeps the server's answers in variables, fields, maps and functions, also of other packages.
package answers

import (
	"context"
	"strings"
	"sync"

	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
	"github.com/qmpkit/qmpkit/qmp/introspect"

	"example.org/vet/caps"
)

type vm struct {
	c      *qmp.Client
	s      *introspect.Schema
	caps   caps.Caps
	v      qmp.Version
	feats  map[string]bool
	flags  []string
	major  int
	level  int
	debug  bool
	probed sync.Once
	stats  bool
}

func (v *vm) use()    { qemu.QueryStats{}.Do(nil, v.c) }          // want `query-stats`
func (v *vm) active() { _ = qemu.BlockdevAdd{Active: new(true)} } // want `7.1 to 9.2 lack it`

func (v *vm) has(path string) bool { ok, err := v.s.Has(path); return err == nil && ok }

func (v *vm) atLeast(a, b int) bool {
	switch {
	case v.v.Major > a:
		return true
	case v.v.Major == a:
		return v.v.Minor >= b
	}
	return false
}

func (v *vm) otherPackage(ctx context.Context) {
	if caps.HasStats(ctx, v.c) {
		qemu.QueryStats{}.Do(ctx, v.c)
		_ = qemu.BlockdevAdd{Active: new(true)} // want `7.1 to 9.2 lack it`
	}
	if caps.Has(v.s, "query-stats") {
		qemu.QueryStats{}.Do(ctx, v.c)
		_ = qemu.BlockdevAdd{Active: new(true)} // want `7.1 to 9.2 lack it`
	}
	if !caps.Has(v.s, "blockdev-add/arg-type/active") {
		_ = qemu.BlockdevAdd{Active: new(true)} // want `5.2 to 9.2 lack it`
		return
	}
	_ = qemu.BlockdevAdd{Active: new(true)}
}

func (v *vm) needs(ctx context.Context) error {
	if err := caps.Need(v.s, "query-stats"); err != nil {
		return err
	}
	qemu.QueryStats{}.Do(ctx, v.c)
	_ = qemu.BlockdevAdd{Active: new(true)} // want `7.1 to 9.2 lack it`
	return nil
}

func (v *vm) otherVersion(ctx context.Context) {
	if caps.AtLeast(v.c.Version(), 7, 1) { // not understood: the numbers are arguments of another package
		qemu.QueryStats{}.Do(ctx, v.c)
	}
	qemu.QueryStats{}.Do(ctx, v.c) // want `query-stats`
}

func (v *vm) otherField(ctx context.Context) {
	if v.caps.Stats {
		qemu.QueryStats{}.Do(ctx, v.c)
		_ = qemu.BlockdevAdd{Active: new(true)} // want `7.1 to 9.2 lack it`
	}
	if v.caps.Active {
		_ = qemu.BlockdevAdd{Active: new(true)}
	}
	if v.caps.Extra["blockdev-reopen"] {
		qemu.BlockdevReopen{}.Do(ctx, v.c)
	}
	if v.caps.Version.Major >= 8 {
		qemu.QueryStats{}.Do(ctx, v.c)
		_ = qemu.BlockdevAdd{Active: new(true)} // want `8.0 to 9.2 lack it`
	}
	if v.caps.Level() >= 2 {
		_ = qemu.BlockdevAdd{Active: new(true)}
	}
	if v.caps.Debug {
		qemu.QueryStats{}.Do(ctx, v.c) // want `query-stats`
	}
	if caps.Plain(4) {
		qemu.QueryStats{}.Do(ctx, v.c) // want `query-stats`
	}
}

func (v *vm) fill() {
	v.feats = map[string]bool{}
	v.feats["stats"], _ = v.s.Has("query-stats")
	if v.has("blockdev-add/arg-type/active") {
		v.flags = append(v.flags, "active")
		v.level = 2
	}
	v.major = v.c.Version().Major
	v.probed.Do(func() { v.stats = v.has("query-stats") })
}

func (v *vm) filled(ctx context.Context) {
	if v.feats["stats"] {
		qemu.QueryStats{}.Do(ctx, v.c)
	}
	if v.major >= 8 {
		qemu.QueryStats{}.Do(ctx, v.c)
	}
	if v.major >= 7 {
		qemu.QueryStats{}.Do(ctx, v.c) // want `7.0 lacks it`
	}
	if v.stats {
		qemu.QueryStats{}.Do(ctx, v.c)
		v.active()
	}
	if v.debug {
		qemu.QueryStats{}.Do(ctx, v.c) // want `query-stats`
	}
	if v.has("blockdev-add/arg-type/active") {
		v.active()
	}
}

func (v *vm) values(ctx context.Context) {
	h := v.has
	if h("query-stats") {
		qemu.QueryStats{}.Do(ctx, v.c)
	}
	own := func(path string) bool { ok, _ := v.s.Has(path); return ok }
	if own("query-stats") {
		qemu.QueryStats{}.Do(ctx, v.c)
		_ = qemu.BlockdevAdd{Active: new(true)} // want `7.1 to 9.2 lack it`
	}
	if own("query-status") {
		qemu.QueryStats{}.Do(ctx, v.c) // want `query-stats`
	}
}

func (v *vm) versions(ctx context.Context) {
	ver := v.c.Version()
	n := ver.Major*100 + ver.Minor
	if n >= 701 {
		qemu.QueryStats{}.Do(ctx, v.c)
	}
	if n >= 700 {
		qemu.QueryStats{}.Do(ctx, v.c) // want `7.0 lacks it`
	}
	switch {
	case v.atLeast(10, 0):
		_ = qemu.BlockdevAdd{Active: new(true)}
	case v.atLeast(7, 1):
		qemu.QueryStats{}.Do(ctx, v.c)
		_ = qemu.BlockdevAdd{Active: new(true)} // want `7.1 to 9.2 lack it`
	default:
		qemu.QueryStats{}.Do(ctx, v.c) // want `query-stats`
	}
	if strings.HasPrefix(ver.String(), "10.") {
		_ = qemu.BlockdevAdd{Active: new(true)}
	}
	if ver.Package == "special" {
		qemu.QueryStats{}.Do(ctx, v.c)
	}
	switch ver.Major {
	case 5, 6:
		qemu.QueryStats{}.Do(ctx, v.c) // want `5.2 to 6.2 lack it`
	case 7:
	default:
		qemu.QueryStats{}.Do(ctx, v.c)
	}
}

func (v *vm) insideGuard(ctx context.Context) {
	var missing bool
	if ok, err := v.s.Has("query-stats"); err != nil || !ok {
		missing = true
	}
	if !missing {
		qemu.QueryStats{}.Do(ctx, v.c)
		_ = qemu.BlockdevAdd{Active: new(true)} // want `7.1 to 9.2 lack it`
	}
	command := "query-cpus"
	if v.has("query-cpus-fast") {
		command = "query-cpus-fast"
	}
	qmp.Raw{Command: command}.Do(ctx, v.c)
	level := 0
	if v.has("query-stats") {
		level = 1
	}
	if v.has("blockdev-add/arg-type/active") {
		level = 2
	}
	if level >= 1 {
		qemu.QueryStats{}.Do(ctx, v.c)
	}
	if level == 2 {
		_ = qemu.BlockdevAdd{Active: new(true)}
	} else {
		_ = qemu.BlockdevAdd{Active: new(true)} // want `5.2 to 9.2 lack it`
	}
	ok, _ := v.s.Has("query-stats")
	ok = true
	if ok {
		qemu.QueryStats{}.Do(ctx, v.c) // want `query-stats`
	}
}

func (v *vm) lists(ctx context.Context, paths []string) {
	var missing []string
	for _, path := range paths {
		if !v.has(path) {
			missing = append(missing, path)
		}
	}
	if len(missing) > 0 {
		return
	}
	qemu.QueryStats{}.Do(ctx, v.c)
}

// prober is what a test replaces.
type prober interface{ Supports(string) bool }

func asks(ctx context.Context, c *qmp.Client, p prober) {
	if p.Supports("query-stats") {
		qemu.QueryStats{}.Do(ctx, c)
	}
	qemu.QueryStats{}.Do(ctx, c) // want `query-stats`
}

type set struct{ have map[string]struct{} }

func newSet(s *introspect.Schema) *set {
	t := &set{have: map[string]struct{}{}}
	for _, p := range []string{"query-stats", "blockdev-reopen"} {
		if ok, _ := s.Has(p); ok {
			t.have[p] = struct{}{}
		}
	}
	return t
}

func (t *set) contains(p string) bool { _, ok := t.have[p]; return ok }

func sets(ctx context.Context, c *qmp.Client, t *set) {
	if t.contains("query-stats") {
		qemu.QueryStats{}.Do(ctx, c)
	}
	if _, ok := t.have["blockdev-reopen"]; ok {
		qemu.BlockdevReopen{}.Do(ctx, c)
	}
	if t.have == nil {
		return
	}
	qemu.QueryStats{}.Do(ctx, c) // want `query-stats`
}

// An option changes a request.
type option func(*qemu.BlockdevAdd)

func withActive(s *introspect.Schema) option {
	if ok, _ := s.Has("blockdev-add/arg-type/active"); !ok {
		return func(*qemu.BlockdevAdd) {}
	}
	return func(a *qemu.BlockdevAdd) { a.Active = new(true) }
}

func withoutAsking() option {
	return func(a *qemu.BlockdevAdd) { a.Active = new(true) } // want `active`
}

type builder struct {
	s   *introspect.Schema
	add qemu.BlockdevAdd
}

func (b *builder) activeIf(on bool) *builder {
	if on && caps.Has(b.s, "blockdev-add/arg-type/active") {
		b.add.Active = &on
	}
	return b
}

func (b *builder) alwaysActive() *builder {
	b.add.Active = new(true) // want `active`
	return b
}

func cleared(c *qmp.Client, s *introspect.Schema) {
	add := qemu.BlockdevAdd{Active: new(true)}
	if ok, _ := s.Has("blockdev-add/arg-type/active"); !ok {
		add.Active = nil
	}
	add.Do(nil, c)
	other := qemu.BlockdevAdd{Active: new(true)} // want `7.1 to 9.2 lack it`
	if ok, _ := s.Has("query-stats"); !ok {
		other.Active = nil
	}
	other.Do(nil, c)
}

type supported[T any] struct{ ok bool }

func check[T any](s *introspect.Schema, path string) supported[T] {
	ok, _ := s.Has(path)
	return supported[T]{ok: ok}
}

func generic(c *qmp.Client, s *introspect.Schema) {
	if check[qemu.QueryStats](s, "query-stats").ok {
		qemu.QueryStats{}.Do(nil, c)
	}
}

var defaults = struct{ stats bool }{}

func init() {
	defaults.stats = false
}

func (v *vm) configured(ctx context.Context, force bool) {
	defaults.stats = v.has("query-stats")
	if force || v.has("query-stats") {
		qemu.QueryStats{}.Do(ctx, v.c) // want `query-stats`
	}
	if defaults.stats {
		qemu.QueryStats{}.Do(ctx, v.c)
		_ = qemu.BlockdevAdd{Active: new(true)} // want `7.1 to 9.2 lack it`
	}
}
