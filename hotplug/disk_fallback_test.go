package hotplug_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/hotplug"
	"github.com/qmpkit/qmpkit/internal/fakeqemu"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/qmptest"
)

// older is a machine without blockdev-add, whose drives are made by an HMP command. A drive is a
// node that no command removes but HMP's.
type older struct {
	*fakeqemu.Machine

	mu      sync.Mutex // the server and the fallback use what follows
	drives  map[string]bool
	backend hotplug.DiskBackend // of the last disk
	hmpErr  error               // of the fallback's next command, in the place of its answer
}

func newOlder(t *testing.T) *older {
	t.Helper()
	m := &older{Machine: fakeqemu.New(t), drives: map[string]bool{}}
	m.Handle("query-commands", lacks("blockdev-add", "blockdev-del"))
	for _, command := range []string{"blockdev-add", "blockdev-del"} {
		m.Handle(command, qmptest.Refuse(qmp.ErrCommandNotFound, "The command "+command+" has not been found"))
	}
	m.Handle("device_add", func(r *qmptest.Request) (any, error) {
		var args struct{ Driver, ID, Drive string }
		if err := r.Decode(&args); err != nil {
			return nil, err
		}
		m.mu.Lock()
		defer m.mu.Unlock()
		if !m.drives[args.Drive] {
			return nil, &qmp.Error{Class: qmp.ErrGeneric, Desc: "no drive"}
		}
		return nil, nil
	})
	return m
}

func (m *older) fallback() *hotplug.Fallback {
	return &hotplug.Fallback{
		Add: func(_ context.Context, d hotplug.Disk) error {
			m.mu.Lock()
			defer m.mu.Unlock()
			m.backend = d.Backend
			if err := m.next(); err != nil && !errors.Is(err, qmp.ErrOutcomeUnknown) {
				return err
			} else if m.drives[d.ID] = true; err != nil {
				return err
			}
			return nil
		},
		Remove: func(_ context.Context, id string) error {
			m.mu.Lock()
			defer m.mu.Unlock()
			if err := m.next(); err != nil {
				return err
			}
			delete(m.drives, id)
			return nil
		},
	}
}

func (m *older) next() error {
	err := m.hmpErr
	m.hmpErr = nil
	return err
}

func TestFallback(t *testing.T) {
	m := newOlder(t)
	vm := hotplug.New(m.Dial(), &hotplug.Options{Fallback: m.fallback()})
	path := image(t)
	disk := hotplug.Disk{ID: "d", Backend: &hotplug.File{Path: path}}
	require.NoError(t, vm.AddDisk(t.Context(), disk))
	require.Equal(t, map[string]bool{"d": true}, m.drives)
	require.Equal(t, hotplug.File{Path: path}, m.backend, "a value, whatever the caller gave")
	require.JSONEq(t, `{"driver":"virtio-blk-pci","id":"d","drive":"d"}`, argumentsOf(m.Machine, "device_add"))
	require.NotContains(t, fmt.Sprint(m.Requests()), "add-fd")

	require.NoError(t, errorOf(vm.RemoveDisk(t.Context(), "d")))
	require.Empty(t, m.drives)
	require.NoError(t, errorOf(vm.RemoveDisk(t.Context(), "d")))

	broken := errors.New("no such command")
	m.hmpErr = broken
	require.ErrorIs(t, errorOf(vm.RemoveDisk(t.Context(), "d")), broken)
}

// TestFallbackFails at each of its steps.
func TestFallbackFails(t *testing.T) {
	m := newOlder(t)
	vm := hotplug.New(m.Dial(), &hotplug.Options{Fallback: m.fallback()})
	disk := hotplug.Disk{ID: "d", Backend: hotplug.File{Path: image(t)}}
	for _, err := range []error{errors.New("Device 'd' exists already"), fmt.Errorf("%w: the end", qmp.ErrOutcomeUnknown)} {
		m.hmpErr = err
		require.ErrorIs(t, vm.AddDisk(t.Context(), disk), err)
		require.Empty(t, m.drives)
	}

	m.drives["d"] = true // somebody else's
	m.hmpErr = errors.New("Device 'd' exists already")
	require.Error(t, vm.AddDisk(t.Context(), disk))
	require.Equal(t, map[string]bool{"d": true}, m.drives)
	delete(m.drives, "d")

	disk.Props = qmp.Args{"id": "twice"}
	require.ErrorIs(t, vm.AddDisk(t.Context(), disk), qmp.ErrNotSent)
	require.Empty(t, m.drives)

	m.Handle("device_add", func(*qmptest.Request) (any, error) {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.hmpErr = errors.New("busy") // when it is removed again
		return nil, &qmp.Error{Class: qmp.ErrGeneric, Desc: "no slot"}
	})
	disk.Props = nil
	var rollback *hotplug.RollbackError
	require.ErrorAs(t, vm.AddDisk(t.Context(), disk), &rollback)
	require.Equal(t, []string{"drive d"}, rollback.Left)
}

// TestFallbackIsNotNeeded where there is blockdev-add; the ID in use is found with it and without.
func TestFallbackIsNotNeeded(t *testing.T) {
	m := fakeqemu.New(t)
	m.Handle("query-commands", lacks())
	c := m.Dial()
	vm := hotplug.New(c, &hotplug.Options{Fallback: &hotplug.Fallback{}}) // would panic
	require.NoError(t, vm.AddDisk(t.Context(), memory("d")))
	require.NoError(t, errorOf(vm.RemoveDisk(t.Context(), "d")))
	require.Empty(t, m.State())

	old := newOlder(t)
	c = old.Dial()
	old.Handle("qom-get", qmptest.Return("e1000"))
	vm = hotplug.New(c, &hotplug.Options{Fallback: old.fallback()})
	require.ErrorIs(t, vm.AddDisk(t.Context(), hotplug.Disk{ID: "e", Backend: hotplug.File{Path: image(t)}}), hotplug.ErrExists)

	old.Handle("query-commands", qmptest.Refuse(qmp.ErrGeneric, "not now"))
	vm = hotplug.New(c, &hotplug.Options{Fallback: old.fallback()})
	require.ErrorContains(t, vm.AddDisk(t.Context(), hotplug.Disk{ID: "d", Backend: hotplug.File{Path: image(t)}}), "not now")
}

// TestNoFallback has nobody who knows another way.
func TestNoFallback(t *testing.T) {
	m := newOlder(t)
	vm := hotplug.New(m.Dial(), nil)
	err := vm.AddDisk(t.Context(), hotplug.Disk{ID: "d", Backend: hotplug.File{Path: image(t)}})
	require.ErrorIs(t, err, errors.ErrUnsupported)
	require.ErrorContains(t, err, "blockdev-add")
	require.Empty(t, m.State())
	require.ErrorIs(t, errorOf(vm.RemoveDisk(t.Context(), "d")), errors.ErrUnsupported)
}
