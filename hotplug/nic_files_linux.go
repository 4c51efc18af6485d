package hotplug

import (
	"bytes"
	"os"
	"runtime"
	"strings"
	"syscall"
	"unsafe"
)

// An ifreq is the argument of a request about a network interface.
type ifreq struct {
	name  [syscall.IFNAMSIZ]byte
	flags uint16
	_     [22]byte
}

// tapOf asks the kernel for the name and flags of a tap (TUNGETIFF). The request fails for other files.
func tapOf(f *os.File) (tap, error) {
	var request ifreq
	err := control(f, func(fd uintptr) error {
		return ioctl(fd, ioctlNumber(reads, 'T', 210, 4), unsafe.Pointer(&request))
	})
	name, _, _ := bytes.Cut(request.name[:], []byte{0})
	return tap{string(name), request.flags}, err
}

// setQueue attaches or detaches a queue of a tap (TUNSETQUEUE). The request fails if the queue is in that
// state already.
func setQueue(f *os.File, flags uint16) error {
	request := ifreq{flags: flags}
	return control(f, func(fd uintptr) error {
		return ioctl(fd, ioctlNumber(writes, 'T', 217, 4), unsafe.Pointer(&request))
	})
}

// vhostFeatures asks a vhost descriptor for its features (VHOST_GET_FEATURES), which changes nothing. The
// request fails for other files.
func vhostFeatures(f *os.File) (features uint64, err error) {
	err = control(f, func(fd uintptr) error {
		return ioctl(fd, ioctlNumber(reads, 0xaf, 0, 8), unsafe.Pointer(&features))
	})
	return features, err
}

// usbDevice asks the descriptor of a USB device what it can do (USBDEVFS_GET_CAPABILITIES), which changes nothing. The
// request fails for other files.
func usbDevice(f *os.File) error {
	var capabilities uint32
	return control(f, func(fd uintptr) error {
		return ioctl(fd, ioctlNumber(reads, 'U', 26, 4), unsafe.Pointer(&capabilities))
	})
}

// Directions of a request, as the caller sees them.
const (
	writes = 1
	reads  = 2
)

// ioctlNumber returns the number of a request with size bytes, as linux/ioctl.h computes it.
func ioctlNumber(direction, kind, number, size uintptr) uintptr {
	shift := 30
	if strings.HasPrefix(runtime.GOARCH, "mips") || strings.HasPrefix(runtime.GOARCH, "ppc64") {
		shift = 29 // three bits: none is 1, reads is 2 and writes is 4
		if direction == writes {
			direction = 4
		}
	}
	return direction<<shift | size<<16 | kind<<8 | number
}

func ioctl(fd, request uintptr, arg unsafe.Pointer) error {
	if _, _, errno := syscall.Syscall(syscall.SYS_IOCTL, fd, request, uintptr(arg)); errno != 0 {
		return os.NewSyscallError("ioctl", errno)
	}
	return nil
}
