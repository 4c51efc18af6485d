package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"github.com/qmpkit/qmpkit/qapi"
)

const loadLimit = 0.2 // × QEMU's front end

// measureLoading measures the front end alone: reading, parsing, checking and resolving.
func measureLoading(b *bench) {
	s := b.source()
	load := func() error {
		_, err := qapi.Load(s.main, nil)
		return err
	}
	samples := []sample{b.mean(load)}
	if s.scripts != "" {
		samples = append(samples, func() float64 {
			return must(strconv.ParseFloat(must(output(b.python("-c", loadScript, s.scripts, s.main))), 64))
		})
	}
	times := b.inTurn(slow, samples...)
	figure := ""
	if s.scripts != "" {
		figure = atMost(times[0].over(times[1]), "× QEMU's front end", loadLimit)
	}
	lines := 0
	for _, m := range must(qapi.Load(s.main, nil)).Modules {
		lines += bytes.Count(must(os.ReadFile(filepath.FromSlash(m.Path))), []byte("\n"))
	}
	_, allocated := allocations(load)
	b.row("load the schema of QEMU "+s.version, times[0].String(), figure,
		fmt.Sprintf("%d lines, %s million a second", lines, number(float64(lines)/times[0].median()/1e6)),
		number(allocated/1e6)+" MB allocated")
}

// loadScript prints the seconds that QEMU's front end takes, without those that python takes to start.
const loadScript = `
import sys, time
sys.path.insert(0, sys.argv[1])
from qapi.schema import QAPISchema
begin = time.perf_counter()
QAPISchema(sys.argv[2])
print(time.perf_counter() - begin)
`
