package main

import (
	"os"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/internal/qemutest"
)

// TestMain lets the test binary be the demo, so that each run looks for a QEMU anew.
func TestMain(m *testing.M) {
	if os.Getenv("BE_THE_DEMO") != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

// check runs the demo with the variables and looks at what it prints.
func check(t *testing.T, begins string, variables ...string) {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.Command(self)
	cmd.Env = append(append(os.Environ(), "BE_THE_DEMO=1"), variables...)
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.Regexp(t, `(?s)^`+begins+`.*QEMU \d+\.\d+.*status: running.*`+
		`device /machine/peripheral/data1, node data1, file /dev/fdset/.*query-block: no disks`, string(out))
}

func TestDemo(t *testing.T) {
	qemutest.Get(t, "")
	check(t, "starting .* with a Linux guest")
}

// TestDemoWithoutGuest has a QEMU, but nothing to run in it.
func TestDemoWithoutGuest(t *testing.T) {
	q := qemutest.Get(t, "")
	check(t, "starting .* without a guest",
		"QEMU="+q.Path, "QEMU_GUEST=", "QMPKIT_CACHE="+t.TempDir(), "QMPKIT_OFFLINE=1")
}

// TestDemoWithoutQEMU has none, and fetches none.
func TestDemoWithoutQEMU(t *testing.T) {
	check(t, "no QEMU on this machine", "QEMU=", "PATH=", "QMPKIT_CACHE="+t.TempDir(), "QMPKIT_OFFLINE=1")
}
