package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/internal/qemutest"
)

// scripts are the files of testdata/script, and what the environment of each has.
var scripts = map[string]func(t *testing.T) map[string]string{
	"tree":       withSource,
	"snapshot":   withSource,
	"captured":   withServer,
	"also":       withServer,
	"fleet":      withFleet,
	"live":       withServer,
	"storage":    withStorage,
	"regenerate": withNothing,
	"misfit":     withNothing,
	"vet":        withNothing,
}

func withNothing(*testing.T) map[string]string { return nil }

func withSource(t *testing.T) map[string]string {
	return map[string]string{"QEMU_SRC": qemutest.Source(t, "10.0")}
}

func withServer(t *testing.T) map[string]string {
	folder, err := filepath.Abs(captured)
	require.NoError(t, err)
	return map[string]string{"QMP": qemutest.Get(t, "11.1").Start(t, qemutest.Config{}).Socket(), "CAPTURED": folder}
}

func withFleet(t *testing.T) map[string]string {
	folder, err := filepath.Abs(captured)
	require.NoError(t, err)
	return map[string]string{
		"OLD_QMP":  qemutest.Get(t, "5.2").Start(t, qemutest.Config{Machine: "pc"}).Socket(),
		"QMP":      qemutest.Get(t, "10.0").Start(t, qemutest.Config{Machine: "pc"}).Socket(),
		"CAPTURED": folder,
	}
}

func withStorage(t *testing.T) map[string]string {
	return map[string]string{"STORAGE_QMP": qemutest.Get(t, "11.1").StartStorage(t).Socket()}
}

// TestScripts runs what a user types in a module outside of this one, for each kind of source.
// Modules come from the cache that this one's were downloaded to, and from nowhere else.
func TestScripts(t *testing.T) {
	files, err := filepath.Glob("testdata/script/*.txtar")
	require.NoError(t, err)
	require.Len(t, files, len(scripts))
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".txtar")
		require.Contains(t, scripts, name)
		t.Run(name, func(t *testing.T) {
			vars := scripts[name](t)
			testscript.Run(t, testscript.Params{
				Files: []string{file},
				Setup: func(env *testscript.Env) error { return setupModule(env, vars) },
			})
		})
	}
}

// setupModule makes the script's folder a module that takes this one from where it is. The
// sums of what both stand on are this one's.
func setupModule(env *testscript.Env, vars map[string]string) error {
	root, err := filepath.Abs("../..")
	if err != nil {
		return err
	}
	sums, err := os.ReadFile(filepath.Join(root, "go.sum"))
	if err != nil {
		return err
	}
	mod := "module example.com/vm\n\ngo 1.26\n\nreplace github.com/qmpkit/qmpkit => " + root + "\n"
	if err := os.WriteFile(filepath.Join(env.WorkDir, "go.mod"), []byte(mod), 0o666); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(env.WorkDir, "go.sum"), sums, 0o666); err != nil {
		return err
	}
	if err := writeOverlay(env.WorkDir, root); err != nil {
		return err
	}
	caches, err := goCaches()
	if err != nil {
		return err
	}
	env.Vars = append(env.Vars, caches...)
	env.Vars = append(env.Vars, "GOPROXY=off", "GOSUMDB=off", "GOFLAGS=-buildvcs=false", "GOWORK=off", "GOTOOLCHAIN=local")
	for name, value := range vars {
		env.Vars = append(env.Vars, name+"="+value)
	}
	return nil
}

// goCaches returns the variables with the folders of the go command: a script has another home.
func goCaches() ([]string, error) {
	names := []string{"GOCACHE", "GOMODCACHE"}
	out, err := exec.Command("go", append([]string{"env"}, names...)...).Output()
	if err != nil {
		return nil, err
	}
	values := strings.Split(strings.TrimSpace(string(out)), "\n")
	for i := range names {
		names[i] += "=" + values[i]
	}
	return names, nil
}

// writeOverlay writes a file for go build -overlay that puts the script's newer.go in the place of
// the runtime's version.
func writeOverlay(dir, root string) error {
	overlay := map[string]map[string]string{"Replace": {
		filepath.Join(root, "qmp", "wire", "version.go"): filepath.Join(dir, "newer.go"),
	}}
	text, err := json.Marshal(overlay)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "overlay.json"), text, 0o666)
}
