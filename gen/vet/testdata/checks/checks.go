// Package checks has conditions that tests and wrappers have: helpers that end a test, errors that a test wants, and
// a type that executes requests.
package checks

import (
	"context"
	"errors"
	"fmt"
	"log"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.org/vet/caps"

	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/guest"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
	"github.com/qmpkit/qmpkit/qmp/introspect"
	"github.com/qmpkit/qmpkit/qmp/qmpschema"
)

func requireHas(t *testing.T, s *introspect.Schema, path string) {
	t.Helper()
	if ok, err := s.Has(path); err != nil || !ok {
		t.Skipf("this QEMU lacks %s", path)
	}
}

func requireNewer(t *testing.T, v qmp.Version) {
	if v.Major < 10 {
		t.Skip("too old")
	}
}

func skipped(t *testing.T, c *qmp.Client, s *introspect.Schema) {
	requireHas(t, s, "query-stats")
	qemu.QueryStats{}.Do(t.Context(), c)
	qemu.BlockdevSetActive{}.Do(t.Context(), c) // want `7.1 to 9.2 lack it`
	requireNewer(t, c.Version())
	qemu.BlockdevSetActive{}.Do(t.Context(), c)
	_ = qemu.BlockdevMirror{TargetIsZero: new(true)} // want `10.0 lacks it`
}

func refused(t *testing.T, c *qmp.Client) {
	err := qemu.BlockdevSetActive{}.Do(t.Context(), c)
	require.ErrorIs(t, err, qmp.ErrCommandNotFound)
	err = qemu.BlockdevReopen{}.Do(t.Context(), c)
	assert.ErrorIs(t, err, errors.ErrUnsupported)
	err = qemu.DisplayReload{}.Do(t.Context(), c) // want `display-reload`
	assert.ErrorIs(t, err, qmp.ErrDeviceNotFound)
}

func missing(ctx context.Context, c *qmp.Client) error {
	err := qemu.BlockdevAdd{Active: new(true)}.Do(ctx, qmpschema.Checked(c))
	var missing *qmpschema.MissingError
	if errors.As(err, &missing) {
		log.Print(missing.Paths)
		return nil
	}
	err = qemu.BlockdevAdd{Active: new(true)}.Do(ctx, qmpschema.Checked(c))
	if _, ok := errors.AsType[*qmpschema.MissingError](err); ok {
		return nil
	}
	err = qemu.BlockdevAdd{Active: new(true)}.Do(ctx, c) // want `active`
	if _, ok := errors.AsType[*qmp.DecodeError](err); ok {
		return nil
	}
	return err
}

// A Monitor is an executor of the program.
type Monitor struct{ x qmp.Executor }

// Execute makes it one.
func (m *Monitor) Execute(ctx context.Context, call *qmp.Call) error { return m.x.Execute(ctx, call) }

// Run executes a request.
func (m *Monitor) Run(ctx context.Context, r qmp.Request) error {
	if err := r.Do(ctx, m); err != nil {
		return fmt.Errorf("%T: %w", r, err)
	}
	return nil
}

func (m *Monitor) fallback(ctx context.Context) error {
	err := m.Run(ctx, qemu.BlockdevReopen{})
	if errors.Is(err, qmp.ErrCommandNotFound) {
		_, err = qmp.Raw{Command: "x-blockdev-reopen"}.Do(ctx, m)
	}
	if err != nil {
		return err
	}
	err = m.Run(ctx, &qemu.Migrate{Channels: []qemu.MigrationChannel{}}) // want `channels`
	if errors.Is(err, qmp.ErrCommandNotFound) {
		return nil
	}
	return m.Run(ctx, qemu.BlockdevReopen{}) // want `blockdev-reopen`
}

// The method that is called main has no other callers than these.

type server struct{ c *qmp.Client }

func check(v qmp.Version) error {
	if v.Compare(qmp.Version{Major: 8}) < 0 {
		return errors.New("too old")
	}
	return nil
}

func start(ctx context.Context, c *qmp.Client) {
	if err := check(c.Version()); err != nil {
		log.Fatal(err)
	}
	(&server{c}).main(ctx)
}

func (s *server) main(ctx context.Context) {
	qemu.QueryStats{}.Do(ctx, s.c)
	qemu.BlockdevSetActive{}.Do(ctx, s.c) // want `8.0 to 9.2 lack it`
}

// ZeroTarget is an option: what others give it is not known.
func ZeroTarget(has bool) func(*qemu.BlockdevMirror) {
	return func(m *qemu.BlockdevMirror) {
		if has {
			m.TargetIsZero = new(true)
		}
	}
}

