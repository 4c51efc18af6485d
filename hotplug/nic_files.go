package hotplug

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

// QEMU does not check descriptors, so this file does. If one of several is not a tap, QEMU keeps a netdev that no
// command can remove. QEMU 7.2 and later terminate if one of several queues does not have IFF_MULTI_QUEUE.

// Tests replace kernelTap on machines without taps.
var kernelTap = tapOf

// A tap is the kernel's description of the descriptor of a tap.
type tap struct {
	name  string // of the interface
	flags uint16
}

// Flags of a tap, of linux/if_tun.h.
const (
	iffTap         = 0x0002
	iffMultiQueue  = 0x0100
	iffAttachQueue = 0x0200
	iffDetachQueue = 0x0400
	iffNoPI        = 0x1000
	iffVnetHdr     = 0x4000
)

// checkTaps checks that the files are taps, and that several files are queues of one tap.
func checkTaps(files []*os.File) error {
	if len(files) > maxQueues {
		return fmt.Errorf("Tap has %d Queues: at most %d are possible", len(files), maxQueues)
	}
	var first tap
	for i, f := range files {
		t, err := askTap(f)
		if err == nil {
			err = t.check(len(files))
		}
		if err == nil && i > 0 {
			err = t.goesWith(first)
		}
		if err == nil && slices.Contains(files[:i], f) {
			err = errors.New("is given twice")
		}
		if err != nil {
			return fmt.Errorf("Queues[%d] %w", i, err)
		}
		if i == 0 {
			first = t
		}
	}
	return nil
}

// attachTaps attaches detached queues. QEMU leaves a queue detached that its guest did not use, and the
// next QEMU terminates when it has to detach it again. Undoing detaches the queue: a queue that nobody
// reads loses frames.
func attachTaps(undo *rollback, files []*os.File) error {
	for i, f := range files {
		t, err := askTap(f)
		if err == nil && t.flags&iffDetachQueue != 0 {
			err = setQueue(f, iffAttachQueue)
			undo.done(fmt.Sprintf("queue %d, attached", i),
				func(context.Context) error { return detach(f) })
		}
		if err != nil {
			return fmt.Errorf("Queues[%d] cannot be attached: %w", i, err)
		}
	}
	return nil
}

// detach detaches a queue, unless QEMU has done so.
func detach(f *os.File) error {
	t, err := askTap(f)
	if err == nil && t.flags&iffDetachQueue == 0 {
		err = setQueue(f, iffDetachQueue)
	}
	return err
}

// askTap asks the kernel about a tap.
func askTap(f *os.File) (tap, error) {
	t, err := kernelTap(f)
	if err != nil {
		return tap{}, fmt.Errorf("is not a tap: %w", err)
	}
	return t, nil
}

// check checks that QEMU can use a tap with this number of queues.
func (t tap) check(queues int) error {
	switch {
	case t.flags&iffTap == 0:
		return errors.New("is a tun, which carries no Ethernet frames: make it with IFF_TAP")
	case t.flags&iffNoPI == 0:
		return errors.New("puts a header before each frame that QEMU does not know: make it with IFF_NO_PI")
	case queues > 1 && t.flags&iffMultiQueue == 0:
		return errors.New("is not one of several queues: make each with IFF_MULTI_QUEUE")
	}
	return nil
}

// goesWith checks that a queue is of the same tap as the first one, with the same header.
func (t tap) goesWith(first tap) error {
	switch {
	case t.name != first.name:
		return fmt.Errorf("is of interface %s, and Queues[0] of %s", t.name, first.name)
	case (t.flags^first.flags)&iffVnetHdr != 0:
		return errors.New("and Queues[0] differ in IFF_VNET_HDR")
	}
	return nil
}

// control calls do with the descriptor of f. Unlike File.Fd, it does not make the file blocking.
func control(f *os.File, do func(fd uintptr) error) error {
	raw, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var doErr error
	if err := raw.Control(func(fd uintptr) { doErr = do(fd) }); err != nil {
		return err
	}
	return doErr
}

// If a netdev asks for vhost and it does not work, QEMU 7.2 terminates. QEMU 5.2 warns and does not use it, and later
// versions refuse the netdev.

// Tests replace kernelVhost and vhostNet on machines without vhost.
var (
	kernelVhost = vhostFeatures
	vhostNet    = "/dev/vhost-net"
)

// checkVhost checks that the files are vhost.
func checkVhost(files []*os.File) error {
	for i, f := range files {
		if _, err := kernelVhost(f); err != nil {
			return fmt.Errorf("Vhost[%d] is not a vhost device: %w", i, err)
		}
		if slices.Contains(files[:i], f) {
			return fmt.Errorf("Vhost[%d] is given twice", i)
		}
	}
	return nil
}

// opensVhost reports whether QEMU would open vhost-net for a tap.
func opensVhost(tap *qemu.NetdevTapOptions) bool {
	if tap.VhostFD != nil || tap.VhostFDs != nil {
		return false
	}
	if tap.Vhost != nil {
		return *tap.Vhost
	}
	return qmp.Value(tap.Vhostforce)
}

// checkVhostNet checks that this process can open vhost-net. QEMU then can, unless it has fewer rights.
func checkVhostNet() error {
	f, err := os.OpenFile(vhostNet, os.O_RDWR, 0)
	if err == nil {
		_, err = kernelVhost(f)
		err = errors.Join(err, f.Close())
	}
	if err != nil {
		return fmt.Errorf("Netdev needs vhost, which cannot be opened; load vhost_net, or leave Vhost out: %w", err)
	}
	return nil
}
