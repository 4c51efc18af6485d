package facts

import (
	"embed"
	"sync"
)

// The tables, which qapigen facts writes.
//
//go:embed data/*.facts
var data embed.FS

var (
	qemu    = sync.OnceValue(func() *Table { return load("qemu") })
	storage = sync.OnceValue(func() *Table { return load("storage") })
	guest   = sync.OnceValue(func() *Table { return load("guest") })
)

// QEMU returns the facts of QEMU's monitor, qemu-system-*.
func QEMU() *Table { return qemu() }

// Storage returns the facts of qemu-storage-daemon.
func Storage() *Table { return storage() }

// Guest returns the facts of the guest agent. The agent has no introspection, but its paths have the same
// form.
func Guest() *Table { return guest() }

func load(name string) *Table {
	text, err := data.ReadFile("data/" + name + ".facts")
	if err != nil {
		panic(err) // it is embedded
	}
	t, err := Parse(text)
	if err != nil {
		panic(err) // a test reads all of them
	}
	return t
}