func option(s *introspect.Schema) func(*qemu.BlockdevMirror) {
	has, _ := s.Has("blockdev-mirror/arg-type/target-is-zero")
	return ZeroTarget(has)
}

type step struct {
	name string
	min  qmp.Version
	run  func() error
}

func behindALoop(ctx context.Context, c *qmp.Client, steps []step) error {
	for _, s := range steps {
		if s.min.Compare(c.Version()) > 0 {
			continue
		}
		if err := s.run(); err != nil {
			return err
		}
	}
	return qemu.BlockdevReopen{}.Do(ctx, c) // want `blockdev-reopen`
}

func eventData(ctx context.Context, raw qmp.RawEvent) {
	if data, ok, err := qmp.EventAs[qemu.NetdevStreamConnectedEvent](raw); err == nil && ok {
		log.Print(data.NetdevID)
	}
}

func (s *server) all(sch *introspect.Schema, paths ...string) bool {
	for _, p := range paths {
		if ok, err := sch.Has(p); err != nil || !ok {
			return false
		}
	}
	return true
}

func (s *server) lists(ctx context.Context, sch *introspect.Schema) {
	if s.all(sch, "query-stats") {
		qemu.QueryStats{}.Do(ctx, s.c)
		qemu.BlockdevSetActive{}.Do(ctx, s.c) // want `7.1 to 9.2 lack it`
	}
	if s.all(sch, "query-status", "query-stats") {
		qemu.QueryStats{}.Do(ctx, s.c)
	}
	if caps.All(sch, "query-stats") {
		qemu.QueryStats{}.Do(ctx, s.c)
		qemu.BlockdevSetActive{}.Do(ctx, s.c) // want `7.1 to 9.2 lack it`
	}
	if caps.All(sch, "query-status", "query-stats") {
		qemu.QueryStats{}.Do(ctx, s.c)
	}
	if err := caps.Require(sch, "query-stats"); err != nil {
		return
	}
	qemu.QueryStats{}.Do(ctx, s.c)
	qemu.BlockdevSetActive{}.Do(ctx, s.c) // want `7.1 to 9.2 lack it`
}

func (s *server) sent(ctx context.Context, g *qmp.GuestClient) error {
	capabilities, err := qemu.QueryMigrateCapabilities{}.Do(ctx, s.c)
	if err != nil {
		return err
	}
	ack := false
	for _, one := range capabilities {
		if one.Capability == qemu.MigrationCapabilitySwitchoverAck {
			ack = true
			_ = []qemu.MigrationCapability{qemu.MigrationCapabilitySwitchoverAck, qemu.MigrationCapabilityDirtyLimit}
		}
		switch one.Capability {
		case qemu.MigrationCapabilityMappedRAM:
			_ = qemu.MigrationCapabilityStatus{Capability: qemu.MigrationCapabilityMappedRAM}
		case qemu.MigrationCapabilityXBZRLE:
			_ = qemu.MigrationCapabilityStatus{Capability: qemu.MigrationCapabilityMappedRAM} // want `5.2 to 8.2 lack it`
		}
	}
	if ack {
		_ = qemu.MigrationCapabilityStatus{Capability: qemu.MigrationCapabilitySwitchoverAck}
		_ = qemu.MigrationCapabilityStatus{Capability: qemu.MigrationCapabilityMappedRAM} // want `8.1 to 8.2 lack it`
	}
	wanted := []qemu.MigrationCapability{qemu.MigrationCapabilitySwitchoverAck} // want `5.2 to 8.0 lack it`
	if wanted[0] == qemu.MigrationCapabilitySwitchoverAck {
		_ = qemu.MigrationCapabilityStatus{Capability: qemu.MigrationCapabilitySwitchoverAck} // want `5.2 to 8.0 lack it`
	}

	types, err := qemu.QOMListTypes{}.Do(ctx, s.c)
	for _, t := range types {
		if t.Name == "iommufd" {
			_ = qemu.ObjectAdd{ID: "fd", Branch: &qemu.IOMMUFDProperties{}}
		}
	}

	status, err := qemu.QueryStatus{}.Do(ctx, s.c)
	if err == nil && status.Status == qemu.RunStatePaused {
		return qemu.BlockdevReopen{}.Do(ctx, s.c) // want `blockdev-reopen`
	}

	info, err := guest.GuestInfo{}.Do(ctx, g)
	if err != nil {
		return err
	}
	enabled := map[string]bool{}
	for _, command := range info.SupportedCommands {
		enabled[command.Name] = command.Enabled
		if command.Name == "guest-network-get-route" && command.Enabled {
			guest.GuestNetworkGetRoute{}.Do(ctx, g)
		}
	}
	if enabled["guest-get-load"] {
		guest.GuestGetLoad{}.Do(ctx, g)
	}
	if slices.ContainsFunc(info.SupportedCommands, func(c guest.GuestAgentCommandInfo) bool { return c.Name == "guest-get-load" }) {
		guest.GuestGetLoad{}.Do(ctx, g)
	}
	_, err = guest.GuestGetLoad{}.Do(ctx, g) // want `guest-get-load`
	return err
}

