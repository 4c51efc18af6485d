package hotplug

import (
	"os"
	"testing"
)

// The flags of taps, for tests.
const (
	IffTap        = iffTap
	IffMultiQueue = iffMultiQueue
	IffNoPI       = iffNoPI
	IffVnetHdr    = iffVnetHdr
)

// MaxQueues is how many queues a NIC can have.
const MaxQueues = maxQueues

// FakeTaps has files be what tap says, until the end of the test.
func FakeTaps(t *testing.T, kernel func(f *os.File) (name string, flags uint16)) {
	was := kernelTap
	t.Cleanup(func() { kernelTap = was })
	kernelTap = func(f *os.File) (tap, error) {
		name, flags := kernel(f)
		return tap{name, flags}, nil
	}
}

// FakeVhost has all files be of vhost, and path be the device, until the end of the test.
func FakeVhost(t *testing.T, path string) {
	was, wasNet := kernelVhost, vhostNet
	t.Cleanup(func() { kernelVhost, vhostNet = was, wasNet })
	kernelVhost = func(*os.File) (uint64, error) { return 0, nil }
	vhostNet = path
}

// FakeUSB has all files be devices of the host's USB, until the end of the test.
func FakeUSB(t *testing.T) {
	was := kernelUSB
	t.Cleanup(func() { kernelUSB = was })
	kernelUSB = func(*os.File) error { return nil }
}
