// Package mistakes has mistakes between conditions that have nothing to do with them.
package mistakes

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"

	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
	"github.com/qmpkit/qmpkit/qmp/introspect"
	"github.com/qmpkit/qmpkit/qmp/qmpschema"
)

type vm struct {
	c     *qmp.Client
	s     *introspect.Schema
	name  string
	nodes map[string]string
	stats bool
	ids   []string
}

var verbose = flag.Bool("v", false, "")

func (v *vm) a1(ctx context.Context) error {
	if *verbose {
		fmt.Println(v.c.Version())
	}
	if err := v.open(ctx); err != nil {
		return err
	}
	_, err := qemu.QueryStats{}.Do(ctx, v.c) // want `since QEMU`
	return err
}
func (v *vm) open(ctx context.Context) error {
	ver := v.c.Version()
	if ver.Major < 5 {
		return fmt.Errorf("too old: %v", ver)
	}
	return nil
}
func (v *vm) a2(ctx context.Context) error {
	if _, err := qmpschema.Query(ctx, v.c); err != nil {
		return err
	}
	st, err := qemu.QueryStatus{}.Do(ctx, v.c)
	if err != nil {
		return err
	}
	if st.Status != "running" {
		return errors.New("not running")
	}
	_, err = qemu.QueryStats{}.Do(ctx, v.c) // want `since QEMU`
	if err != nil {
		return fmt.Errorf("stats of %s: %w", v.name, err)
	}
	return nil
}
func (v *vm) a3(ctx context.Context, id string) (string, error) {
	node, ok := v.nodes[id]
	if !ok {
		return "", os.ErrNotExist
	}
	if strings.HasPrefix(node, "x") {
		return node, nil
	}
	if err := (qemu.BlockdevReopen{}).Do(ctx, v.c); err != nil { // want `since QEMU`
		return "", err
	}
	v.nodes[id] = node
	return node, nil
}
func (v *vm) a4(ctx context.Context) {
	if v.stats {
		v.nodes["x"] = v.name
	}
	for _, id := range v.ids {
		if id == "" {
			continue
		}
		if err := (qemu.DeviceDel{ID: id}).Do(ctx, v.c); err != nil {
			var e *qmp.Error
			if errors.As(err, &e) && e.Class == qmp.ErrDeviceNotFound {
				continue
			}
			return
		}
		qemu.BlockdevSetActive{}.Do(ctx, v.c) // want `since QEMU`
	}
	qemu.BlockdevSetActive{}.Do(ctx, v.c) // want `since QEMU`
}
func (v *vm) load() { v.stats, _ = v.s.Has("query-stats") }
func (v *vm) a5(ctx context.Context) error {
	err := qemu.BlockdevDel{NodeName: "n"}.Do(ctx, v.c)
	if err != nil && !errors.Is(err, qmp.ErrGeneric) {
		return err
	}
	if err != nil && strings.Contains(err.Error(), "in use") {
		return nil
	}
	return qemu.BlockdevReopen{}.Do(ctx, v.c) // want `since QEMU`
}
func (v *vm) a6(ctx context.Context) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("a6: %w", err)
		}
	}()
	if ok, herr := v.s.Has("query-status"); herr != nil {
		return herr
	} else if !ok {
		return errors.New("x")
	}
	if _, err = (qemu.QueryStats{}).Do(ctx, v.c); err != nil { // want `since QEMU`
		return err
	}
	return nil
}
func (v *vm) a7(ctx context.Context) {
	sub := qmp.Subscribe[qemu.MemoryDeviceSizeChangeEvent](v.c)
	defer sub.Close()
	for {
		e, err := sub.Next(ctx)
		if err != nil {
			return
		}
		_ = e
		qemu.QueryStats{}.Do(ctx, v.c) // want `since QEMU`
	}
}
func (v *vm) a8(ctx context.Context, done chan struct{}) {
	select {
	case <-done:
		qemu.QueryStats{}.Do(ctx, v.c) // want `since QEMU`
	default:
		if v.has("query-stats") {
			qemu.QueryStats{}.Do(ctx, v.c)
		}
	}
	_ = qemu.ChardevSocket{ReconnectMs: new(int64(1))} // want `since QEMU`
}
func (v *vm) has(p string) bool { ok, err := v.s.Has(p); return err == nil && ok }
func (v *vm) a9(ctx context.Context) {
	if !v.has("query-stats") {
		fmt.Println("no stats")
	}
	qemu.QueryStats{}.Do(ctx, v.c) // want `since QEMU`
	if v.has("blockdev-add/arg-type/active") || v.name == "x" {
		_ = qemu.BlockdevAdd{Active: new(true)} // want `since QEMU`
	}
}
func (v *vm) a10(ctx context.Context) {
	if v.c.Version().Major >= 9 {
		_ = qemu.BlockdevAdd{Active: new(true)} // want `since QEMU`
	}
	if v.c.Version().Compare(qmp.Version{Major: 9, Minor: 1}) > 0 {
		_ = qemu.ChardevSocket{ReconnectMs: new(int64(1))} // want `since QEMU`
	}
	if v.has("query-stats") == false {
		qemu.QueryStats{}.Do(ctx, v.c) // want `since QEMU`
	}
	add := &qemu.BlockdevAdd{}
	opts := []func(*qemu.BlockdevAdd){func(a *qemu.BlockdevAdd) { a.Active = new(false) }} // want `since QEMU`
	for _, o := range opts {
		o(add)
	}
}
func (v *vm) a11(ctx context.Context) error {
	has := v.has("query-stats")
	has = has || v.name != ""
	if !has {
		return nil
	}
	_, err := qemu.QueryStats{}.Do(ctx, v.c) // want `since QEMU`
	return err
}

func (v *vm) prepare(ctx context.Context, path string) error {
	if v.has(path) {
		if err := (qemu.Stop{}).Do(ctx, v.c); err != nil {
			return fmt.Errorf("stop: %w", err)
		}
	}
	if !v.has(path) {
		return nil
	}
	return qemu.Cont{}.Do(ctx, v.c)
}

// prepared: prepare asks, but its error says nothing of the answer.
func (v *vm) prepared(ctx context.Context) error {
	if err := v.prepare(ctx, v.name); err != nil {
		return err
	}
	return qemu.BlockdevReopen{}.Do(ctx, v.c) // want `since QEMU`
}

func (v *vm) refuse(path string) error {
	if !v.has(path) {
		return errors.New("too old")
	}
	return nil
}

func (v *vm) refused(ctx context.Context, path string) error {
	if err := v.refuse(path); err != nil {
		return err
	}
	return qemu.BlockdevReopen{}.Do(ctx, v.c)
}
