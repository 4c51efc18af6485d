// Package manager is what a manager of VMs has: capabilities that it fills when it connects, and gates.
package manager

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"example.org/vet/caps"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
	"github.com/qmpkit/qmpkit/qmp/introspect"
	"github.com/qmpkit/qmpkit/qmp/qmpschema"
)

type features struct{ stats, active, ioUring bool }

func (f features) canStats() bool { return f.stats }

type manager struct {
	mu     sync.Mutex
	client *qmp.Client
	f      features
	fp     *features
	sch    *introspect.Schema
	feats  map[feature]bool
	ver    struct{ major, minor int }
	min    qmp.Version
}
type feature string

const featStats feature = "query-stats"

func connect(ctx context.Context, addr string) (*manager, error) {
	c, err := qmp.Dial(ctx, addr, nil)
	if err != nil {
		return nil, fmt.Errorf("dial: %w", err)
	}
	s, err := qmpschema.Query(ctx, c)
	if err != nil {
		c.Close()
		return nil, err
	}
	m := &manager{client: c, sch: s, feats: map[feature]bool{}}
	for path, dst := range map[string]*bool{"query-stats": &m.f.stats, "blockdev-add/arg-type/active": &m.f.active} {
		if *dst, err = s.Has(path); err != nil {
			return nil, err
		}
	}
	m.fp = detect(s)
	for _, f := range []feature{featStats} {
		m.feats[f], _ = s.Has(string(f))
	}
	v := c.Version()
	m.ver.major, m.ver.minor = v.Major, v.Minor
	return m, nil
}
func detect(s *introspect.Schema) *features {
	has := func(p string) bool { ok, _ := s.Has(p); return ok }
	return &features{stats: has("query-stats"), active: has("blockdev-add/arg-type/active")}
}
func (m *manager) k1(ctx context.Context) {
	if m.f.stats {
		qemu.QueryStats{}.Do(ctx, m.client)
	}
}
func (m *manager) k2(ctx context.Context) {
	if m.f.canStats() {
		qemu.QueryStats{}.Do(ctx, m.client)
	}
}
func (m *manager) k3(ctx context.Context) {
	if m.fp != nil && m.fp.active {
		_ = qemu.BlockdevAdd{Active: new(true)}
	}
}
func (m *manager) k4(ctx context.Context) {
	if m.supports(featStats) {
		qemu.QueryStats{}.Do(ctx, m.client)
	}
}
func (m *manager) supports(f feature) bool { m.mu.Lock(); defer m.mu.Unlock(); return m.feats[f] }
func (m *manager) k5(ctx context.Context) {
	if m.ver.major > 7 || m.ver.major == 7 && m.ver.minor >= 1 {
		qemu.QueryStats{}.Do(ctx, m.client)
	}
}
func (m *manager) k6(ctx context.Context) error {
	if !m.supports(featStats) {
		return errors.ErrUnsupported
	}
	_, err := qemu.QueryStats{}.Do(ctx, m.client)
	return err
}
func (m *manager) k7(ctx context.Context) {
	for _, t := range []struct {
		min qmp.Version
		run func()
	}{
		{qmp.Version{Major: 10}, func() { _ = qemu.BlockdevAdd{Active: new(true)} }},
		{qmp.Version{Major: 9}, func() { _ = qemu.BlockdevAdd{Active: new(true)} }}, // want `9.0 to 9.2 lack it`
		{run: func() { _ = qemu.BlockdevAdd{Active: new(true)} }},                   // want `5.2 to 9.2 lack it`
	} {
		if m.client.Version().Compare(t.min) >= 0 {
			t.run()
		}
	}
}
func (m *manager) k8(ctx context.Context) {
	if m.client.Version().Compare(m.min) >= 0 {
		qemu.QueryStats{}.Do(ctx, m.client)
	}
}

type errTooOld struct{ what string }

