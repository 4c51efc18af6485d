package qemutest

import (
	"os"
	"slices"
	"testing"
)

// The matrix is every version on every machine. QMPKIT_MATRIX chooses how much of it tests run on:
//
//   - all: the whole matrix, which takes more than a quarter of an hour (make test-qemu);
//   - machines: the tests on machines of other targets too (make test-machines);
//   - one: version 10.0 on one machine for each test, since the race detector sees the same Go code with
//     each QEMU (make race);
//   - rest: like the default, without version 10.0, for those who run "one" too (.ci/run);
//   - otherwise every version on one machine, but slow tests, such as those with a guest, only version 11.1.
func matrix() string { return os.Getenv("QMPKIT_MATRIX") }

// Versions are the versions of the matrix: all that scripts/get-qemu.sh knows.
var Versions = []string{"5.2", "7.2", "10.0", "11.1"}

// SlowVersions returns the versions for a slow test: 11.1. If QMPKIT_MATRIX is "all", they are all Versions; if it is
// "one", Run chooses 10.0 of them.
func SlowVersions() []string {
	switch matrix() {
	case "all", "one":
		return Versions
	}
	return []string{"11.1"}
}

// mostTested is the version that "one" chooses if a test has it, since most tests have it.
const mostTested = "10.0"

// chosen returns the versions that the matrix chooses of those that a test has.
func chosen(versions []string) []string {
	has := slices.Contains(versions, mostTested)
	switch matrix() {
	case "one":
		if has {
			return []string{mostTested}
		}
		return versions[:1]
	case "rest":
		return slices.DeleteFunc(slices.Clone(versions), func(version string) bool { return version == mostTested })
	}
	return versions
}

// MatrixMachines returns the machines of the matrix: pc. If QMPKIT_MATRIX is "all", they are pc and q35.
func MatrixMachines() []string {
	if matrix() == "all" {
		return []string{"pc", "q35"}
	}
	return []string{"pc"}
}

// Matrix runs f as a subtest, "qemu-11.1/pc", for each of SlowVersions and each machine of the matrix.
func Matrix(t *testing.T, f func(t *testing.T, q *QEMU, machine string)) {
	t.Helper()
	Run(t, SlowVersions(), func(t *testing.T, q *QEMU) {
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