// Tables say what each entry needs.

type entry struct {
	need    string
	request qmp.Request
}

var entries = []entry{
	{need: "blockdev-set-active", request: qemu.BlockdevSetActive{}},
	{need: "query-stats", request: qemu.BlockdevReopen{}},
	{need: "query-status", request: qemu.BlockdevReopen{}}, // want `blockdev-reopen`
	{request: qemu.BlockdevReopen{}},                       // want `blockdev-reopen`
}

func (s *server) entries(ctx context.Context, sch *introspect.Schema) {
	for _, e := range entries {
		if e.need != "" {
			if ok, err := sch.Has(e.need); err != nil || !ok {
				continue
			}
		}
		e.request.Do(ctx, s.c)
	}
}

func version(major, minor int) qmp.Version { return qmp.Version{Major: major, Minor: minor} }

func (s *server) versions(t *testing.T) {
	for _, test := range []struct {
		name       string
		major, min int
		since      qmp.Version
		run        func(context.Context) error
	}{
		{"stop", 0, 0, qmp.Version{}, func(ctx context.Context) error { return qemu.BlockdevReopen{}.Do(ctx, s.c) }}, // want `blockdev-reopen`
		{"active", 10, 0, version(6, 0), func(ctx context.Context) error { return qemu.BlockdevSetActive{}.Do(ctx, s.c) }},
		{"old", 9, 0, version(6, 0), func(ctx context.Context) error { return qemu.BlockdevSetActive{}.Do(ctx, s.c) }}, // want `9.0 to 9.2 lack it`
		{"since", 6, 0, version(10, 0), func(ctx context.Context) error { return qemu.BlockdevSetActive{}.Do(ctx, s.c) }},
	} {
		if s.c.Version().Major < test.major {
			t.Skip("too old")
		}
		if s.c.Version().Compare(test.since) < 0 {
			continue
		}
		test.run(t.Context())
	}
}

func (s *server) made(t *testing.T) {
	if s.c.Version().Compare(version(9, 0)) >= 0 {
		qemu.BlockdevSetActive{}.Do(t.Context(), s.c) // want `9.0 to 9.2 lack it`
	}
}

// Functions that make a command of their parameters: their callers use it.

func execute(ctx context.Context, x qmp.Executor, name string, args qmp.Args) error {
	_, err := qmp.Raw{Command: name, Args: args}.Do(ctx, x)
	return err
}

func plain(ctx context.Context, x qmp.Executor, name string) error { return execute(ctx, x, name, nil) }

func (s *server) ifThere(ctx context.Context, sch *introspect.Schema, name string) error {
	if ok, err := sch.Has(name); err != nil || !ok {
		return err
	}
	_, err := qmp.Raw{Command: name}.Do(ctx, s.c)
	return err
}

func (s *server) forwards(ctx context.Context, sch *introspect.Schema) {
	execute(ctx, s.c, "query-status", nil)
	execute(ctx, s.c, "set-action", nil)                                           // want `command \(set-action\): since QEMU 6.0`
	execute(ctx, s.c, "blockdev-add", qmp.Args{"driver": "raw", "active": true})   // want `member \(blockdev-add/arg-type/active\)`
	execute(ctx, s.c, "migrate", map[string]any{"uri": "tcp:x:1", "blk": true})    // want `migrate/arg-type/blk\): removed`
	plain(ctx, s.c, "snapshot-save")                                               // want `snapshot-save`
	caps.Execute(ctx, s.c, "blockdev-reopen", nil)                                 // want `blockdev-reopen`
	caps.Execute(ctx, s.c, "block-stream", qmp.Args{"device": "d", "bottom": "b"}) // want `block-stream/arg-type/bottom`
	if s.all(sch, "query-stats") {
		execute(ctx, s.c, "query-stats", qmp.Args{"target": "vm"})
		plain(ctx, s.c, "query-stats")
	}
	s.ifThere(ctx, sch, "query-stats")
	s.ifThere(ctx, sch, "blockdev-reopen")
	err := plain(ctx, s.c, "display-reload")
	if errors.Is(err, qmp.ErrCommandNotFound) {
		log.Print("too old")
	}
	_, err = qmp.Raw{Command: "blockdev-reopen"}.Do(ctx, s.c)
	if errors.Is(err, qmp.ErrCommandNotFound) {
		_, err = qmp.Raw{Command: "x-blockdev-reopen"}.Do(ctx, s.c)
	}
}

