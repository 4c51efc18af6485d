package cmdline

import (
	"context"
	"strconv"
	"testing"
)

// BenchmarkComplete completes on a machine with 400 disks, whose Values answers at once.
func BenchmarkComplete(b *testing.B) {
	l := languageOf(b, "11.1", "qemu")
	var nodes []Value
	for i := range 400 {
		nodes = append(nodes, Value{Text: "disk" + strconv.Itoa(i), Help: "qcow2, 10 GiB"}, Value{Text: "file" + strconv.Itoa(i)})
	}
	l.Values = func(context.Context, Kind) ([]Value, error) { return nodes, nil }
	for name, line := range map[string]string{
		"command":    "",
		"member":     "blockdev-add driver=qcow2 ",
		"nested":     "blockdev-add driver=qcow2 node-name=x file.driver=nbd file.",
		"node":       "blockdev-del node-name=",
		"parameters": "migrate-set-parameters ",
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, found := l.Complete(b.Context(), line, len(line)); len(found) < 5 {
					b.Fatal(found)
				}
			}
		})
	}
}

// BenchmarkParse reads a command with nested members.
func BenchmarkParse(b *testing.B) {
	l := languageOf(b, "11.1", "qemu")
	b.ReportAllocs()
	for b.Loop() {
		if _, err := l.Parse(b.Context(), lines[3]); err != nil {
			b.Fatal(err)
		}
	}
}
