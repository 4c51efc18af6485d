package main

import "os"

const sizeLimit = 100 // KB, for query-status

// measureSizes compares programs that use the bindings with one that only dials a socket by package net. They
// are stripped, as they would be shipped.
func measureSizes(b *bench) {
	bare := b.programSize("bare")
	for _, p := range []struct{ name, what string }{
		{"query-status", "query-status"},
		{"blockdev-add", "blockdev-add"},
		{"device-add", "device_add, with properties,"},
		{"event", "waiting for an event"},
	} {
		size := b.programSize(p.name)
		const of = "KB more than a program that dials a socket"
		figure := judged(size-bare, of)
		if p.name == "query-status" {
			figure = atMost(size-bare, of, sizeLimit)
		}
		b.row("size that "+p.what+" adds", number(size)+" KB", figure, "bare: "+number(bare)+" KB")
	}
}

// programSize builds a program of testdata/programs and returns its size in KB.
func (b *bench) programSize(name string) float64 {
	out := b.file(name)
	check(execute(goTool(b.ctx, b.root, "build", "-trimpath", "-ldflags=-s -w", "-o", out,
		"./internal/bench/testdata/programs/"+name)))
	return float64(must(os.Stat(out)).Size()) / kilobyte
}
