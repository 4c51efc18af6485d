package qemutest

import "fmt"

// VM is a running QEMU. Its methods may be called by several goroutines.
type VM struct {
	*Server
	QEMU *QEMU
}

// Launch starts q. Tests use [QEMU.Start].
func (q *QEMU) Launch(cfg Config) (*VM, error) {
	var guest string
	if cfg.Guest {
		var err error
		if guest, err = findGuest(); err != nil {
			return nil, err
		}
	}
	s, err := launch(q.Path, cfg.monitors(), func(dir string) []string { return cfg.command(dir, guest) })
	if err != nil {
		return nil, fmt.Errorf("QEMU %s: %w", q.Release(), err)
	}
	return &VM{Server: s, QEMU: q}, nil
}
