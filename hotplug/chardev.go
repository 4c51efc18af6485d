package hotplug

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/qmpkit/qmpkit/internal/wait"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
	"github.com/qmpkit/qmpkit/qmp/qmpschema"
)

// addChardev adds a character device, as a step of an operation. If a character device of this name exists, it
// stays, and the error matches ErrExists.
func (vm *VM) addChardev(ctx context.Context, undo *rollback, add qemu.ChardevAdd) error {
	err := vm.checkNoChardev(ctx, add.ID)
	if err != nil {
		return err
	}
	if add.Backend, err = vm.reconnecting(ctx, add.Backend); err != nil {
		return err
	}
	err = undo.step(ctx, step{
		what: "character device " + add.ID,
		do:   func(ctx context.Context) error { _, err := add.Do(ctx, vm.conn); return err },
		undo: func(ctx context.Context) error { _, err := vm.removeChardev(ctx, add.ID); return err },
		ours: func(ctx context.Context) (bool, error) { // if a device of another manager uses it, QEMU refuses to remove it
			err := qemu.ChardevRemove{ID: add.ID}.Do(ctx, vm.conn)
			if refused(err) {
				err = nil
			}
			return false, err
		},
	})
	return whyRefused(err, func() error { return vm.checkNoChardev(ctx, add.ID) }) // another manager was faster
}

// checkNoChardev returns an error if a character device has this ID.
func (vm *VM) checkNoChardev(ctx context.Context, id string) error {
	there, err := vm.chardevExists(ctx, id)
	if err == nil && there {
		err = exists(aChardev, id, "")
	}
	return err
}

const reconnectMs = "chardev-add/arg-type/backend/+socket/data/reconnect-ms"

// reconnecting returns a backend as the running QEMU takes it. Before QEMU 9.2, a socket has "reconnect", a number of
// seconds, instead of "reconnect-ms".
func (vm *VM) reconnecting(ctx context.Context, backend qemu.ChardevBackend) (qemu.ChardevBackend, error) {
	socket, ok := backend.Branch.(*qemu.ChardevSocket)
	if !ok || qmp.Value(socket.ReconnectMs) == 0 {
		return backend, nil
	}
	has := false
	schema, err := qmpschema.Query(ctx, vm.conn)
	if err == nil {
		has, err = schema.Has(reconnectMs)
	}
	if has || err != nil && !errors.Is(err, errors.ErrUnsupported) { // before QEMU 2.5
		return backend, err
	}
	return inSeconds(socket)
}

// inSeconds returns a socket with the member of older QEMUs.
func inSeconds(socket *qemu.ChardevSocket) (backend qemu.ChardevBackend, err error) {
	old := *socket
	old.ReconnectMs = nil
	text, err := qemu.ChardevBackend{Branch: &old}.MarshalJSON()
	if err != nil {
		return backend, err
	}
	var members struct{ Data qmp.Args }
	if err := json.Unmarshal(text, &members); err != nil {
		return backend, err
	}
	members.Data["reconnect"] = (*socket.ReconnectMs + 999) / 1000
	return qemu.ChardevBackend{Type: qemu.ChardevBackendKindSocket, Branch: &qemu.RawBranch{Members: qmp.Args{"data": members.Data}}}, nil
}

// awaitServer waits until a character device is connected. QEMU connects in the background. If a vhost-user device is
// added before that, QEMU waits for the server and executes no command.
func (vm *VM) awaitServer(ctx context.Context, id string) error {
	for pause := busyRetry; ; pause = min(2*pause, maxBusyRetry) {
		all, err := qemu.QueryChardev{}.Do(ctx, vm.conn)
		if err != nil {
			return err
		}
		i := slices.IndexFunc(all, func(c qemu.ChardevInfo) bool { return c.Label == id })
		if i < 0 {
			return fmt.Errorf("character device %q is gone", id)
		}
		if !strings.HasPrefix(all[i].Filename, "disconnected:") {
			return nil
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return fmt.Errorf("vhost-user server does not listen: %w", wait.Err(ctx))
		}
	}
}

// checkShared makes sure that a vhost-user server can map the machine's memory. QEMU adds the device all the same, and
// the guest's driver then fails.
func (vm *VM) checkShared(ctx context.Context) error {
	_, err := vm.sharedMemory.Get(ctx, func() (bool, error) {
		all, err := qemu.QueryMemdev{}.Do(ctx, vm.conn)
		if err != nil || len(all) == 0 { // a machine whose memory is no object
			return false, err
		}
		for _, m := range all {
			shared := qmp.Value(m.Share)
			if m.Share == nil && m.ID != nil { // before QEMU 6.1
				if _, err := vm.objectProperty(ctx, objectPath(*m.ID), "share", &shared); err != nil {
					return false, err
				}
			}
			if shared {
				return true, nil
			}
		}
		return false, ErrNotShared
	})
	return err
}
