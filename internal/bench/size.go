package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
)

const (
	sizeLimit = 100  // KB, for one command
	kilobyte  = 1000 // bytes
)

// program is a small program in testdata/programs.
type program struct {
	name string
	what string
	// limit is how many KB it may be larger than the bare one; 0 for no limit.
	limit float64
}

// bareProgram dials a socket, with package net alone.
const bareProgram = "bare"

var programs = []program{
	{"query-status", "size that query-status adds", sizeLimit},
	{"blockdev-add", "size that blockdev-add adds", 0},
	{"device-add", "size that device_add, with properties, adds", 0},
	{"event", "size that waiting for an event adds", 0},
}

// measureSizes compares programs that use the bindings with one that only dials a socket, as
// they would be shipped: stripped.
func measureSizes(ctx context.Context, b *bench) ([]result, error) {
	bare, err := programSize(ctx, b, bareProgram)
	if err != nil {
		return nil, err
	}
	var rows []result
	for _, p := range programs {
		size, err := programSize(ctx, b, p.name)
		if err != nil {
			return nil, err
		}
		rows = append(rows, result{
			What: p.what, Value: size, Unit: "KB",
			Detail: fmt.Sprintf("bare: %s KB", number(bare)),
			Judged: &judged{Value: size - bare, Unit: "KB", Of: "more than a program that dials a socket", Limit: p.limit},
		})
	}
	return rows, nil
}

// programSize builds a program and returns its size in KB.
func programSize(ctx context.Context, b *bench, name string) (float64, error) {
	folder, err := b.folder("size")
	if err != nil {
		return 0, err
	}
	out := filepath.Join(folder, name)
	err = execute(goTool(ctx, b.root, "build", "-trimpath", "-ldflags=-s -w", "-o", out,
		"./internal/bench/testdata/programs/"+name))
	if err != nil {
		return 0, err
	}
	info, err := os.Stat(out)
	if err != nil {
		return 0, err
	}
	return float64(info.Size()) / kilobyte, nil
}
