package qemutest

import (
	"fmt"
	"strconv"
)

// RootPorts is the number of hot-pluggable root ports of a q35 machine: rp1, rp2, …
const RootPorts = 4

// Config describes the machine of a QEMU.
type Config struct {
	// Machine is "pc", "q35" (with RootPorts) or "none". The default is "none": no CPU and no PCI bus, started in 30 ms.
	Machine string
	// Guest boots Linux, which is up after 3 seconds. Without it, a pc or q35 runs only its firmware.
	Guest bool
	// GuestKeeps makes the guest refuse to release CPUs and memory.
	GuestKeeps bool
	// Monitors is the number of QMP sockets; 0 means 1. A socket serves one client at a time.
	Monitors int
	// Args come last on the command line.
	Args []string
}

func (cfg Config) monitors() int { return max(cfg.Monitors, 1) }

func (cfg Config) machine() string {
	if cfg.Machine == "" {
		return "none"
	}
	return cfg.Machine
}

// command returns the arguments for a QEMU whose files are in dir and that inherits its monitors'
// sockets. guest is the folder of the guest, or "" for none.
func (cfg Config) command(dir, guest string) []string {
	args := []string{
		"-no-user-config", "-nodefaults", "-display", "none",
		"-machine", cfg.machine(), "-accel", "tcg",
		"-serial", "file:" + serialLog(dir),
	}
	for i := range cfg.monitors() {
		id := "monitor" + strconv.Itoa(i)
		args = append(args, "-chardev", inheritedSocket(id, i), "-mon", "mode=control,chardev="+id)
	}
	if cfg.machine() == "q35" {
		for i := range RootPorts {
			args = append(args, "-device", fmt.Sprintf("pcie-root-port,id=rp%d,chassis=%[1]d,slot=%[1]d", i+1))
		}
	}
	if guest != "" {
		args = append(args, guestCommand(guest, cfg.GuestKeeps)...)
	}
	return append(args, cfg.Args...)
}