func (e errTooOld) Error() string { return e.what }
func (m *manager) require(path string) error {
	ok, err := m.sch.Has(path)
	switch {
	case err != nil:
		return fmt.Errorf("schema: %w", err)
	case !ok:
		return errTooOld{path}
	}
	return nil
}
func (m *manager) k9(ctx context.Context) error {
	if err := m.require("query-stats"); err != nil {
		return err
	}
	_, err := qemu.QueryStats{}.Do(ctx, m.client)
	_ = qemu.BlockdevAdd{Active: new(true)} // want `since QEMU`
	return err
}
func (m *manager) k10(ctx context.Context) error {
	return errors.Join(m.require("query-stats"), func() error { _, err := qemu.QueryStats{}.Do(ctx, m.client); return err }()) // want `since QEMU`
}
func (m *manager) k11(ctx context.Context) error {
	var e errTooOld
	if err := m.require("query-stats"); errors.As(err, &e) {
		return nil
	} else if err != nil {
		return err
	}
	_, err := qemu.QueryStats{}.Do(ctx, m.client)
	return err
}
func (m *manager) k12(ctx context.Context) {
	once := sync.OnceValue(func() bool { ok, _ := m.sch.Has("query-stats"); return ok })
	if once() {
		qemu.QueryStats{}.Do(ctx, m.client)
	}
}
func (m *manager) k13(ctx context.Context) {
	ch := make(chan bool, 1)
	go func() { ok, _ := m.sch.Has("query-stats"); ch <- ok }()
	if <-ch {
		qemu.QueryStats{}.Do(ctx, m.client)
	}
}
func (m *manager) k14(ctx context.Context) {
	if pred("query-stats")(m.sch) {
		qemu.QueryStats{}.Do(ctx, m.client)
	}
}
func pred(p string) func(*introspect.Schema) bool {
	return func(s *introspect.Schema) bool { ok, _ := s.Has(p); return ok }
}
func (m *manager) k15(ctx context.Context) {
	lvl := max(m.client.Version().Major, 5)
	if lvl >= 8 {
		qemu.QueryStats{}.Do(ctx, m.client)
	}
}
func (m *manager) k16(ctx context.Context) {
	switch ok, _ := m.sch.Has("query-stats"); {
	case ok:
		qemu.QueryStats{}.Do(ctx, m.client)
	}
	switch ok, _ := m.sch.Has("query-stats"); ok {
	case true:
		qemu.QueryStats{}.Do(ctx, m.client)
	case false:
		qemu.QueryStats{}.Do(ctx, m.client) // want `since QEMU`
	}
}
func (m *manager) k17(ctx context.Context, l *slog.Logger) {
	ok, err := m.sch.Has("query-stats")
	if err != nil {
		l.Error("x", "err", err)
		return
	}
	l.Info("stats", "has", ok)
	defer func() {
		if ok {
			qemu.QueryStats{}.Do(ctx, m.client)
		}
	}()
	tick := time.NewTicker(1)
	for {
		select {
		case <-tick.C:
			if !ok {
				continue
			}
			qemu.QueryStats{}.Do(ctx, m.client)
		case <-ctx.Done():
			return
		}
	}
}
func (m *manager) k18(ctx context.Context) {
	if m.f == (features{stats: true, active: true}) {
		qemu.QueryStats{}.Do(ctx, m.client)
	}
}
func (m *manager) k19(ctx context.Context) {
	missing, err := qmpschema.Missing(ctx, m.client, qemu.QueryStats{}, "blockdev-add/arg-type/active")
	if err != nil {
		return
	}
	has := map[string]bool{}
	for _, p := range missing {
		has[p] = true
	}
	if !has["query-stats"] {
		qemu.QueryStats{}.Do(ctx, m.client)
	}
	if slices.Index(missing, "query-stats") < 0 {
		qemu.QueryStats{}.Do(ctx, m.client)
	}
	if i := slices.Index(missing, "query-stats"); i == -1 {
		qemu.QueryStats{}.Do(ctx, m.client)
	}
	for _, p := range missing {
		if p == "query-stats" {
			return
		}
	}
	qemu.QueryStats{}.Do(ctx, m.client)
}
func (m *manager) k20(ctx context.Context) error {
	return m.retry(func() error {
		_, err := qemu.QueryStats{}.Do(ctx, m.client)
		if errors.Is(err, errors.ErrUnsupported) {
			return nil
		}
		return err
	})
}
func (m *manager) retry(f func() error) error {
	for range 3 {
		if err := f(); err == nil {
			return nil
		}
	}
	return errors.New("x")
}
func (m *manager) k21(ctx context.Context) (err error) {
	if _, err = (qemu.QueryStats{}).Do(ctx, m.client); errors.Is(err, qmp.ErrCommandNotFound) {
		err = nil
	}
	return
}
func (m *manager) k22(ctx context.Context) error {
	_, err := qemu.QueryStats{}.Do(ctx, m.client)
	defer func() {
		if errors.Is(err, errors.ErrUnsupported) {
			slog.Info("old")
		}
	}()
	return err
}
func (m *manager) k23(ctx context.Context) error {
	_, err := qemu.QueryStats{}.Do(ctx, m.client)
	return caps.Ignore(err)
}
func (m *manager) k25(ctx context.Context) {
	if m.client != nil && m.f.stats && ctx.Err() == nil {
		qemu.QueryStats{}.Do(ctx, m.client)
	}
	if m.client == nil || m.sch == nil {
		return
	}
	qemu.QueryStats{}.Do(ctx, m.client) // want `since QEMU`
}
func (m *manager) k26(ctx context.Context) {
	type cmd struct {
		need string
		req  qmp.Request
	}
	for _, c := range []cmd{{"query-status", qemu.Stop{}}} {
		if m.has(c.need) {
			c.req.Do(ctx, m.client)
		}
	}
	args := qmp.Args{"driver": "raw"}
	if m.has("blockdev-add/arg-type/active") {
		args["active"] = true
	}
	qmp.Raw{Command: "blockdev-add", Args: args}.Do(ctx, m.client)
}
func (m *manager) has(p string) bool { ok, err := m.sch.Has(p); return ok && err == nil }
func (m *manager) k27(ctx context.Context) {
	var req qmp.Request = qemu.Stop{}
	if m.has("blockdev-set-active") {
		req = qemu.BlockdevSetActive{}
	}
	req.Do(ctx, m.client)
}
func (m *manager) k28(ctx context.Context) {
	aio := qemu.BlockdevDriverFile
	if m.has("blockdev-add/arg-type/driver/^io_uring") {
		aio = qemu.BlockdevDriverIOUring
	}
	qemu.BlockdevAdd{Driver: aio}.Do(ctx, m.client)
	qemu.BlockdevAdd{Driver: m.driver()}.Do(ctx, m.client)
}
func (m *manager) driver() qemu.BlockdevDriver {
	if !m.has("blockdev-add/arg-type/driver/^io_uring") {
		return qemu.BlockdevDriverFile
	}
	return qemu.BlockdevDriverIOUring
}
func (m *manager) k29(ctx context.Context) {
	add := qemu.BlockdevAdd{Active: ifHas(m.has("blockdev-add/arg-type/active"), true)}
	add.Do(ctx, m.client)
	add2 := qemu.BlockdevAdd{Active: ifHas(m.has("query-stats"), true)} // want `since QEMU`
	add2.Do(ctx, m.client)
}
func ifHas[T any](ok bool, v T) *T {
	if !ok {
		return nil
	}
	return &v
}
