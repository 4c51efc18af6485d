package qemutest

import (
	"cmp"
	"fmt"
)

// RootPorts is the number of hot-pluggable root ports of a q35 or virt machine: rp1, rp2, …
const RootPorts = 4

// Config describes the machine of a QEMU.
type Config struct {
	// Target is the architecture, as in the name of the emulator: "aarch64". The default is "x86_64".
	Target string
	// Machine is "pc", "q35" (with RootPorts), "microvm" or "none". The default is "none": no CPU and no PCI bus, started in
	// 30 ms. Other targets have "none" and one machine more: "virt" (aarch64 and riscv64, with RootPorts), "pseries"
	// (ppc64) or "s390-ccw-virtio" (s390x).
	Machine string
	// Firmware boots the guest of an aarch64 by UEFI instead of a device tree.
	Firmware bool
	// Guest boots Linux, which is up after 3 seconds, and after up to 30 on other targets. Without it, a machine runs only
	// its firmware.
	Guest bool
	// GuestKeeps makes the guest refuse to release CPUs and memory.
	GuestKeeps bool
	// Agent puts q's qemu-ga into the guest of an x86-64 machine. It runs when the guest has a virtio-serial port with the
	// name AgentPort, and again when it has ended.
	Agent bool
	// Monitors is the number of QMP sockets; 0 means 1. A socket serves one client at a time.
	Monitors int
	// Args come last on the command line.
	Args []string
}

// Name returns the target and the machine, for the names of tests: "aarch64/virt".
func (cfg Config) Name() string { return cfg.target() + "/" + cfg.machine() }

func (cfg Config) monitors() int { return max(cfg.Monitors, 1) }

func (cfg Config) target() string  { return cmp.Or(cfg.Target, "x86_64") }
func (cfg Config) machine() string { return cmp.Or(cfg.Machine, "none") }

// A board is what a machine needs on the command line, and what its guest needs.
type board struct {
	options string // behind the name of the machine
	args    []string
	ports   bool   // it has RootPorts
	console string // of its guest
	kernel  string // further parameters of its guest
}

// boards has the machines that are not plain, by target and machine.
//
//   - The default CPU of an aarch64 virt has 32 bits.
//   - A pseries warns about what TCG does not have.
//   - The kernel of a microvm would wait for ever for a timer that it can measure its clock with, and finds its devices by
//     ACPI only.
var boards = map[string]board{
	"x86_64/q35": {ports: true},
	"x86_64/microvm": {
		options: ",acpi=on,pit=off,pic=off", args: []string{"-cpu", "max"},
		kernel: "lpj=1000000 tsc=reliable tsc_early_khz=2000000",
	},
	"aarch64/virt":          {args: []string{"-cpu", "cortex-a57"}, ports: true, console: "ttyAMA0"},
	"riscv64/virt":          {ports: true},
	"s390x/s390-ccw-virtio": {console: "ttysclp0"},
	"ppc64/pseries":         {options: ",cap-cfpc=broken,cap-sbbc=broken,cap-ibs=broken,cap-ccf-assist=off", console: "hvc0"},
}

func (cfg Config) board() board { return boards[cfg.Name()] }

// command returns the arguments for a QEMU whose files are in dir, without the monitors. firmware is the file of the
// firmware and guest the folder of the guest, if there are to be any.
func (cfg Config) command(dir, firmware, guest string) []string {
	board := cfg.board()
	args := append([]string{
		"-no-user-config", "-nodefaults", "-display", "none",
		"-machine", cfg.machine() + board.options, "-accel", "tcg",
		"-serial", "file:" + serialLog(dir),
	}, board.args...)
	if board.ports {
		for i := range RootPorts {
			args = append(args, "-device", fmt.Sprintf("pcie-root-port,id=rp%d,chassis=%[1]d,slot=%[1]d", i+1))
		}
	}
	if firmware != "" {
		args = append(args, "-bios", firmware)
	}
	if guest != "" {
		args = append(args, cfg.guestCommand(guest)...)
	}
	return append(args, cfg.Args...)
}
