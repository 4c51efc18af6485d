package qemutest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

// serialPoll is how often a waiting test reads the log.
const serialPoll = 20 * time.Millisecond

var (
	ready     = regexp.MustCompile(`(?m)^READY\s*$`)
	guestLine = regexp.MustCompile(`(?m)^(GUEST|BOARD) (.*?)\s*\n`)
)

func serialLog(dir string) string { return filepath.Join(dir, "serial.log") }

// Serial returns the output of the guest so far.
func (vm *VM) Serial() (string, error) {
	b, err := os.ReadFile(serialLog(vm.Dir))
	if errors.Is(err, os.ErrNotExist) { // before QEMU has come to opening it
		return "", nil
	}
	return string(b), err
}

// WaitGuest waits until the guest is up.
func (vm *VM) WaitGuest(ctx context.Context) error {
	err := vm.WaitSerial(ctx, ready)
	if err == nil && vm.booted != nil {
		vm.booted()
	}
	return err
}

// WaitSerial waits until re matches the output of the guest.
func (vm *VM) WaitSerial(ctx context.Context, re *regexp.Regexp) error {
	return vm.waitSerial(ctx, re.String(), re.MatchString)
}

// WaitGuestSees waits until re matches a line in which the guest reports its devices. The guest prints two
// kinds of lines: "blk=vda net=eth0 lo" has its disks and network interfaces, and "cpus=1 mem=215" its CPUs
// and its memory in MiB. Only the last line of each kind counts.
func (vm *VM) WaitGuestSees(ctx context.Context, re *regexp.Regexp) error {
	return vm.waitSerial(ctx, re.String(), func(log string) bool {
		last := map[string]string{} // by kind of line
		for _, line := range guestLine.FindAllStringSubmatch(log, -1) {
			last[line[1]] = line[2]
		}
		for _, sees := range last {
			if re.MatchString(sees) {
				return true
			}
		}
		return false
	})
}

// waitSerial waits until done returns true for the log. The error has the last lines of the log.
func (vm *VM) waitSerial(ctx context.Context, what string, done func(log string) bool) error {
	tick := time.NewTicker(serialPoll)
	defer tick.Stop()
	for {
		log, err := vm.Serial()
		if err != nil {
			return err
		}
		if done(log) {
			return nil
		}
		select {
		case <-tick.C:
		case <-vm.Ended():
			return fmt.Errorf("waiting for the guest to print %s: QEMU has ended: %s", what, vm.Output())
		case <-ctx.Done():
			return fmt.Errorf("waiting for the guest to print %s: %w; its last lines:\n%s", what, ctx.Err(), lastLines(log))
		}
	}
}

// lastLines returns the end of a log.
func lastLines(log string) string {
	lines := strings.Split(strings.TrimSpace(log), "\n")
	return strings.Join(lines[max(0, len(lines)-10):], "\n")
}
