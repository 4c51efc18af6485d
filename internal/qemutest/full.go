package qemutest

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/qmpkit/qmpkit/qmp"
)

// StartFull starts a q35 that has something of everything, for tests of programs that show a machine, and connects to it:
//   - disks: "data1" with an overlay "top" on "base", the throttle "limit" above it and the bitmap "backup0"; "data2" on a
//     SCSI bus; "cd1" without a medium; the export "export0"; the job "mirror0", which runs for hours; the set 3 of descriptors
//   - NICs: "nic0" with the netdev "net0"; "net1" without a NIC
//   - two CPUs of four, the DIMM "dimm1", the iothread "io1", a bridge behind a port, a serial port of virtio
func (q *QEMU) StartFull(t testing.TB) *qmp.Client {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	dir := t.TempDir()
	base, top := filepath.Join(dir, "base.img"), filepath.Join(dir, "top.qcow2")
	must(os.WriteFile(base, make([]byte, 1<<20), 0o600))
	must(os.Truncate(base, 64<<20))
	program, err := q.Program("qemu-img")
	must(err)
	must(exec.Command(program, "create", "-f", "qcow2", "-b", base, "-F", "raw", top).Run())

	c := q.Start(t, Config{Machine: "q35", Args: []string{
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
		"-blockdev", "null-co,node-name=zero,size=10737418240", "-device", "scsi-hd,id=data2,bus=scsi0.0,drive=zero",
		"-device", "scsi-cd,id=cd1,bus=scsi0.0",
		"-blockdev", "null-co,node-name=target,size=10737418240",
	}}).Dial(t)
	do := func(command string, args qmp.Args, opts ...qmp.CallOption) {
		t.Helper()
		_, err := qmp.Raw{Command: command, Args: args}.Do(t.Context(), c, opts...)
		must(err)
	}
	file, err := os.Open(base)
	must(err)
	defer file.Close()
	do("add-fd", qmp.Args{"fdset-id": 3, "opaque": "base"}, qmp.WithFile(file))
	do("block-dirty-bitmap-add", qmp.Args{"node": "top", "name": "backup0"})
	do("nbd-server-start", qmp.Args{"addr": qmp.Args{"type": "unix", "data": qmp.Args{"path": filepath.Join(dir, "nbd.sock")}}})
	do("block-export-add", qmp.Args{"type": "nbd", "id": "export0", "node-name": "top"})
	do("blockdev-mirror", qmp.Args{"job-id": "mirror0", "device": "zero", "target": "target", "sync": "full", "speed": 1 << 20})
	return c
}
