//go:build !linux

package hotplug

// directFlag is 0: there is no such flag, or none that QEMU uses.
const directFlag = 0
