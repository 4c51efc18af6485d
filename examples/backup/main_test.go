package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/qmpkit/qmpkit/hotplug"
	"github.com/qmpkit/qmpkit/internal/qemutest"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestOnAMachine backs up two disks, and restores each backup.
func TestOnAMachine(t *testing.T) {
	qemutest.Run(t, qemutest.Versions, func(t *testing.T, q *qemutest.QEMU) {
		dir, backups := t.TempDir(), t.TempDir()
		vm := q.Start(t, qemutest.Config{Machine: "pc", Args: []string{"-device", "virtio-scsi-pci"}})
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
		defer cancel()
		image, err := q.Program("qemu-img")
		require.NoError(t, err)
		// onMachine is for the test's own commands: the monitor has one client at a time.
		onMachine := func(do func(client *qmp.Client)) {
			t.Helper()
			client, err := qmp.Dial(ctx, vm.Socket(), nil)
			require.NoError(t, err)
			defer client.Close()
			do(client)
		}
		disks := []string{"data1", "data2"}
		content := map[string][]byte{}
		onMachine(func(client *qmp.Client) {
			for _, id := range disks {
				path := filepath.Join(dir, id)
				content[id] = make([]byte, 4<<20)
				require.NoError(t, os.WriteFile(path, content[id], 0o600))
				require.NoError(t, hotplug.New(client, nil).AddDisk(ctx, hotplug.Disk{ID: id, Driver: "scsi-hd", Backend: hotplug.File{Path: path}}))
			}
		})
		write := func(id string, pattern byte, offset int) {
			t.Helper()
			onMachine(func(client *qmp.Client) {
				command := fmt.Sprintf("qemu-io -d %s \"write -P %d %d 65536\"", id, pattern, offset)
				_, err := qemu.HumanMonitorCommand{CommandLine: command}.Do(ctx, client)
				require.NoError(t, err)
			})
			copy(content[id][offset:], bytes.Repeat([]byte{pattern}, 65536))
		}
		command := func(args ...string) (string, error) {
			var out strings.Builder
			err := run(ctx, args, &out)
			return out.String(), err
		}
		_, err = command("inc", "-qmp", vm.Socket(), "-dir", backups, "data1", "data2")
		require.ErrorContains(t, err, "data1 has no full backup in "+backups)
		moments := []map[string][]byte{nil}
		for n, kind := range []string{"full", "inc", "inc", "full", "inc"} {
			write("data1", byte(n+1), n<<17)
			write("data2", byte(n+0x11), 1<<20)
			moments = append(moments, map[string][]byte{"data1": bytes.Clone(content["data1"]), "data2": bytes.Clone(content["data2"])})
			out, err := command(kind, "-qmp", vm.Socket(), "-dir", backups, "data1", "data2")
			require.NoError(t, err)
			require.Contains(t, out, fmt.Sprintf("data2.%04d.", n+1))
		}
		out, err := command("list", "-dir", backups)
		require.NoError(t, err)
		require.Equal(t, strings.Join([]string{
			"   1 full         data1", "   1 full         data2", "   2 after 1      data1", "   2 after 1      data2",
			"   3 after 2      data1", "   3 after 2      data2", "   4 full         data1", "   4 full         data2",
			"   5 after 4      data1", "   5 after 4      data2", "",
		}, "\n"), out)
		for n, moment := range moments {
			for _, id := range disks {
				to := filepath.Join(dir, fmt.Sprintf("%s.%d", id, n))
				want := moment[id]
				if n == 0 { // the last one
					want = content[id]
				}
				_, err := command("restore", "-dir", backups, "-qemu-img", image, "-to", to, "-at", fmt.Sprint(n), id)
				require.NoError(t, err)
				got, err := os.ReadFile(to)
				require.NoError(t, err)
				require.True(t, bytes.Equal(want, got), "%s", to)
			}
		}

		// A program that was interrupted has left a part. A backup that fails leaves none.
		part := filepath.Join(backups, "data1.0006.after-0005.qcow2.part")
		require.NoError(t, os.WriteFile(part, nil, 0o600))
		_, err = command("inc", "-qmp", vm.Socket(), "-dir", backups, "data1")
		require.ErrorContains(t, err, "the last backup of data1 was interrupted: take a full one")
		_, err = command("abort", "-qmp", vm.Socket(), "data1", "data2")
		require.NoError(t, err)
		_, err = command("full", "-qmp", vm.Socket(), "-dir", backups, "data1", "data9")
		require.ErrorContains(t, err, `disk "data9": no such disk`)
		require.NoFileExists(t, filepath.Join(backups, "data1.0007.full.qcow2.part"))
		require.FileExists(t, part)
		_, err = command("full", "-qmp", vm.Socket(), "-dir", backups, "data1")
		require.NoError(t, err)
		require.NoFileExists(t, part)
	})
}

func TestErrors(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "d.0002.after-0001.qcow2"), nil, 0o600))
	for _, c := range []struct{ args, want string }{
		{"full -dir " + dir, "no DISK is given"},
		{"full -dir " + dir + " d", "-qmp is missing"},
		{"inc -qmp " + dir + "/none -dir " + dir + " d", "no such file"},
		{"list", "-dir is missing"},
		{"restore -dir " + dir + " d", "restore needs one disk, and -to"},
		{"restore -dir " + dir + " -to " + dir + "/x d", dir + " has no backup 1 of d"},
		{"restore -dir " + dir + " -to " + dir + "/x e", dir + " has no backup 0 of e"},
		{"fly", `unknown command "fly"`},
		{"full -no", "flag provided but not defined: -no"},
	} {
		var out bytes.Buffer
		require.ErrorContains(t, run(t.Context(), strings.Fields(c.args), &out), c.want, c.args)
	}
	var out bytes.Buffer
	require.Error(t, run(t.Context(), nil, &out))
	require.Contains(t, out.String(), "usage:")
}
