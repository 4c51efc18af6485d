package qom

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

// ErrNoObject means that QEMU has no object with this path, or that several objects match the end of a path.
var ErrNoObject = errors.New("no such object")

// ErrNoProperty means that the object does not have the property.
var ErrNoProperty = errors.New("no such property")

// ErrRefused means that the object has the property, and that QEMU refused to read or to set it. For example, the property
// cannot be set while the device exists, the value is of the wrong kind or out of range, or a link names an object that
// does not exist. Nothing has changed.
var ErrRefused = errors.New("refused")

// ErrNotPCI means that a device is not on a PCI bus, and that its controller is not either.
var ErrNotPCI = errors.New("device is not on a PCI bus")

// ErrNoStats means that the guest has not reported statistics of its memory before the context ended. The error also matches
// the context's error. The guest has no driver for the balloon yet, or one without statistics.
var ErrNoStats = errors.New("guest has not reported its memory")

// A refusal is an answer of QEMU, and what it means.
type refusal struct {
	means  error
	answer error
}

func (e *refusal) Error() string {
	if e.means == ErrRefused {
		return e.means.Error() + ": " + e.answer.Error()
	}
	return e.means.Error()
}

func (e *refusal) Unwrap() []error { return []error{e.means, e.answer} }

// refused reports whether a server that has the command answered that it failed.
func refused(err error) bool {
	_, ok := errors.AsType[*qmp.Error](err)
	return ok && !errors.Is(err, qmp.ErrCommandNotFound)
}

// why finds out what a refusal means. It returns any other error as it is.
func why(ctx context.Context, x qmp.Executor, path, property string, err error) error {
	if !refused(err) {
		return err
	}
	all, lookErr := qemu.QOMList{Path: path}.Do(ctx, x)
	switch {
	case isNoObject(path, lookErr):
		return &refusal{ErrNoObject, err}
	case lookErr != nil:
		return fmt.Errorf("%w; the reason is unknown: %v", err, lookErr) // the command was refused all the same
	}
	for _, p := range all {
		if p.Name == property {
			return &refusal{ErrRefused, err}
		}
	}
	return &refusal{ErrNoProperty, err}
}

// isNoObject reports whether the answer to a command with only a path means that there is no such object. If several objects
// match the end of a path, the class is GenericError.
func isNoObject(path string, err error) bool {
	return errors.Is(err, qmp.ErrDeviceNotFound) || refused(err) && !strings.HasPrefix(path, "/")
}

// noObject returns the error for the answer to a command with only a path.
func noObject(path string, err error) error {
	if isNoObject(path, err) {
		return &refusal{ErrNoObject, err}
	}
	return err
}

// failed adds what failed to an error.
func failed(err error, operation string, args ...any) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("qom: %s: %w", fmt.Sprintf(operation, args...), err)
}
