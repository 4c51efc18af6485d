package launch_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/qmpkit/qmpkit/hotplug"
	"github.com/qmpkit/qmpkit/internal/qemutest"
	"github.com/qmpkit/qmpkit/launch"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

// onQEMU does something with the path of a QEMU and a folder.
func onQEMU(do func(ctx context.Context, binary, dir string) error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	q, err := qemutest.Find("")
	if err != nil {
		fmt.Println(err)
		return
	}
	dir, err := os.MkdirTemp("", "launch")
	if err == nil {
		defer os.RemoveAll(dir)
		err = do(ctx, q.Path, dir)
	}
	if err != nil {
		fmt.Println(err)
	}
}

func ExampleStart() {
	onQEMU(func(ctx context.Context, binary, _ string) error {
		p, err := launch.Start(ctx, launch.Config{
			Binary: binary,
			Args:   launch.Args{"-M", "pc", "-nodefaults", "-display", "none"},
		})
		if err != nil {
			return err
		}
		defer p.Kill()
		status, err := qemu.QueryStatus{}.Do(ctx, p.Client())
		if err != nil {
			return err
		}
		fmt.Println(status.Status)
		return nil
	})
	// Output:
	// running
}

// An option makes words for the QEMU that is started.
func ExampleArgs() {
	onQEMU(func(ctx context.Context, binary, dir string) error {
		image := filepath.Join(dir, "root.img")
		if err := os.WriteFile(image, make([]byte, 1<<20), 0o600); err != nil {
			return err
		}
		p, err := launch.Start(ctx, launch.Config{Binary: binary, Args: launch.Args{
			"-nodefaults", "-display", "none",
			launch.Keyval("-machine", "pc", qmp.Args{"usb": false}),
			launch.Object(qemu.ObjectOptions{ID: "io0", QOMType: qemu.ObjectTypeIOThread, Branch: &qemu.IOThreadProperties{}}),
			launch.Device(qemu.DeviceAdd{Driver: "virtio-scsi-pci", ID: new("scsi0"), Props: qmp.Args{"iothread": "io0"}}),
			hotplug.Disk{ID: "root", Driver: "scsi-hd", Bus: "scsi0.0", Backend: hotplug.File{Path: image}},
		}})
		if err != nil {
			return err
		}
		defer p.Kill()
		info, err := hotplug.New(p.Client(), nil).DeviceInfo(ctx, "root")
		if err != nil {
			return err
		}
		fmt.Println(info.Driver, info.Bus)
		return nil
	})
	// Output:
	// scsi-hd scsi0.0
}

func ExampleStartError() {
	onQEMU(func(ctx context.Context, binary, _ string) error {
		_, err := launch.Start(ctx, launch.Config{Binary: binary, Args: launch.Args{"-display", "none", "-no-such-option"}})
		if failed, ok := errors.AsType[*launch.StartError](err); ok {
			fmt.Println(failed.Exit)
			fmt.Println(failed.Reason())
			return nil
		}
		return err
	})
	// Output:
	// failed (status 1)
	// -no-such-option: invalid option
}

// The monitor of another process, here of the same one, with a path.
func ExampleAttach() {
	onQEMU(func(ctx context.Context, binary, dir string) error {
		monitor := filepath.Join(dir, "qmp.sock")
		started, err := launch.Start(ctx, launch.Config{
			Binary: binary, Args: launch.Args{"-M", "none", "-nodefaults", "-display", "none"},
			Monitor: monitor, Outlive: true,
		})
		if err != nil {
			return err
		}
		p, err := launch.Attach(ctx, monitor, nil)
		if err != nil {
			return errors.Join(err, started.Kill())
		}
		fmt.Println(p.Pid() == started.Pid())
		return p.Kill()
	})
	// Output:
	// true
}

func ExampleProcess_Shutdown() {
	onQEMU(func(ctx context.Context, binary, _ string) error {
		p, err := launch.Start(ctx, launch.Config{Binary: binary, Args: launch.Args{"-M", "pc", "-nodefaults", "-display", "none", "-S"}})
		if err != nil {
			return err
		}
		exit, err := p.Shutdown(ctx, nil) // the machine does not run, so no guest can hear the power button
		if err != nil {
			return err
		}
		fmt.Println(exit.Reason, exit.Stage)
		return nil
	})
	// Output:
	// host-qmp-quit quit
}

// Without a guest, nothing hears the power button, and the machine runs on.
func ExampleProcess_PowerOff() {
	onQEMU(func(ctx context.Context, binary, _ string) error {
		p, err := launch.Start(ctx, launch.Config{Binary: binary, Args: launch.Args{"-M", "pc", "-nodefaults", "-display", "none"}})
		if err != nil {
			return err
		}
		defer p.Kill()
		patience, cancel := context.WithTimeout(ctx, 100*time.Millisecond)
		defer cancel()
		_, err = p.PowerOff(patience)
		fmt.Println(errors.Is(err, context.DeadlineExceeded))
		return nil
	})
	// Output:
	// true
}

func ExampleSocket() {
	onQEMU(func(ctx context.Context, binary, _ string) error {
		second := &launch.Socket{ID: "second"}
		p, err := launch.Start(ctx, launch.Config{Binary: binary, Args: launch.Args{
			"-M", "none", "-nodefaults", "-display", "none",
			second, "-qmp", "chardev:second",
		}})
		if err != nil {
			return err
		}
		defer p.Kill()
		conn, err := second.Conn()
		if err != nil {
			return err
		}
		client, err := qmp.NewClient(ctx, conn, nil)
		if err != nil {
			return err
		}
		defer client.Close()
		fmt.Println(client.Version() == p.Client().Version())
		return nil
	})
	// Output:
	// true
}

// The end of QEMU has a reason.
func ExampleProcess_Wait() {
	onQEMU(func(ctx context.Context, binary, _ string) error {
		p, err := launch.Start(ctx, launch.Config{Binary: binary, Args: launch.Args{"-M", "none", "-nodefaults", "-display", "none"}})
		if err != nil {
			return err
		}
		defer p.Kill()
		if err := (qemu.Quit{}).Do(ctx, p.Client()); err != nil {
			return err
		}
		exit, err := p.Wait(ctx)
		if err != nil {
			return err
		}
		fmt.Println(exit)
		return nil
	})
	// Output:
	// host-qmp-quit (status 0)
}

// A program has an option that no package has.
func ExampleLine() {
	onQEMU(func(ctx context.Context, binary, dir string) error {
		path := filepath.Join(dir, "bios")
		if err := os.WriteFile(path, make([]byte, 64<<10), 0o600); err != nil {
			return err
		}
		p, err := launch.Start(ctx, launch.Config{Binary: binary, Args: launch.Args{"-nodefaults", "-display", "none", "-M", "pc", firmware(path)}})
		if err != nil {
			return err
		}
		fmt.Println("started")
		return p.Kill()
	})
	// Output:
	// started
}

// firmware is the path of a firmware, which QEMU gets as a descriptor.
type firmware string

func (f firmware) AppendTo(line *launch.Line) error {
	file, err := os.Open(string(f))
	if err != nil {
		return err
	}
	defer file.Close() // QEMU has a copy
	fd, err := line.FD(file)
	if err == nil {
		line.Add("-bios", "/dev/fd/"+fd)
	}
	return err
}
