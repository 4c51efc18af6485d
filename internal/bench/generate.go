package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/qmpkit/qmpkit/testdata/schema"
)

const generationLimit = 0.4 // × QEMU's generator

// measureGeneration compares a run of qapigen, as a program, with one of qapi-gen.py on the same schema. It
// takes user time, because qapi-gen.py works on one CPU and qapigen collects its garbage on others.
func measureGeneration(b *bench) {
	qapigen := b.file("qapigen")
	check(execute(goTool(b.ctx, b.root, "build", "-o", qapigen, "./gen/qapigen")))
	s := b.source()
	what := "generate the bindings of QEMU " + s.version + ", user time"
	ours := cpuTime(false, func() *exec.Cmd {
		return exec.CommandContext(b.ctx, qapigen, "generate", "-schema", s.main, "-package", "qemu", "-out", b.file("ours"))
	})
	if s.scripts == "" {
		b.row(what, b.inTurn(slow, ours)[0].String(), "", noSource)
		return
	}
	theirs := cpuTime(false, func() *exec.Cmd {
		return b.python(filepath.Join(s.scripts, "qapi-gen.py"), "-o", b.file("theirs"), s.main)
	})
	theirs() // the first run compiles the generator
	times := b.inTurn(slow, ours, theirs)
	b.row(what, times[0].String(), atMost(times[0].over(times[1]), "× QEMU's generator", generationLimit),
		"QEMU's: "+times[1].String())
}

// sourceVariable names a QEMU source tree.
const sourceVariable = "QEMU_SRC"

const noSource = sourceVariable + " is not set: it names a QEMU source tree to compare with"

// A source is a QEMU schema to measure with: that of the tree that QEMU_SRC names, or the committed one.
type source struct {
	main    string // the main file
	version string
	scripts string // the folder of QEMU's generator; "" for the committed schema
}

func (b *bench) source() (s source) {
	folder := filepath.Join(b.root, "testdata", "schema", "10.2")
	if tree := os.Getenv(sourceVariable); tree != "" {
		folder = must(filepath.Abs(tree))
		s.scripts = filepath.Join(folder, "scripts")
	}
	s.main = filepath.Join(folder, filepath.FromSlash(schema.QEMU))
	s.version = strings.TrimSpace(string(must(os.ReadFile(filepath.Join(folder, "VERSION")))))
	return s
}

// python returns a command that python runs. It leaves the tree as it is.
func (b *bench) python(args ...string) *exec.Cmd {
	if b.interpreter == "" {
		// The python behind a wrapper in the PATH, whose own time must not count.
		b.interpreter = must(output(exec.CommandContext(b.ctx, "python3", "-c", "import sys; print(sys.executable)")))
	}
	cmd := exec.CommandContext(b.ctx, b.interpreter, args...)
	cmd.Env = append(os.Environ(), "PYTHONPYCACHEPREFIX="+b.file("python"))
	return cmd
}
