package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const vetProgram = `package main

import (
	"context"

	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

func main() {
	var c *qmp.Client
	qemu.QueryStats{Target: qemu.StatsTargetVM}.Do(context.Background(), c)
	qemu.ChangeBackingFile{}.Do(context.Background(), c)
}
`

// TestVet builds qapigen, which go vet has to call, and runs it on a program: as a command, and as go vet's tool.
func TestVet(t *testing.T) {
	root, err := filepath.Abs("../..")
	require.NoError(t, err)
	dir := t.TempDir()
	tool := filepath.Join(dir, "qapigen")
	out, err := exec.Command("go", "build", "-o", tool, ".").CombinedOutput()
	require.NoError(t, err, string(out))
	write := func(name, text string) {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o666))
	}
	write("go.mod", "module example.org/p\n\ngo 1.26.0\n\nrequire github.com/qmpkit/qmpkit v0.0.0\n\nreplace github.com/qmpkit/qmpkit => "+root+"\n")
	sum, err := os.ReadFile(filepath.Join(root, "go.sum"))
	require.NoError(t, err)
	write("go.sum", string(sum))
	write("main.go", vetProgram)
	run := func(name string, args ...string) (stdout, stderr string, status int) {
		var o, e strings.Builder
		cmd := exec.Command(name, args...)
		cmd.Dir, cmd.Stdout, cmd.Stderr = dir, &o, &e
		cmd.Env = append(os.Environ(), "GOWORK=off")
		err := cmd.Run()
		require.NotNil(t, cmd.ProcessState, err)
		return o.String(), e.String(), cmd.ProcessState.ExitCode()
	}
	const want = "main.go:12:2: qemu.QueryStats (query-stats): since QEMU 7.1; 6.2 to 7.0 lack it\n"

	stdout, stderr, status := run(tool, "vet", "-qemu", "6.2..11.1", "./...")
	require.Equal(t, want, stdout)
	require.Empty(t, stderr)
	require.Equal(t, exitFailure, status)

	stdout, stderr, status = run(tool, "vet", "-qemu", "7.2..11.1")
	require.Empty(t, stdout+stderr)
	require.Equal(t, exitOK, status)

	stdout, stderr, status = run(tool, "vet", "-qemu", "7.1..11.1", "-json")
	require.Equal(t, "[]\n", stdout, stderr)
	require.Equal(t, exitOK, status)

	stdout, stderr, status = run(tool, "vet", "-qemu", "6.2..11.1", "-json")
	require.Equal(t, exitFailure, status, stderr)
	var found []vetFinding
	require.NoError(t, json.Unmarshal([]byte(stdout), &found), stdout)
	require.Len(t, found, 1)
	require.Equal(t, "main.go:12:2", found[0].Position)
	found[0].Position = ""
	require.Equal(t, vetFinding{
		Path: "query-stats", Kind: "lacks", Since: "7.1",
		Message: "qemu.QueryStats (query-stats): since QEMU 7.1; 6.2 to 7.0 lack it",
	}, found[0])

	write("main_test.go", strings.ReplaceAll(vetProgram, "func main()", "func init()"))
	stdout, _, _ = run(tool, "vet", "-qemu", "6.2..11.1")
	require.Contains(t, stdout, "main_test.go:12:2: ")
	stdout, stderr, _ = run(tool, "vet", "-qemu", "6.2..11.1", "-tests=false")
	require.Equal(t, want, stdout, stderr)

	_, stderr, status = run("go", "vet", "-vettool="+tool, "-qemu=6.2..11.1", "./...")
	require.Contains(t, stderr, want)
	require.Equal(t, exitFailure, status)

	_, stderr, status = run(tool, "vet", "-qemu", "7.2", "./...")
	require.Contains(t, stderr, "qapigen: -qemu 7.2: want a range such as 7.2..11.1\n")
	require.Equal(t, exitUsage, status)

	write("main.go", "package main\n\nfunc main() { undefined() }\n")
	stdout, stderr, status = run(tool, "vet", "-qemu", "7.2..11.1", "./...")
	require.Contains(t, stderr, "undefined: undefined")
	require.Empty(t, stdout)
	require.Equal(t, exitFailed, status)

	// A package that cannot be checked does not hide what another one has.
	require.NoError(t, os.Mkdir(filepath.Join(dir, "other"), 0o777))
	write("other/other.go", strings.ReplaceAll(vetProgram, "package main", "package other"))
	stdout, stderr, status = run(tool, "vet", "-qemu", "6.2..11.1", "./...")
	require.Equal(t, strings.Replace(want, "main.go", "other/other.go", 1), stdout)
	require.Contains(t, stderr, "undefined: undefined")
	require.Equal(t, exitFailed, status)

	// Files that only a build tag selects.
	write("main.go", "package main\n\nfunc main() {}\n")
	write("other/other.go", "package other\n")
	write("other/tagged.go", "//go:build special\n\n"+strings.ReplaceAll(vetProgram, "package main", "package other"))
	stdout, stderr, status = run(tool, "vet", "-qemu", "6.2..11.1", "-tests=false", "./...")
	require.Empty(t, stdout+stderr)
	require.Equal(t, exitOK, status)
	stdout, _, status = run(tool, "vet", "-qemu", "6.2..11.1", "-tests=false", "-tags", "special", "./...")
	require.Contains(t, stdout, "other/tagged.go:14:2: ")
	require.Equal(t, exitFailure, status)
}
