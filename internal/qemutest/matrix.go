package qemutest

import (
	"os"
	"slices"
	"testing"
)

// The matrix is every version on every machine. QMPKIT_MATRIX chooses how much of it tests run on:
//
//   - all: the whole matrix, which takes a quarter of an hour (make test-qemu);
//   - machines: the tests on machines of other targets too (make test-machines);
//   - one: one version and machine for each test, since the race detector sees the same Go code with
//     each QEMU (make race);
//   - otherwise two versions on one machine.
func matrix() string { return os.Getenv("QMPKIT_MATRIX") }

// MatrixVersions returns the versions of the matrix: 7.2 and 10.0. If QMPKIT_MATRIX is "all", they are 5.2,
// 7.2, 10.0 and 11.1.
func MatrixVersions() []string {
	if matrix() == "all" {
		return []string{"5.2", "7.2", "10.0", "11.1"}
	}
	return []string{"7.2", "10.0"}
}

// one returns the version for a test that runs on one version only: the version that most tests have.
func one(versions []string) []string {
	if slices.Contains(versions, "10.0") {
		return []string{"10.0"}
	}
	return versions[:1]
}

// MatrixMachines returns the machines of the matrix: pc. If QMPKIT_MATRIX is "all", they are pc and q35.
func MatrixMachines() []string {
	if matrix() == "all" {
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

// Machines runs f as a subtest, "qemu-11.1", if QMPKIT_MATRIX is "machines". f starts machines of other targets and
// microvms, which boot slowly. Their emulators and guests are downloads of 300 MB.
func Machines(t *testing.T, f func(t *testing.T, q *QEMU)) {
	t.Helper()
	if matrix() != "machines" {
		t.Skip("QMPKIT_MATRIX is not \"machines\"")
	}
	Run(t, []string{"11.1", "10.0"}, f)
}

// OtherMachines are the machines of Machines, without a guest.
var OtherMachines = []Config{
	{Target: "aarch64", Machine: "virt"},
	{Target: "ppc64", Machine: "pseries"},
	{Target: "riscv64", Machine: "virt"},
	{Target: "s390x", Machine: "s390-ccw-virtio"},
	{Machine: "microvm"},
}

// HotplugBus returns a bus that takes devices while the machine runs: the bus of a pc (ACPI hotplug), or a
// root port of a q35 (PCI Express hotplug).
func HotplugBus(machine string) string {
	if machine == "q35" || machine == "virt" {
		return "rp1"
	}
	return "pci.0"
}