func number(v qmp.Version) int { return v.Major*10000 + v.Minor*100 + v.Micro }

func (s *server) numbers(ctx context.Context) {
	v := s.c.Version()
	if n := v.Major*1000000 + v.Minor*1000 + v.Micro; n >= 10000000 {
		qemu.BlockdevSetActive{}.Do(ctx, s.c)
		_ = qemu.BlockdevMirror{TargetIsZero: new(true)} // want `10.0 lacks it`
	}
	if v.Major*10000+v.Minor*100+v.Micro > 100001 {
		_ = qemu.BlockdevMirror{TargetIsZero: new(true)} // want `10.0 lacks it`
	} else {
		qemu.BlockdevSetActive{}.Do(ctx, s.c) // want `5.2 to 9.2 lack it`
	}
	if number(v) >= 90100 {
		_ = qemu.BlockdevBackup{DiscardSource: new(true)}
		qemu.BlockdevSetActive{}.Do(ctx, s.c) // want `9.1 to 9.2 lack it`
	}
	if number(s.c.Version()) < 90000 {
		return
	}
	qemu.BlockdevSetActive{}.Do(ctx, s.c) // want `9.0 to 9.2 lack it`
}

// A generation is calculated from the version.
type generation int

const (
	old generation = iota
	modern
	newest
)

func generationOf(v qmp.Version) generation {
	switch {
	case v.Major >= 10:
		return newest
	case v.Major >= 8:
		return modern
	}
	return old
}

type generations struct {
	c   *qmp.Client
	gen generation
}

func newGenerations(c *qmp.Client) *generations {
	return &generations{c: c, gen: generationOf(c.Version())}
}

func (g *generations) run(ctx context.Context) {
	if g.gen >= newest {
		qemu.BlockdevSetActive{}.Do(ctx, g.c)
		_ = qemu.BlockdevMirror{TargetIsZero: new(true)} // want `10.0 lacks it`
	}
	switch g.gen {
	case newest:
		qemu.BlockdevSetActive{}.Do(ctx, g.c)
	case modern:
		qemu.QueryStats{}.Do(ctx, g.c)
		qemu.BlockdevSetActive{}.Do(ctx, g.c) // want `8.0 to 9.2 lack it`
	default:
		qemu.QueryStats{}.Do(ctx, g.c) // want `5.2 to 7.0 lack it`
	}
	if generationOf(g.c.Version()) < modern {
		return
	}
	qemu.QueryStats{}.Do(ctx, g.c)
}

type generations2 struct {
	c   *qmp.Client
	gen generation
}

func startGenerations(ctx context.Context, c *qmp.Client) {
	if c.Version().Major < 7 {
		log.Fatal("too old")
	}
	g := &generations2{c: c, gen: generation2(c.Version())}
	g.main(ctx)
}

func generation2(v qmp.Version) generation {
	if v.Major >= 10 {
		return newest
	}
	return old
}

func (g *generations2) main(ctx context.Context) {
	if g.gen >= newest {
		g.newest(ctx)
	}
	qemu.BlockdevReopen{}.Do(ctx, g.c)
	qemu.QueryStats{}.Do(ctx, g.c) // want `7.0 lacks it`
}

func (g *generations2) newest(ctx context.Context) {
	qemu.BlockdevSetActive{}.Do(ctx, g.c)
	_ = qemu.BlockdevMirror{TargetIsZero: new(true)} // want `10.0 lacks it`
}

func (s *server) later(ctx context.Context) {
	args := qmp.Args{"driver": "raw", "node-name": "n"}
	args["active"] = true // want `member \(blockdev-add/arg-type/active\)`
	execute(ctx, s.c, "blockdev-add", args)
	err := execute(ctx, s.c, "blockdev-reopen", nil)
	var refused *qmp.Error
	if errors.As(err, &refused) && refused.Class == qmp.ErrCommandNotFound {
		execute(ctx, s.c, "x-blockdev-reopen", nil)
	}
}

func (s *server) allowed(ctx context.Context) {
	run := func(requests ...qmp.Request) {}
	run(qemu.BlockdevReopen{}) //qmp:allow blockdev-reopen this line alone
	//qmp:allow snapshot-save ours is newer
	run(qemu.SnapshotSave{}, qemu.BlockdevReopen{}) // want `blockdev-reopen`
}
