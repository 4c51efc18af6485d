package launch

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// An ownedPath is a socket that this process has made.
type ownedPath struct {
	path string
	info fs.FileInfo
}

// Limits for the lock of a folder.
const (
	lockLimit   = 10 * time.Second
	removeLimit = time.Second
)

// listen makes a socket that listens at a path, and gives it to QEMU. It returns the number of the descriptor.
//
// If nobody listens on a socket at the path, listen replaces it. The lock of the folder makes sure that of several programs
// with this package only one does. QEMU itself would take the path from another QEMU.
func (l *Line) listen(path string) (fd string, err error) {
	if path, err = filepath.Abs(path); err != nil {
		return "", err
	}
	folder, err := lockFolder(l.ctx, filepath.Dir(path), lockLimit)
	if err != nil {
		return "", err
	}
	defer folder.Close()
	if err := removeStale(l.ctx, path); err != nil {
		return "", err
	}
	listener, err := net.ListenUnix("unix", &net.UnixAddr{Name: path})
	if errors.Is(err, syscall.EINVAL) {
		err = fmt.Errorf("%w (is the path too long for a socket?)", err)
	}
	if err != nil {
		return "", err
	}
	listener.SetUnlinkOnClose(false)
	defer listener.Close()
	info, err := os.Lstat(path)
	if err != nil {
		return "", err
	}
	l.paths = append(l.paths, ownedPath{path, info})
	f, err := listener.File()
	if err != nil {
		return "", err
	}
	defer f.Close()
	// The copy does not block, like the listener. If it did, QEMU 7.2 would sometimes wait in accept for ever, with its main
	// loop: it accepts twice if a connection comes while another thread takes over the monitor.
	return l.FD(f)
}

// removeStale removes a socket that nobody listens on.
func removeStale(ctx context.Context, path string) error {
	if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	// A connection can terminate a QEMU 7.2 that is starting. So ask the kernel first.
	if listensAt(path) {
		return because(ErrPathInUse, path+": "+ErrPathInUse.Error())
	}
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	conn, err := new(net.Dialer).DialContext(ctx, "unix", path)
	switch {
	case err == nil:
		conn.Close()
		return because(ErrPathInUse, path+": "+ErrPathInUse.Error())
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case errors.Is(err, syscall.ECONNREFUSED):
		info, statErr := os.Lstat(path)
		if statErr == nil && info.Mode().Type() == fs.ModeSocket {
			return os.Remove(path)
		}
		return errors.Join(err, statErr)
	case errors.Is(err, syscall.EAGAIN): // the queue of the listener is full
		return because(ErrPathInUse, path+": "+ErrPathInUse.Error())
	}
	return err
}

// removeAll removes the paths, unless others have replaced them. QEMU has removed them if it ended by itself.
func removeAll(paths []ownedPath) {
	for _, owned := range paths {
		info, err := os.Lstat(owned.path)
		if err != nil || !os.SameFile(info, owned.info) {
			continue
		}
		folder, err := lockFolder(context.Background(), filepath.Dir(owned.path), removeLimit)
		if err != nil {
			continue // the next Start replaces the socket
		}
		if info, err := os.Lstat(owned.path); err == nil && os.SameFile(info, owned.info) {
			_ = os.Remove(owned.path) // the next Start tries again
		}
		folder.Close()
	}
}
