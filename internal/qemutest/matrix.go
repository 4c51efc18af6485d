package qemutest

import (
	"os"
	"testing"
)

// The matrix is every version on every machine. Running all of it takes minutes, so it is asked
// for: with QMPKIT_MATRIX=all, as make test-qemu does. Otherwise it is a part of it.

func wholeMatrix() bool { return os.Getenv("QMPKIT_MATRIX") == "all" }

// MatrixVersions are the versions of the matrix: 5.2, 7.2, 10.0 and 11.1, or 7.2 and 10.0.
func MatrixVersions() []string {
	if wholeMatrix() {
		return []string{"5.2", "7.2", "10.0", "11.1"}
	}
	return []string{"7.2", "10.0"}
}

// MatrixMachines are the machines of the matrix: pc and q35, or pc.
func MatrixMachines() []string {
	if wholeMatrix() {
		return []string{"pc", "q35"}
	}
	return []string{"pc"}
}

// Matrix runs f as a subtest, "qemu-7.2/pc", for each version and machine of the matrix.
func Matrix(t *testing.T, f func(t *testing.T, q *QEMU, machine string)) {
	t.Helper()
	Run(t, MatrixVersions(), func(t *testing.T, q *QEMU) {
		for _, machine := range MatrixMachines() {
			t.Run(machine, func(t *testing.T) { f(t, q, machine) })
		}
	})
}

// HotplugBus is a bus of a machine of the matrix that devices can be plugged into: the bus of a
// pc, which ACPI's hotplug serves, or a root port of a q35, which has PCI Express's own.
func HotplugBus(machine string) string {
	if machine == "q35" {
		return "rp1"
	}
	return "pci.0"
}
