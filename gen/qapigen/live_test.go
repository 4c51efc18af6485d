package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"text/template"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/internal/qemutest"
)

// A liveServer is one that a package was generated from.
type liveServer struct {
	Name   string // of the package
	Socket string
	New    bool // it has what the program does with QEMU 11.1 only
}

// TestGenerateLive generates packages from servers that are running, as a user does, in a module
// outside of this one: a QEMU and a qemu-storage-daemon of three versions. Then go vet looks at all
// of them, and a program talks to each server with the package that is its own.
func TestGenerateLive(t *testing.T) {
	module := newModule(t)
	var servers []liveServer
	qemutest.Run(t, []string{"7.2", "10.0", "11.1"}, func(_ *testing.T, q *qemutest.QEMU) {
		name := strings.ReplaceAll(q.Release(), ".", "_")
		servers = append(servers,
			liveServer{"qemu" + name, q.Start(t, qemutest.Config{}).Socket(), q.AtLeast(11, 1)},
			liveServer{"storage" + name, q.StartStorage(t).Socket(), false})
	})
	checkLive(t, module, servers)
}

// TestMachineGenerate does the same with servers of other targets.
func TestMachineGenerate(t *testing.T) {
	module := newModule(t)
	var servers []liveServer
	qemutest.Machines(t, func(_ *testing.T, q *qemutest.QEMU) {
		for _, cfg := range qemutest.OtherMachines {
			cfg.Args = []string{"-S"} // without a guest, an s390x ends soon
			name := strings.NewReplacer("/", "_", "-", "_", ".", "_").Replace(cfg.Name() + "_" + q.Release())
			servers = append(servers, liveServer{name, q.Start(t, cfg).Socket(), q.AtLeast(11, 1)})
		}
	})
	checkLive(t, module, servers)
}

// checkLive generates a package from each server, and has a program talk to it.
func checkLive(t *testing.T, module string, servers []liveServer) {
	t.Helper()
	for _, s := range servers {
		dir := filepath.Join(module, s.Name)
		status, stderr := runQapigen(t, "generate", "-schema", "unix:"+s.Socket, "-package", s.Name, "-out", dir)
		require.Zero(t, status, stderr)
		t.Log(s.Name, stderr)
		require.Contains(t, stderr, "recovered ")
		checkCaptured(t, s, dir)
	}
	var program strings.Builder
	require.NoError(t, liveProgram.Execute(&program, servers))
	require.NoError(t, os.WriteFile(filepath.Join(module, "main.go"), []byte(program.String()), 0o666))
	goIn(t, module, "vet", "./...")
	out := goIn(t, module, "run", ".")
	for _, s := range servers {
		require.Contains(t, out, s.Name+" has been talked to\n")
	}
}

// checkCaptured generates from a file with the server's answer, which makes no difference.
func checkCaptured(t *testing.T, s liveServer, dir string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "answer.json")
	status, stderr := runQapigen(t, "capture", "-out", file, s.Socket)
	require.Zero(t, status, stderr)
	version, ok := strings.CutPrefix(strings.TrimSpace(stderr), "captured ")
	require.True(t, ok, stderr)
	_, version, _ = strings.Cut(version, "QEMU ")
	again := t.TempDir()
	status, stderr = runQapigen(t, "generate", "-schema", file, "-qemu-version", version, "-package", s.Name, "-out", again)
	require.Zero(t, status, stderr)
	require.Equal(t, generatedFiles(t, dir), generatedFiles(t, again))
}

// newModule makes a module that uses this one.
func newModule(t *testing.T) string {
	t.Helper()
	root, err := filepath.Abs("../..")
	require.NoError(t, err)
	sums, err := os.ReadFile(filepath.Join(root, "go.sum"))
	require.NoError(t, err)
	dir := t.TempDir()
	mod := fmt.Sprintf(`module example.com/live

go 1.26

require github.com/qmpkit/qmpkit v0.0.0

replace github.com/qmpkit/qmpkit => %s
`, root)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "go.mod"), []byte(mod), 0o666))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "go.sum"), sums, 0o666))
	return dir
}

// goIn runs the go command in a module.
func goIn(t *testing.T, dir string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOFLAGS=-mod=mod", "GOPROXY=off", "GOWORK=off")
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "go %s: %s", strings.Join(args, " "), out)
	return string(out)
}

// liveProgram talks to servers. The names of types are those of QEMU 10.2 in every package; one
// thing that it does is new in QEMU 11.1.
var liveProgram = template.Must(template.New("main.go").Parse(`package main

import (
	"context"
	"fmt"
	"os"

	"github.com/qmpkit/qmpkit/qmp"
{{range .}}	"example.com/live/{{.Name}}"
{{end}})

func main() {
{{range .}}	talk("{{.Name}}", {{printf "%q" .Socket}}, {{.Name}}Talk)
{{end}}}

func talk(name, socket string, f func(context.Context, *qmp.Client) error) {
	ctx := context.Background()
	c, err := qmp.Dial(ctx, socket, nil)
	if err == nil {
		err = f(ctx, c)
	}
	if err != nil {
		fmt.Println(name, err)
		os.Exit(1)
	}
	fmt.Println(name, "has been talked to")
}
{{range .}}
func {{.Name}}Talk(ctx context.Context, c *qmp.Client) error {
	version, err := {{.Name}}.QueryVersion{}.Do(ctx, c)
	if err != nil {
		return err
	}
	if version.QEMU.Major != int64(c.Version().Major) {
		return fmt.Errorf("the version is %d, not %v", version.QEMU.Major, c.Version())
	}
	err = {{.Name}}.BlockdevAdd{
		Driver: {{.Name}}.BlockdevDriverNullCo, NodeName: new("disk"),
		Branch: &{{.Name}}.BlockdevOptionsNull{Size: new(int64(1 << 16))},
	}.Do(ctx, c)
	if err != nil {
		return err
	}
	nodes, err := {{.Name}}.QueryNamedBlockNodes{}.Do(ctx, c)
	if err != nil {
		return err
	}
	if len(nodes) != 1 || nodes[0].Image.VirtualSize != 1<<16 {
		return fmt.Errorf("nodes: %v", nodes)
	}
{{if .New}}	_, err = {{.Name}}.ChardevAdd{ID: "chardev", Backend: {{.Name}}.ChardevBackend{
		Type: {{.Name}}.ChardevBackendKindNull, Branch: &{{.Name}}.ChardevCommon{},
	}}.Do(ctx, c)
	if err != nil {
		return err
	}
	err = {{.Name}}.ObjectAdd{
		QOMType: {{.Name}}.ObjectTypeMonitorHMP, ID: "monitor",
		Branch: &{{.Name}}.ObjectOptionsMonitorHMP{Chardev: "chardev"},
	}.Do(ctx, c)
	if err != nil {
		return err
	}
{{end}}	return {{.Name}}.BlockdevDel{NodeName: "disk"}.Do(ctx, c)
}
{{end}}`))
