package main

import (
	"os"
	"path/filepath"
)

const sizeLimit = 100 // KB, for query-status

// measureSizes compares programs that use the bindings with one that only dials a socket by package net. They
// are stripped, as they would be shipped.
func measureSizes(b *bench) {
	bare := b.programSize("bare.go")
	for _, p := range []struct{ file, what string }{
		{"query_status.go", "query-status"},
		{"blockdev_add.go", "blockdev-add"},
		{"device_add.go", "device_add, with properties,"},
		{"event.go", "waiting for an event"},
	} {
		size := b.programSize("dial.go", p.file)
		const of = "KB more than a program that dials a socket"
		figure := judged(size-bare, of)
		if p.what == "query-status" {
			figure = atMost(size-bare, of, sizeLimit)
		}
		b.row("size that "+p.what+" adds", number(size)+" KB", figure, "bare: "+number(bare)+" KB")
	}
}

// programSize builds a program of these files in testdata/programs and returns its size in KB.
func (b *bench) programSize(files ...string) float64 {
	out := b.file("program")
	folder := filepath.Join(b.root, "internal", "bench", "testdata", "programs")
	check(execute(goTool(b.ctx, folder, append([]string{"build", "-trimpath", "-ldflags=-s -w", "-o", out}, files...)...)))
	return float64(must(os.Stat(out)).Size()) / kilobyte
}
