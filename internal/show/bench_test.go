package show_test

import (
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/qmpkit/qmpkit/internal/show"
)

// BenchmarkManyDisks prints the disks of a machine with 400.
func BenchmarkManyDisks(b *testing.B) {
	var disks []string
	for i := range 400 {
		disks = append(disks, fmt.Sprintf(`{"device": "", "qdev": "/machine/peripheral/disk%d/virtio-backend", "io-status": "ok", "removable": false,
			"inserted": {"node-name": "disk%d", "drv": "qcow2", "ro": false, "file": "/srv/vm1/disk%d.qcow2", "image": {"virtual-size": 10737418240}}}`, i, i, i))
	}
	answer := []byte("[" + strings.Join(disks, ",") + "]")
	b.ReportAllocs()
	for b.Loop() {
		if err := show.Value(io.Discard, "query-block", answer, show.Options{Width: 120, Colour: true}); err != nil {
			b.Fatal(err)
		}
	}
}
