package qemutest

import "path/filepath"

// LaunchStorage starts q's qemu-storage-daemon with one QMP socket.
func (q *QEMU) LaunchStorage(args ...string) (*Server, error) {
	path, err := q.Program("qemu-storage-daemon")
	if err != nil {
		return nil, err
	}
	return launchServer(path, 1, func(string) []string {
		return append([]string{"--chardev", inheritedSocket("monitor", 0), "--monitor", "chardev=monitor"}, args...)
	})
}

// LaunchAgent starts q's qemu-ga on this machine instead of in a guest: its commands act on this machine.
func (q *QEMU) LaunchAgent(args ...string) (*Server, error) {
	path, err := q.Program("qemu-ga")
	if err != nil {
		return nil, err
	}
	return launchServer("/bin/sh", 1, func(dir string) []string {
		// As systemd hands over a socket: to the process of this number, which exec keeps.
		activate := `LISTEN_FDS=1 LISTEN_PID=$$ exec "$0" "$@"`
		return append([]string{"-c", activate, path, "--statedir", dir, "--pidfile", filepath.Join(dir, "pid")}, args...)
	})
}
