package hotplug_test

import (
	"context"
	"fmt"

	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

// The tests run what is in these examples on real QEMUs.

// The program stops the machine while it works. It asks QEMU whether the machine runs, because the guest or an error of
// the storage can have stopped the machine too.
func Example_pause() {
	_ = whilePaused
}

func whilePaused(ctx context.Context, client *qmp.Client, do func() error) (err error) {
	status, err := qemu.QueryStatus{}.Do(ctx, client)
	if err != nil {
		return err
	}
	if !status.Running {
		return fmt.Errorf("the machine does not run: it is %s", status.Status)
	}
	if err := (qemu.Stop{}).Do(ctx, client); err != nil {
		return err
	}
	if err := do(); err != nil {
		return err // the machine stays stopped, so that somebody can look at it
	}
	return qemu.Cont{}.Do(ctx, client)
}

// The program presses the power button and waits until the guest has shut down, or ctx ends. QEMU then exits, unless it
// was started with -no-shutdown.
func Example_powerDown() {
	_ = powerDown
}

func powerDown(ctx context.Context, client *qmp.Client) (qemu.ShutdownEvent, error) {
	return qmp.AwaitEvent[qemu.ShutdownEvent](ctx, client, nil, qemu.SystemPowerdown{})
}

// The program prints each virtual CPU and the host's thread that runs it.
func Example_cpus() {
	_ = printCPUs
}

func printCPUs(ctx context.Context, client *qmp.Client) error {
	cpus, err := qemu.QueryCPUsFast{}.Do(ctx, client)
	if err != nil {
		return err
	}
	for _, cpu := range cpus {
		fmt.Printf("CPU %d: %s, thread %d\n", cpu.CPUIndex, cpu.QOMPath, cpu.ThreadID)
	}
	return nil
}

// The program sets the guest's memory with the balloon and waits for the guest. The machine has a virtio-balloon.
func Example_balloon() {
	_ = setBalloon
}

func setBalloon(ctx context.Context, client *qmp.Client, bytes int64) error {
	_, err := qmp.AwaitEvent(ctx, client, func(e qemu.BalloonChangeEvent) bool {
		return e.Actual == bytes
	}, qemu.Balloon{Value: bytes})
	return err
}

// A password for VNC, which the server was started with (-vnc …,password=on) and which is good for
// one minute, and one for SPICE. No log has them: String writes "***".
func Example_passwords() {
	_ = setPasswords
}

func setPasswords(ctx context.Context, client *qmp.Client, vnc, spice string) error {
	for protocol, password := range map[qemu.DisplayProtocol]string{
		qemu.DisplayProtocolVNC:   vnc,
		qemu.DisplayProtocolSPICE: spice,
	} {
		if password == "" {
			continue
		}
		set := qemu.SetPassword{Protocol: protocol, Password: password}
		if err := set.Do(ctx, client); err != nil {
			return fmt.Errorf("%s: %w", set, err)
		}
		if err := (qemu.ExpirePassword{Protocol: protocol, Time: "+60"}).Do(ctx, client); err != nil {
			return err
		}
	}
	return nil
}

// The version is in the greeting, so Version sends no command.
func Example_version() {
	_ = printVersion
}

func printVersion(ctx context.Context, client *qmp.Client) error {
	fmt.Println(client.Version())
	info, err := qemu.QueryVersion{}.Do(ctx, client) // the same version, by a command
	if err != nil {
		return err
	}
	fmt.Println(info.QEMU.Major, info.QEMU.Minor, info.QEMU.Micro, info.Package)
	return nil
}
