// Package guards asks before it uses something, and asks wrongly.
package guards

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
	"github.com/qmpkit/qmpkit/qmp/introspect"
	"github.com/qmpkit/qmpkit/qmp/qmpschema"
)

func use() { _ = qemu.BlockdevOptions{Active: new(true)} } // want `active`

func asked(ctx context.Context, c *qmp.Client, s *introspect.Schema) error {
	has, err := s.Has("blockdev-add/arg-type/active")
	if err != nil {
		return err
	}
	if has {
		_ = qemu.BlockdevAdd{Active: new(true)}
	} else {
		_ = qemu.BlockdevAdd{Active: new(true)} // want `active`
	}
	if !has {
		_ = qemu.BlockdevAdd{Active: new(true)} // want `active`
		return nil
	}
	_ = qemu.BlockdevAdd{Active: new(true)}
	return nil
}

func anotherAge(s *introspect.Schema) {
	if old, _ := s.Has("blockdev-add/arg-type/node-name"); old {
		_ = qemu.BlockdevAdd{Active: new(true)} // want `active \(|active\)`
	}
	if older, _ := s.Has("query-stats"); older { // 7.1
		_ = qemu.BlockdevAdd{Active: new(true)} // want `since QEMU 10.0; 7.1 to 9.2 lack it`
	}
	if younger, _ := s.Has("blockdev-mirror/arg-type/target-is-zero"); younger { // 10.1
		_ = qemu.BlockdevAdd{Active: new(true)}
	}
}

func together(s *introspect.Schema, want bool) {
	has, err := s.Has("blockdev-add/arg-type/active")
	if err == nil && has && want {
		_ = qemu.BlockdevAdd{Active: new(true)}
	}
	if has || want {
		_ = qemu.BlockdevAdd{Active: new(true)} // want `active`
	}
	if err != nil || !has {
		return
	}
	_ = qemu.BlockdevAdd{Active: new(true)}
	func() { _ = qemu.BlockdevAdd{Active: new(true)} }()
	for range 3 {
		_ = qemu.BlockdevAdd{Active: new(true)}
	}
}

func switched(s *introspect.Schema, v qmp.Version) {
	has, _ := s.Has("blockdev-add/arg-type/active")
	switch {
	case has:
		_ = qemu.BlockdevAdd{Active: new(true)}
	case v.Major >= 10:
		_ = qemu.BlockdevAdd{Active: new(true)}
	default:
		_ = qemu.BlockdevAdd{Active: new(true)} // want `active`
	}
}

var ten = qmp.Version{Major: 10}

func versions(c *qmp.Client) {
	v := c.Version()
	if v.Major >= 10 {
		_ = qemu.BlockdevAdd{Active: new(true)}
	}
	if v.Major > 9 || v.Major == 9 && v.Minor >= 2 {
		_ = qemu.BlockdevAdd{Active: new(true)} // want `since QEMU 10.0; 9.2 lacks it`
	}
	if v.Compare(ten) >= 0 {
		_ = qemu.BlockdevAdd{Active: new(true)}
	}
	if v.Compare(qmp.Version{Major: 9, Minor: 1}) < 0 {
		_ = qemu.BlockdevAdd{Active: new(true)} // want `5.2 to 9.0 lack it`
	} else if c.Version().Compare(ten) < 0 {
		_ = qemu.BlockdevAdd{Active: new(true)} // want `9.1 to 9.2 lack it`
	} else {
		_ = qemu.BlockdevAdd{Active: new(true)}
	}
}

func missing(ctx context.Context, c *qmp.Client) error {
	absent, err := qmpschema.Missing(ctx, c, qemu.BlockdevAdd{Active: new(true)}, "query-stats")
	if err != nil {
		return err
	}
	if len(absent) == 0 {
		_ = qemu.BlockdevAdd{Active: new(true)}
	}
	if len(absent) > 0 {
		_ = qemu.BlockdevAdd{Active: new(true)} // want `active`
	}
	if !slices.Contains(absent, "query-stats") {
		qemu.QueryStats{}.Do(ctx, c)
		_ = qemu.BlockdevAdd{Active: new(true)} // want `7.1 to 9.2 lack it`
	}
	if absent != nil {
		return fmt.Errorf("missing: %v", absent)
	}
	_ = qemu.BlockdevAdd{Active: new(true)}
	return nil
}

