package qemutest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/qmpkit/qmpkit/qmp"
)

// A VM is a running QEMU. Several goroutines can call its methods.
type VM struct {
	*Server
	QEMU   *QEMU
	booted func() // tells Start that the guest is up; nil without Start
}

// Launch starts q. Tests use [QEMU.Start].
func (q *QEMU) Launch(cfg Config) (*VM, error) {
	path, err := q.emulator(cfg.target())
	if err != nil {
		return nil, err
	}
	var firmware, guest string
	if cfg.Firmware {
		firmware = filepath.Join(filepath.Dir(path), "QEMU_EFI.fd")
	}
	if cfg.Guest {
		if guest, err = findGuest(cfg.target()); err != nil {
			return nil, err
		}
	}
	var initrd []byte
	if cfg.Agent {
		if initrd, err = q.agentInitrd(guest); err != nil {
			return nil, err
		}
	}
	for attempt := 1; ; attempt++ {
		var writeErr error
		s, err := launch(path, cfg.monitors(), func(dir string) []string {
			args := cfg.command(dir, firmware, guest)
			if cfg.Agent { // the last option counts
				file := filepath.Join(dir, "initrd")
				writeErr = os.WriteFile(file, initrd, 0o600)
				args = append(args, "-initrd", file)
			}
			return args
		})
		if err == nil && writeErr != nil {
			err = errors.Join(writeErr, s.Close())
		}
		if err != nil {
			return nil, fmt.Errorf("QEMU %s: %w", q.Release(), err)
		}
		if attempt == maxAttempts || !s.deaf() {
			return &VM{Server: s, QEMU: q}, nil
		}
		if err := s.Close(); err != nil {
			return nil, err
		}
	}
}

// Of some 900 starts of a QEMU 7.2 with a client that is there at once, one greets and then
// answers nothing, whatever client it is: its dispatcher is not woken. Such a QEMU is started
// again.
const (
	listenLimit = 10 * time.Second
	maxAttempts = 3
)

// deaf reports whether the server answers no commands on its first monitor. A server that has ended is not
// deaf: dialling it returns the reason.
func (s *Server) deaf() bool {
	ctx, cancel := context.WithTimeout(context.Background(), listenLimit)
	defer cancel()
	c, err := qmp.Dial(ctx, s.Socket(), nil)
	if err == nil {
		_ = c.Close() // returns nil
	}
	return errors.Is(err, context.DeadlineExceeded)
}
