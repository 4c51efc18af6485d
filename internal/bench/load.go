package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/qmpkit/qmpkit/qapi"
	"github.com/qmpkit/qmpkit/testdata/schema"
)

// measureLoading measures the front end alone: reading, parsing, checking and resolving.
func measureLoading(ctx context.Context, b *bench) ([]result, error) {
	source, err := findSource(ctx, b)
	if err != nil {
		return nil, err
	}
	main, version := b.snapshot(schema.QEMU), ""
	if source != nil {
		main, version = source.schema(), source.version
	} else if version, err = b.snapshotVersion(); err != nil {
		return nil, err
	}
	lines, err := countLines(main)
	if err != nil {
		return nil, err
	}
	var last testing.BenchmarkResult
	ours := func() (float64, error) {
		last, err = b.benchmark(loading(main))
		return perOperation(last), err
	}
	samples := []sample{ours}
	if source != nil {
		samples = append(samples, func() (float64, error) { return source.loadTime(ctx, main) })
	}
	times, err := medians(b.rounds(), samples...)
	if err != nil {
		return nil, err
	}
	row := result{
		What: "load the schema of QEMU " + version,
		Detail: fmt.Sprintf("%d lines, %s million a second; %s MB allocated", lines,
			number(float64(lines)/times[0]/1e6), number(float64(last.AllocedBytesPerOp())/1e6)),
	}
	row.Value, row.Unit = inUnit(times[0])
	if source != nil {
		row.Judged = &judged{Value: times[0] / times[1], Unit: "×", Of: "QEMU's front end"}
	}
	return []result{row}, nil
}

// loading returns what is measured.
func loading(main string) operation {
	return func() error {
		_, err := qapi.Load(main, nil)
		return err
	}
}

// countLines counts those of all files of a schema.
func countLines(main string) (int, error) {
	s, err := qapi.Load(main, nil)
	if err != nil {
		return 0, err
	}
	lines := 0
	for _, m := range s.Modules {
		text, err := os.ReadFile(filepath.FromSlash(m.Path))
		if err != nil {
			return 0, err
		}
		lines += bytes.Count(text, []byte("\n"))
	}
	return lines, nil
}

// loadScript prints the seconds that QEMU's front end takes, without those that python takes
// to begin.
const loadScript = `
import sys, time
sys.path.insert(0, sys.argv[1])
from qapi.schema import QAPISchema
begin = time.perf_counter()
QAPISchema(sys.argv[2])
print(time.perf_counter() - begin)
`

// loadTime returns the seconds that QEMU's front end takes to load a schema.
func (s *qemuSource) loadTime(ctx context.Context, main string) (float64, error) {
	text, err := output(s.command(ctx, "-c", loadScript, filepath.Dir(s.generator()), main))
	if err != nil {
		return 0, err
	}
	return strconv.ParseFloat(text, 64)
}