func tried(ctx context.Context, c *qmp.Client) error {
	_, err := qemu.QueryStats{}.Do(ctx, c)
	if errors.Is(err, errors.ErrUnsupported) {
		return nil
	}
	if err := (qemu.BlockdevReopen{}).Do(ctx, c); errors.Is(err, qmp.ErrCommandNotFound) {
		return nil
	}
	_, err = qemu.QueryStatsSchemas{}.Do(ctx, c)
	if err != nil {
		return err
	}
	_, other := qemu.QueryStats{}.Do(ctx, c)
	_, err = qemu.QueryStatus{}.Do(ctx, c)
	if errors.Is(err, errors.ErrUnsupported) {
		return other
	}
	return qemu.XBlockdevAmend{}.Do(ctx, c)
}

func notTried(ctx context.Context, c *qmp.Client) error {
	err := qemu.BlockdevReopen{}.Do(ctx, c) // want `blockdev-reopen`
	if err != nil {
		return err
	}
	err = qemu.Stop{}.Do(ctx, c)
	if errors.Is(err, errors.ErrUnsupported) {
		return nil
	}
	return err
}

func hasActive(s *introspect.Schema) bool {
	has, err := s.Has("blockdev-add/arg-type/active")
	if err != nil {
		return false
	}
	return has
}

func needActive(s *introspect.Schema) error {
	if !hasActive(s) {
		return errors.New("too old")
	}
	return nil
}

func helped(s *introspect.Schema) error {
	if hasActive(s) {
		activate()
	}
	if err := needActive(s); err != nil {
		return err
	}
	_ = qemu.BlockdevAdd{Active: new(true)}
	later := func() { _ = qemu.BlockdevAdd{Active: new(true)} }
	later()
	return nil
}

func activate() { _ = qemu.BlockdevAdd{Active: new(true)} }

type machine struct{ active, stats bool }

func newMachine(s *introspect.Schema) (*machine, error) {
	m := &machine{active: hasActive(s)}
	var err error
	m.stats, err = s.Has("query-stats")
	return m, err
}

func (m *machine) start() {
	if m.active {
		_ = qemu.BlockdevAdd{Active: new(true)}
	}
	if m.stats {
		_ = qemu.BlockdevAdd{Active: new(true)} // want `7.1 to 9.2 lack it`
	}
}

func optional(s *introspect.Schema) error {
	var active *bool
	if hasActive(s) {
		active = new(true)
	}
	_ = qemu.BlockdevAdd{Active: active}
	deduced, err := activeIfThere(s)
	if err != nil {
		return err
	}
	add := qemu.BlockdevAdd{Active: deduced}
	add.Active = deduced
	_ = qemu.BlockdevAdd{Active: always()} // want `active`
	if !hasActive(s) {
		active = new(false)
	}
	_ = qemu.BlockdevAdd{Active: active} // want `active`
	return nil
}

func activeIfThere(s *introspect.Schema) (*bool, error) {
	has, err := s.Has("blockdev-add/arg-type/active")
	if err != nil || !has {
		return nil, err
	}
	return new(true), nil
}

func always() *bool { return new(true) }

func old(c *qmp.Client) {
	// object-add of 5.2 takes any qom-type: there is no list of them.
	_ = qemu.ObjectAdd{ID: "s", QOMType: qemu.ObjectTypeSecret, Branch: &qemu.SecretProperties{}}
	_ = qemu.MigrationChannel{ChannelType: qemu.MigrationChannelTypeMain}
}

func unknown(s *introspect.Schema, path string) {
	if has, _ := s.Has(path); has {
		_ = qemu.BlockdevAdd{Active: new(true)}
	}
	_ = qemu.BlockdevAdd{Active: new(true)} // want `active`
}
