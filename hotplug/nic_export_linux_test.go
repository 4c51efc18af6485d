package hotplug

import "os"

// Detach has the kernel give no frames to a queue of a tap.
func Detach(f *os.File) error { return setQueue(f, iffDetachQueue) }

// IsDetached reports whether that is so.
func IsDetached(f *os.File) (bool, error) {
	t, err := tapOf(f)
	return t.flags&iffDetachQueue != 0, err
}
