package main

import (
	"os"

	"golang.org/x/sys/unix"
)

// openTap opens the queues of a tap, which is made if it is not there. One that was made goes with
// its last descriptor.
func openTap(name string, queues int) (taps []*os.File, err error) {
	flags := uint16(unix.IFF_TAP | unix.IFF_NO_PI | unix.IFF_VNET_HDR)
	if queues > 1 {
		flags |= unix.IFF_MULTI_QUEUE
	}
	for range queues {
		f, err := os.OpenFile("/dev/net/tun", os.O_RDWR, 0)
		if err != nil {
			closeAll(taps)
			return nil, err
		}
		taps = append(taps, f)
		request, err := unix.NewIfreq(name)
		if err == nil {
			request.SetUint16(flags)
			err = unix.IoctlIfreq(int(f.Fd()), unix.TUNSETIFF, request)
		}
		if err != nil {
			closeAll(taps)
			return nil, os.NewSyscallError("TUNSETIFF "+name, err)
		}
	}
	return taps, nil
}
