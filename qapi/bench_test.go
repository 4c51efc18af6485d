package qapi_test

import (
	"path/filepath"
	"testing"

	"github.com/qmpkit/qmpkit/internal/qemutest"
	"github.com/qmpkit/qmpkit/qapi"
	"github.com/qmpkit/qmpkit/testdata/schema"
)

// BenchmarkLoad measures the whole front end on QEMU 10.2's schema, as this module holds it.
func BenchmarkLoad(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := qapi.LoadFS(schema.FS, "10.2/"+schema.QEMU, nil); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkLoadProse measures it on QEMU's own files.
func BenchmarkLoadProse(b *testing.B) {
	main := filepath.Join(qemutest.Source(b, "10.0"), schema.QEMU)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := qapi.Load(main, nil); err != nil {
			b.Fatal(err)
		}
	}
}
