package hotplug

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

// secretMark is between the disk and the name in the ID of a secret. A name has no '.', so an ID has one reading.
const secretMark = ".secret."

// SecretID returns the ID of the object that AddDisk creates for the secret with this name, see
// [Blockdev.Secrets].
func SecretID(disk, name string) string { return disk + secretMark + name }

// secretOf reports whether an object is one of a disk's secrets.
func secretOf(disk string, o object) bool {
	name, ok := strings.CutPrefix(o.name, disk+secretMark)
	return ok && o.kind == "secret" && validSecretName(name)
}

func validSecretName(name string) bool {
	for _, c := range []byte(name) {
		if !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9') {
			return false
		}
	}
	return name != ""
}

// addSecrets adds the objects, as steps of an operation.
func (vm *VM) addSecrets(ctx context.Context, undo *rollback, d *Disk, secrets map[string][]byte) error {
	if len(secrets) > 0 {
		if err := checkReading(d.ID); err != nil {
			return err
		}
	}
	waited := false // for another manager
	for _, name := range slices.Sorted(maps.Keys(secrets)) {
		id := SecretID(d.ID, name)
		add := qemu.ObjectAdd{ID: id, QOMType: qemu.ObjectTypeSecret, Branch: &qemu.SecretProperties{
			Format: new(qemu.QCryptoSecretFormatBase64),
			Data:   new(base64.StdEncoding.EncodeToString(secrets[name])),
		}}
		s := step{
			what: "secret " + id,
			do:   func(ctx context.Context) error { return add.Do(ctx, vm.conn) },
			undo: func(ctx context.Context) error { _, err := vm.removeObject(ctx, id); return err },
			ours: func(ctx context.Context) (bool, error) {
				err := vm.checkUnused(ctx, d)
				if errors.Is(err, ErrExists) {
					return false, nil
				}
				return err == nil, err
			},
		}
		err := whyRefused(undo.step(ctx, s), func() error { return vm.checkUnused(ctx, d) })
		if refused(err) && !errors.Is(err, ErrExists) {
			err = vm.replaceSecret(ctx, undo, d, s, id, err, &waited)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// replaceSecret repeats a step that QEMU refused, if an interrupted operation left a secret with this ID: it first
// removes that secret, unless a node of the disk may use it. Otherwise it returns the refusal or ErrExists. Another manager may be adding a disk with the same ID
// and need the secret, so replaceSecret first waits for a node of that disk.
func (vm *VM) replaceSecret(ctx context.Context, undo *rollback, d *Disk, s step, id string, refusal error, waited *bool) error {
	kind, err := vm.objectType(ctx, id)
	switch {
	case err != nil:
		return errors.Join(refusal, err)
	case kind == "":
		return refusal
	case kind != "secret":
		return exists(anObject, id, kind)
	case d.nodeOnly:
		return because(ErrExists, "disk has a secret %q already", id)
	}
	if !*waited {
		if err := waitForOthers(ctx); err != nil {
			return err
		}
		*waited = true
		if err := vm.checkUnused(ctx, d); err != nil {
			return err
		}
	}
	if _, err := vm.removeObject(ctx, id); err != nil {
		return err
	}
	return undo.step(ctx, s)
}

// removeSecrets removes those of the objects that are secrets of a disk.
func (vm *VM) removeSecrets(ctx context.Context, disk string, objects []object) error {
	for _, o := range objects {
		if !secretOf(disk, o) {
			continue
		}
		if _, err := vm.removeObject(ctx, o.name); err != nil {
			return err
		}
	}
	return nil
}

// checkSecrets returns an error if a secret of a disk has an invalid name.
func checkSecrets(secrets map[string][]byte) error {
	for name := range secrets {
		if !validSecretName(name) {
			return fmt.Errorf("Secrets has the name %q: it must have letters and digits only, and at least one", name)
		}
	}
	return nil
}
