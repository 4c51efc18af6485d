package main

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/qmpkit/qmpkit/testdata/schema"
)

// recordedAnchor is what QEMU's generator takes for 10.2 on the machine that the limits were
// set on. It stands in where QEMU's generator cannot be run.
const recordedAnchor = 0.92 // seconds of user time

const generationLimit = 0.4 // × QEMU's generator

// measureGeneration compares a run of qapigen, as a program, with one of qapi-gen.py, on the
// same schema: user time, since qapi-gen.py works on one CPU and qapigen collects its garbage
// on others.
func measureGeneration(ctx context.Context, b *bench) ([]result, error) {
	folder, err := b.folder("generate")
	if err != nil {
		return nil, err
	}
	qapigen := filepath.Join(folder, "qapigen")
	if err := execute(goTool(ctx, b.root, "build", "-o", qapigen, "./gen/qapigen")); err != nil {
		return nil, err
	}
	source, err := findSource(ctx, b)
	if err != nil {
		return nil, err
	}
	main := b.snapshot(schema.QEMU)
	if source != nil {
		main = source.schema()
	}
	ours := timed(func() (time.Duration, error) {
		return userTime(exec.CommandContext(ctx, qapigen, "generate", "-schema", main, "-package", "qemu",
			"-out", filepath.Join(folder, "ours")))
	})
	if source == nil {
		return generationAlone(b, ours)
	}
	theirs := timed(func() (time.Duration, error) {
		return userTime(source.command(ctx, source.generator(), "-o", filepath.Join(folder, "theirs"), main))
	})
	if _, err := theirs(); err != nil { // the first run compiles the generator
		return nil, err
	}
	times, err := medians(b.rounds(), ours, theirs)
	if err != nil {
		return nil, err
	}
	row := generationRow(source.version, times[0])
	row.Judged = &judged{Value: times[0] / times[1], Unit: "×", Of: "QEMU's generator", Limit: generationLimit}
	row.Detail = fmt.Sprintf("QEMU's: %s s", number(times[1]))
	return []result{row}, nil
}

// generationAlone measures without QEMU's generator.
func generationAlone(b *bench, ours sample) ([]result, error) {
	version, err := b.snapshotVersion()
	if err != nil {
		return nil, err
	}
	times, err := medians(b.rounds(), ours)
	if err != nil {
		return nil, err
	}
	row := generationRow(version, times[0])
	row.Judged = &judged{Value: times[0] / recordedAnchor, Unit: "×", Limit: generationLimit,
		Of: fmt.Sprintf("QEMU's generator on the reference machine (%s s), not this run", number(recordedAnchor))}
	row.Detail = sourceVariable + " is not set: it names a QEMU source tree to compare with in this run"
	return []result{row}, nil
}

func generationRow(version string, seconds float64) result {
	row := result{What: "generate the bindings of QEMU " + version + ", user time"}
	row.Value, row.Unit = inUnit(seconds)
	return row
}
