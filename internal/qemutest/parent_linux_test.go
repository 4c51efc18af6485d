package qemutest_test

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/internal/qemutest"
)

// asParent has this test binary start a QEMU, print its number and wait to be killed.
const asParent = "QEMUTEST_AS_PARENT"

func TestMain(m *testing.M) {
	if path := os.Getenv(asParent); path != "" {
		vm, err := (&qemutest.QEMU{Path: path}).Launch(qemutest.Config{})
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		fmt.Println(vm.Pid(), vm.Dir)
		select {}
	}
	os.Exit(m.Run())
}

func TestKilledTestsLeaveNoQEMU(t *testing.T) {
	q := qemutest.Get(t, "")
	parent := exec.Command(os.Args[0])
	parent.Env = append(os.Environ(), asParent+"="+q.Path)
	parent.Stderr = os.Stderr
	out, err := parent.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, parent.Start())
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	number, dir, _ := strings.Cut(strings.TrimSpace(line), " ")
	t.Cleanup(func() { os.RemoveAll(dir) })
	pid, err := strconv.Atoi(number)
	require.NoError(t, err)
	require.NoError(t, syscall.Kill(pid, 0))

	require.NoError(t, parent.Process.Kill())
	_ = parent.Wait() // says that it was killed
	require.Eventually(t, func() bool { return ended(pid) }, time.Minute, 10*time.Millisecond)
}

// ended tells whether a process is gone, or only waits for init to take note of it.
func ended(pid int) bool {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err != nil || strings.Contains(string(status), ") Z ")
}
