package hotplug

import (
	"context"
	"fmt"
	"strings"

	"github.com/qmpkit/qmpkit/internal/wait"
)

// A TargetError says that the machine cannot have the number of CPUs or the amount of memory that the caller
// asked for. The operation has changed nothing.
type TargetError struct {
	Want    uint64   // what the caller asked for: CPUs, or bytes
	Nearest []uint64 // the next possible value below Want and the next one above it, if they exist
	Reason  string

	text func(value uint64) string // for people
	is   error                     // may be nil
}

// Error names the next possible values.
func (e *TargetError) Error() string {
	var near []string
	for _, value := range e.Nearest {
		near = append(near, e.text(value))
	}
	text := "not possible: " + e.Reason
	if len(near) > 0 {
		text += "; next possible: " + strings.Join(near, ", ")
	}
	return text
}

// Unwrap returns [ErrNoFreePlace] if the machine has too few places for CPUs.
func (e *TargetError) Unwrap() error { return e.is }

// bytesText is a size for people: "4 GiB".
func bytesText(size uint64) string {
	for _, unit := range []struct {
		shift int
		name  string
	}{{30, "GiB"}, {20, "MiB"}, {10, "KiB"}} {
		if size > 0 && size%(1<<unit.shift) == 0 {
			return fmt.Sprint(size>>unit.shift, " ", unit.name)
		}
	}
	return fmt.Sprint(size, " bytes")
}

// The names of locks that are no IDs: of operations that set the number of CPUs, or the amount of memory.
const (
	allCPUs   = "(CPUs)"
	allMemory = "(memory)"
)

// changing does an operation that concerns no single device. It waits until no other operation has the lock.
func (vm *VM) changing(ctx context.Context, lock, operation string, run func() error) error {
	end, err := vm.begin(ctx, wait.Key{Name: lock})
	if err == nil {
		defer end()
		err = run()
	}
	return failed(operation, err)
}

// withID does a part of such an operation that concerns one device. It waits until no other operation has the ID. The
// caller must not hold another ID: an operation that waits for both IDs would wait for the caller, and the caller for
// it.
func (vm *VM) withID(ctx context.Context, id string, run func() error) error {
	end, err := vm.operations.Lock(ctx, wait.Key{Name: id})
	if err == nil {
		defer end()
		err = run()
	}
	return err
}
