package qemutest

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
)

// endWithParent makes the kernel kill a child when the thread that started it ends.
func endWithParent() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}

// leaveNonBlocking returns a file for a child to inherit that does not block, and closes f. os/exec makes a file
// block that Go's net package has made. QEMU 7.2 would then sometimes wait in accept for ever, with its main loop: it
// accepts twice if a connection comes while another thread takes over the monitor.
func leaveNonBlocking(f *os.File) (*os.File, error) {
	defer f.Close()
	syscall.ForkLock.RLock()
	fd, err := syscall.Dup(int(f.Fd()))
	if err == nil {
		syscall.CloseOnExec(fd)
	}
	syscall.ForkLock.RUnlock()
	if err != nil {
		return nil, os.NewSyscallError("dup", err)
	}
	if err := syscall.SetNonblock(fd, false); err != nil {
		syscall.Close(fd)
		return nil, os.NewSyscallError("fcntl", err)
	}
	inherited := os.NewFile(uintptr(fd), f.Name()) // it blocks, so os/exec leaves its mode as it is
	return inherited, os.NewSyscallError("fcntl", syscall.SetNonblock(fd, true))
}

// tryLock takes the file's lock unless another open file holds it. Closing f releases it.
func tryLock(f *os.File) (bool, error) {
	err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return false, nil
	}
	return err == nil, err
}

// descriptors returns the target of each open descriptor of a process, sorted.
func descriptors(pid int) ([]string, error) {
	dir := filepath.Join("/proc", strconv.Itoa(pid), "fd")
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var open []string
	for _, entry := range entries {
		// Closed since it was listed, such as the one that ReadDir itself had open.
		if target, err := os.Readlink(filepath.Join(dir, entry.Name())); err == nil {
			open = append(open, target)
		}
	}
	slices.Sort(open)
	return open, nil
}
