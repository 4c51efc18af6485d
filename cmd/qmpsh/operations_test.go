package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/internal/qemutest"
)

// TestOperations adds, shows and removes a disk by the lines that a person types.
func TestOperations(t *testing.T) {
	qemutest.Run(t, qemutest.Versions, func(t *testing.T, q *qemutest.QEMU) {
		vm := q.Start(t, qemutest.Config{Machine: "pc", Args: []string{"-S"}})
		image := filepath.Join(t.TempDir(), "data.img")
		require.NoError(t, os.WriteFile(image, make([]byte, 1<<20), 0o600))
		run := func(want int, args ...string) (out, errs string) {
			t.Helper()
			status, out, errs := runShell(t, "", append([]string{vm.Socket()}, args...)...)
			require.Equal(t, want, status, "%q: %s%s", args, out, errs)
			return out, errs
		}
		out, _ := run(0, "add", "disk", "data1", image, "-n")
		require.Contains(t, out, "device_add {")
		out, _ = run(0, "-json", "query-named-block-nodes")
		require.NotContains(t, out, "data1")

		run(0, "add", "disk", "data1", image)
		out, _ = run(0, "query-block")
		require.Contains(t, out, "data1")
		out, _ = run(0, "resize", "disk", "data1", "2M")
		require.Contains(t, out, "2 MiB")

		out, _ = run(0, "list", "disks", "-jq", `.[] | select(.id == "data1") | .images[0].path`)
		require.Equal(t, image+"\n", out)
		out, _ = run(0, "job", "list", "-json")
		require.Equal(t, "[]\n", out)
		out, _ = run(0, "bitmap list data1 | jq length")
		require.Equal(t, "0\n", out)
		out, errs := run(0, "-json", "resize", "disk", "data1", "3M")
		require.Empty(t, out)
		require.Contains(t, errs, "3 MiB")
		_, errs = run(2, "list disks | wc")
		require.Contains(t, errs, "jq only")
		_, errs = run(2, "list", "disks", "-jq")
		require.Contains(t, errs, "-jq")
		_, errs = run(2, "screenshot", image)
		require.Contains(t, errs, "exists")
		_, errs = run(1, "hmp", "info", "name", "-h")
		require.Contains(t, errs, "extraneous characters") // QEMU gets -h

		_, errs = run(2, "add", "disk", "data2", image, "nonsense=on")
		require.Contains(t, errs, "nonsense")
		run(1, "add", "disk", "data1", image)
		out, _ = run(0, "help", "operations")
		require.Contains(t, out, "\n  add disk ")
		out, _ = run(0, "help", "add", "disk")
		require.Contains(t, out, "driver")
	})
}

// TestAgentOperations: an agent needs no machine, and the words of a program are no switches. The status is the program's.
func TestAgentOperations(t *testing.T) {
	q := qemutest.Get(t, "11.1")
	agent, storage := "agent:"+q.StartAgent(t).Socket(), q.StartStorage(t).Socket()
	for _, test := range []struct {
		status int
		stdin  string
		args   []string
		out    string // what is printed, or a part of the error
	}{
		{0, "", []string{agent, "agent", "run", "sh", "-c", "echo a=b -n"}, "a=b -n\n"},
		{0, "", []string{agent, "agent", "run", "timeout=1m", "echo", "-json", "--all", "-n"}, "-json --all -n\n"},
		{0, "", []string{agent, "-timeout", "1m", "agent", "run", "--", "echo", "-n"}, ""},
		{0, "agent run echo -json x=y -timeout\n", []string{agent}, "-json x=y -timeout\n"},
		{127, "", []string{agent, "agent", "run", "--", "no=program"}, "no=program"},
		{127, "agent run -- no=program -n\n", []string{agent}, "no=program"},
		{0, "on all agent run echo -n x\n", []string{agent}, "x"},
		{0, "on all agent run -- echo -n x\n", []string{agent}, "x"},
		{0, "", []string{"x=" + agent, "on", "x", "agent", "run", "echo", "-n", "a=b"}, "a=b"},
		{0, "", []string{"x=" + agent, "on", "x", "on", "all", "agent", "run", "echo", "-json", "-n"}, "-json -n\n"},
		{0, "", []string{"x=" + agent, "on", "x", "agent", "run", "--", "echo", "-json"}, "-json\n"},
		{0, "on x on all agent run echo -json -n\n", []string{"x=" + agent}, "-json -n\n"},
		{0, "", []string{"x=" + agent, "on", "x", "agent", "run", "-n", "echo", "word"}, `guest-exec {"path":"setsid"`},
		{0, "", []string{agent, "agent", "run", "-n", "echo", "word"}, `guest-exec {"path":"setsid"`},
		{0, "", []string{agent, "agent", "run", "-n", "echo", "word"}, `"word"`},
		{0, "", []string{agent, "agent", "status", "-json"}, "\"thawed\"\n"},
		{0, "", []string{agent, "agent status | jq ."}, "thawed\n"},
		{3, "", []string{agent, "agent", "run", "sh", "-c", "exit 3"}, "exit status 3"},
		{143, "", []string{agent, "agent", "run", "sh", "-c", "kill -TERM $$"}, "killed by signal 15"},
		{2, "", []string{agent, "list", "disks"}, "is a guest agent, and list disks needs a machine"},
		{2, "", []string{agent, "agent", "reboot"}, "agent reboot needs a machine"},
		{2, "", []string{storage, "list", "disks"}, "is a storage daemon, and list disks needs a machine"},
		{0, "", []string{storage, "job", "list", "-json"}, "[]\n"},
	} {
		status, out, errs := runShell(t, test.stdin, test.args...)
		require.Equal(t, test.status, status, "%q: %s%s", test.args, out, errs)
		require.Contains(t, out+errs, test.out, test.args)
	}
}
