package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/qmpkit/qmpkit/testdata/schema"
)

const generationLimit = 0.4 // × QEMU's generator

// sourceVariable names a QEMU source tree.
const sourceVariable = "QEMU_SRC"

// measureGeneration compares a run of qapigen, as a program, with one of qapi-gen.py on the same schema. It
// takes user time, because qapi-gen.py works on one CPU and qapigen collects its garbage on others.
func measureGeneration(b *bench) {
	qapigen := b.file("qapigen")
	check(execute(goTool(b.ctx, b.root, "build", "-o", qapigen, "./gen/qapigen")))
	tree := os.Getenv(sourceVariable)
	folder := tree
	if tree == "" {
		folder = filepath.Join(b.root, "testdata", "schema", "10.2")
	}
	main := filepath.Join(must(filepath.Abs(folder)), filepath.FromSlash(schema.QEMU))
	version := must(os.ReadFile(filepath.Join(folder, "VERSION")))
	what := "generate the bindings of QEMU " + strings.TrimSpace(string(version)) + ", user time"
	ours := cpuTime(false, func() *exec.Cmd {
		return exec.CommandContext(b.ctx, qapigen, "generate", "-schema", main, "-package", "qemu", "-out", b.file("ours"))
	})
	if tree == "" {
		b.row(what, b.inTurn(slow, ours)[0].String(), "", sourceVariable+" is not set: it names a QEMU source tree to compare with")
		return
	}

	// The python behind a wrapper in the PATH, whose own time must not count.
	python := must(output(exec.CommandContext(b.ctx, "python3", "-c", "import sys; print(sys.executable)")))
	theirs := cpuTime(false, func() *exec.Cmd {
		cmd := exec.CommandContext(b.ctx, python, filepath.Join(folder, "scripts", "qapi-gen.py"), "-o", b.file("theirs"), main)
		cmd.Env = append(os.Environ(), "PYTHONPYCACHEPREFIX="+b.file("python")) // the tree stays as it is
		return cmd
	})
	theirs() // the first run compiles the generator
	times := b.inTurn(slow, ours, theirs)
	b.row(what, times[0].String(), atMost(times[0].over(times[1]), "× QEMU's generator", generationLimit),
		"QEMU's: "+times[1].String())
}
