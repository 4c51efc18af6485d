package show_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/internal/qemutest"
	"github.com/qmpkit/qmpkit/qmp"
)

// start starts a machine that has something of everything: disks with a chain and a filter, NICs, a job, an export, a
// bitmap, descriptors, memory.
func start(t *testing.T, q *qemutest.QEMU) *qmp.Client {
	t.Helper()
	dir := t.TempDir()
	base, top := filepath.Join(dir, "base.img"), filepath.Join(dir, "top.qcow2")
	require.NoError(t, os.WriteFile(base, make([]byte, 1<<20), 0o600))
	require.NoError(t, os.Truncate(base, 64<<20))
	program, err := q.Program("qemu-img")
	require.NoError(t, err)
	out, err := exec.Command(program, "create", "-f", "qcow2", "-b", base, "-F", "raw", top).CombinedOutput()
	require.NoError(t, err, string(out))

	vm := q.Start(t, qemutest.Config{Machine: "q35", Args: []string{
		"-smp", "2,maxcpus=4,sockets=2,cores=2,threads=1", "-m", "256M,slots=4,maxmem=2G",
		"-object", "iothread,id=io1",
		"-object", "memory-backend-ram,id=mem1,size=128M", "-device", "pc-dimm,id=dimm1,memdev=mem1",
		"-netdev", "user,id=net0", "-device", "virtio-net-pci,netdev=net0,id=nic0,mac=52:54:00:12:34:56",
		"-netdev", "user,id=net1",
		"-chardev", "null,id=port0", "-device", "virtio-serial-pci,id=vser", "-device", "virtserialport,chardev=port0,id=vport",
		"-blockdev", "file,node-name=base-file,filename=" + base, "-blockdev", "raw,node-name=base,file=base-file",
		"-blockdev", "file,node-name=top-file,filename=" + top, "-blockdev", "qcow2,node-name=top,file=top-file,backing=base",
		"-object", "throttle-group,id=tg0,x-iops-total=1000", "-blockdev", "throttle,node-name=limit,throttle-group=tg0,file=top",
		"-device", "virtio-blk-pci,id=data1,drive=limit,iothread=io1",
		"-device", "pcie-pci-bridge,id=bridge1,bus=rp1", "-device", "virtio-scsi-pci,id=scsi0,bus=bridge1,addr=3",
		"-blockdev", "null-co,node-name=zero,size=10737418240", "-device", "scsi-hd,id=data2,bus=scsi0.0,drive=zero", "-device", "scsi-cd,id=cd1,bus=scsi0.0",
		"-blockdev", "null-co,node-name=target,size=10737418240",
	}})
	c := vm.Dial(t)
	file, err := os.Open(base)
	require.NoError(t, err)
	defer file.Close()
	do(t, c, "add-fd", qmp.Args{"fdset-id": 3, "opaque": "base"}, qmp.WithFile(file))
	do(t, c, "block-dirty-bitmap-add", qmp.Args{"node": "top", "name": "backup0"})
	do(t, c, "nbd-server-start", qmp.Args{"addr": qmp.Args{"type": "unix", "data": qmp.Args{"path": filepath.Join(dir, "nbd.sock")}}})
	do(t, c, "block-export-add", qmp.Args{"type": "nbd", "id": "export0", "node-name": "top"})
	do(t, c, "blockdev-mirror", qmp.Args{"job-id": "mirror0", "device": "zero", "target": "target", "sync": "full", "speed": 1 << 20})
	return c
}

func do(t *testing.T, c *qmp.Client, command string, args qmp.Args, opts ...qmp.CallOption) []byte {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	result, err := qmp.Raw{Command: command, Args: args}.Do(ctx, c, opts...)
	require.NoError(t, err, command)
	return result
}
