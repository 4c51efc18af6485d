package migration_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/qmpkit/qmpkit/migration"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

// The source sends the machine and reports the progress.
func ExampleRun() {
	exampleQEMU(func(ctx context.Context, client *qmp.Client) error {
		p, err := migration.Run(ctx, client, migration.TCP("host2.example.org:4444"), &migration.Options{
			Progress: func(p migration.Progress) {
				if p.Status == qemu.MigrationStatusActive {
					fmt.Printf("%d of %d MiB to go, at %d MB/s; expected downtime %s\n",
						p.Remaining>>20, p.Total>>20, p.Rate/1e6, p.ExpectedDowntime)
				}
			},
		})
		if err != nil {
			return err
		}
		fmt.Println("moved in", p.Elapsed, "with a downtime of", p.Downtime)
		return nil
	}, "setup", "active", "device", "completed")
	// Output:
	// migrate-set-capabilities {"capabilities":[{"capability":"events","state":true}]}
	// migrate {"uri":"tcp:host2.example.org:4444"}
	// 512 of 2048 MiB to go, at 100 MB/s; expected downtime 120ms
	// moved in 2s with a downtime of 37ms
}

// The error says where the machine is.
func ExampleRun_errors() {
	exampleQEMU(func(ctx context.Context, client *qmp.Client) error {
		_, err := migration.Run(ctx, client, migration.Unix("/run/vm1/migrate.sock"), nil)
		failed, _ := errors.AsType[*migration.FailedError](err)
		switch {
		case err == nil:
			fmt.Println("sent; WaitIncoming reports whether the destination has it")
		case errors.Is(err, migration.ErrCancelled):
			fmt.Println("the machine is here, as before")
		case errors.Is(err, migration.ErrNotStarted):
			fmt.Println("the machine is here, as before; remove the reason:", err)
		case failed != nil && !failed.Postcopy && !failed.Halted:
			fmt.Println("the machine is here, as before:", failed.Reason)
		case errors.Is(err, migration.ErrPaused):
			fmt.Println("call Resume to send the rest of the memory")
		case errors.Is(err, migration.ErrGoesOn), errors.Is(err, migration.ErrUnknown):
			fmt.Println("wait or ask again:", err)
		default:
			return err // both sides must be asked where the machine runs
		}
		return nil
	}, "setup", "failed")
	// Output:
	// migrate-set-capabilities {"capabilities":[{"capability":"events","state":true}]}
	// migrate {"uri":"unix:/run/vm1/migrate.sock"}
	// the machine is here, as before: Connection refused
}

// Run cancels the migration when its context ends. Here the program ends the context because the
// downtime would be too long.
func ExampleRun_cancel() {
	exampleQEMU(func(ctx context.Context, client *qmp.Client) error {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		_, err := migration.Run(ctx, client, migration.Unix("/run/vm1/migrate.sock"), &migration.Options{
			Progress: func(p migration.Progress) {
				if p.ExpectedDowntime > 100*time.Millisecond {
					cancel()
				}
			},
		})
		fmt.Println(errors.Is(err, migration.ErrCancelled), errors.Is(err, context.Canceled))
		return nil
	}, "active")
	// Output:
	// migrate-set-capabilities {"capabilities":[{"capability":"events","state":true}]}
	// migrate {"uri":"unix:/run/vm1/migrate.sock"}
	// migrate_cancel
	// true true
}

// When Wait ends with its context, the migration continues. Cancel cancels it.
func ExampleCancel() {
	exampleQEMU(func(ctx context.Context, client *qmp.Client) error {
		patience, cancel := context.WithTimeout(ctx, 10*time.Millisecond)
		defer cancel()
		_, err := migration.Wait(patience, client, nil)
		if !errors.Is(err, migration.ErrGoesOn) {
			return err
		}
		fmt.Println("it takes too long")
		_, err = migration.Cancel(ctx, client)
		switch {
		case err == nil:
			fmt.Println("the machine is here, and no migration is running")
		case errors.Is(err, migration.ErrCompleted):
			fmt.Println("too late: the machine has been sent")
		default:
			return err
		}
		return nil
	}, "active")
	// Output:
	// it takes too long
	// migrate_cancel
	// the machine is here, and no migration is running
}

// A machine that was sent cannot be sent again before cont.
func ExampleStateError() {
	exampleQEMU(func(ctx context.Context, client *qmp.Client) error {
		err := migration.Start(ctx, client, migration.TCP("host2.example.org:4444"))
		if forbidden, ok := errors.AsType[*migration.StateError](err); ok {
			fmt.Println(forbidden.RunState, errors.Is(err, migration.ErrNotStarted))
			return nil
		}
		return err
	}, "completed")
	// Output:
	// postmigrate true
}

// Run hands over the machine after three passes, or after a minute, and sends the rest afterwards.
func ExampleRun_postcopy() {
	exampleQEMU(func(ctx context.Context, client *qmp.Client) error {
		// Do the same at the destination.
		err := migration.Enable(qemu.MigrationCapabilityPostcopyRAM).Do(ctx, client)
		if err != nil {
			return err
		}
		_, err = migration.Run(ctx, client, migration.TCP("host2.example.org:4444"), &migration.Options{
			Postcopy: func(p migration.Progress) bool { return p.Pass >= 3 || p.Elapsed > time.Minute },
			Progress: func(p migration.Progress) { fmt.Println(p.Status) },
		})
		return err
	}, "setup", "active", "postcopy-active", "completed")
	// Output:
	// migrate-set-capabilities {"capabilities":[{"capability":"postcopy-ram","state":true}]}
	// migrate-set-capabilities {"capabilities":[{"capability":"events","state":true}]}
	// migrate {"uri":"tcp:host2.example.org:4444"}
	// setup
	// active
	// migrate-start-postcopy
	// postcopy-active
	// completed
}

// PreSwitchover hands over the storage while the machine is stopped.
func ExampleRun_preSwitchover() {
	exampleQEMU(func(ctx context.Context, client *qmp.Client) error {
		err := migration.Enable(qemu.MigrationCapabilityPauseBeforeSwitchover).Do(ctx, client)
		if err != nil {
			return err
		}
		_, err = migration.Run(ctx, client, migration.TCP("host2.example.org:4444"), &migration.Options{
			PreSwitchover: func(ctx context.Context) error {
				fmt.Println("the storage belongs to the other host now")
				return nil
			},
		})
		return err
	}, "setup", "active", "pre-switchover", "device", "completed")
	// Output:
	// migrate-set-capabilities {"capabilities":[{"capability":"pause-before-switchover","state":true}]}
	// migrate-set-capabilities {"capabilities":[{"capability":"events","state":true}]}
	// migrate {"uri":"tcp:host2.example.org:4444"}
	// the storage belongs to the other host now
	// migrate-continue {"state":"pre-switchover"}
}

// The program connects the socket, because QEMU has no permission to connect.
func ExampleFD() {
	exampleQEMU(func(ctx context.Context, client *qmp.Client) error {
		socket := exampleSocket() // of a connection to the destination
		err := migration.Start(ctx, client, migration.FD(socket))
		socket.Close() // QEMU has its own
		if err != nil {
			return err
		}
		_, err = migration.Wait(ctx, client, nil)
		return err
	}, "active", "completed")
	// Output:
	// migrate-set-capabilities {"capabilities":[{"capability":"events","state":true}]}
	// getfd {"fdname":"qmpkit:migration"}
	// migrate {"uri":"fd:qmpkit:migration"}
}

// Run saves the machine to a file, and Quit ends its QEMU. Another QEMU can load it with
// StartIncoming.
func ExampleFile() {
	exampleQEMU(func(ctx context.Context, client *qmp.Client) error {
		_, err := migration.Run(ctx, client, migration.File("/srv/vm1.state", 0), nil)
		switch {
		case errors.Is(err, errors.ErrUnsupported):
			fmt.Println("this needs QEMU 8.2")
			return nil
		case err != nil:
			return err
		}
		return qemu.Quit{}.Do(ctx, client)
	}, "active", "completed")
	// Output:
	// migrate-set-capabilities {"capabilities":[{"capability":"events","state":true}]}
	// migrate {"channels":[{"channel-type":"main","addr":{"transport":"file","filename":"/srv/vm1.state","offset":0}}]}
	// quit
}

// QEMU's description of a target has options that the functions do not have: here, keep-alive.
func ExampleChannels() {
	exampleQEMU(func(ctx context.Context, client *qmp.Client) error {
		_, err := migration.Run(ctx, client, migration.Channels(qemu.MigrationChannel{
			ChannelType: qemu.MigrationChannelTypeMain,
			Addr: qemu.MigrationAddress{Branch: &qemu.SocketAddress{Branch: &qemu.InetSocketAddress{
				Host: "host2.example.org", Port: "4444", KeepAlive: new(true),
			}}},
		}), nil)
		return err
	}, "active", "completed")
	// Output:
	// migrate-set-capabilities {"capabilities":[{"capability":"events","state":true}]}
	// migrate {"channels":[{"channel-type":"main","addr":{"transport":"socket","type":"inet","host":"host2.example.org","port":"4444","keep-alive":true}}]}
}

// The destination was started with "-incoming defer", and takes a free port.
func ExampleStartIncoming() {
	exampleQEMU(func(ctx context.Context, client *qmp.Client) error {
		if err := migration.StartIncoming(ctx, client, migration.TCP("[::]:0")); err != nil {
			return err
		}
		p, err := migration.Query(ctx, client)
		if err != nil {
			return err
		}
		for _, at := range p.Info.SocketAddress {
			fmt.Println("send this address to the source:", at) // a real QEMU reports its port here
		}
		if _, err := migration.WaitIncoming(ctx, client, nil); err != nil {
			return err // end this QEMU; the source still has the machine
		}
		fmt.Println("the machine is here")
		return nil
	}, "setup", "setup", "active", "completed")
	// Output:
	// migrate-set-capabilities {"capabilities":[{"capability":"events","state":true}]}
	// migrate-incoming {"uri":"tcp:[::]:0","exit-on-error":false}
	// the machine is here
}

// The connection was lost in postcopy. The destination listens again, and the source resumes.
func ExampleResume() {
	exampleQEMU(func(ctx context.Context, client *qmp.Client) error {
		src, dst := client, client // two different clients in a real program
		if err := (qemu.MigrateRecover{URI: "tcp:[::]:4445"}).Do(ctx, dst); err != nil {
			return err
		}
		_, err := migration.Resume(ctx, src, migration.TCP("host2.example.org:4445"), nil)
		return err
	}, "postcopy-paused", "postcopy-recover", "postcopy-active", "completed")
	// Output:
	// migrate-recover {"uri":"tcp:[::]:4445"}
	// migrate {"uri":"tcp:host2.example.org:4445","resume":true}
}

// At most 1 GB/s, and at most a tenth of a second of downtime.
func ExampleSetLimits() {
	exampleQEMU(func(ctx context.Context, client *qmp.Client) error {
		err := migration.SetLimits(ctx, client, migration.Limits{Bandwidth: 1e9, Downtime: 100 * time.Millisecond})
		if err != nil {
			return err
		}
		// All other parameters:
		return qemu.MigrateSetParameters{
			TLSCreds:        &qemu.StrOrNull{S: new("tls0")},
			MultiFDChannels: new(uint8(4)),
		}.Do(ctx, client)
	})
	// Output:
	// migrate-set-parameters {"max-bandwidth":1000000000,"downtime-limit":100,"max-postcopy-bandwidth":1000000000}
	// migrate-set-parameters {"tls-creds":"tls0","multifd-channels":4}
}

func ExampleEnable() {
	exampleQEMU(func(ctx context.Context, client *qmp.Client) error {
		return migration.Enable(
			qemu.MigrationCapabilityReturnPath,
			qemu.MigrationCapabilityMultiFD,
		).Do(ctx, client)
	})
	// Output:
	// migrate-set-capabilities {"capabilities":[{"capability":"return-path","state":true},{"capability":"multifd","state":true}]}
}

// A manager that did not begin the migration waits for its end.
func ExampleWait() {
	exampleQEMU(func(ctx context.Context, client *qmp.Client) error {
		if err := migration.Start(ctx, client, migration.TCP("host2.example.org:4444")); err != nil {
			return err
		}
		// … and after a restart, or in another process:
		p, err := migration.Wait(ctx, client, nil)
		if errors.Is(err, migration.ErrGoesOn) {
			fmt.Println("ctx has ended; the migration continues, and Cancel ends it")
		}
		fmt.Println(p)
		return err
	}, "setup", "active", "completed")
	// Output:
	// migrate-set-capabilities {"capabilities":[{"capability":"events","state":true}]}
	// migrate {"uri":"tcp:host2.example.org:4444"}
	// completed
}

// Query does not wait.
func ExampleQuery() {
	exampleQEMU(func(ctx context.Context, client *qmp.Client) error {
		p, err := migration.Query(ctx, client)
		if err != nil {
			return err
		}
		fmt.Println(p)
		return nil
	}, "active")
	// Output: active, 512 of 2048 MiB remain
}

// Before a migration, Status is empty.
func ExampleProgress() {
	exampleQEMU(func(ctx context.Context, client *qmp.Client) error {
		p, err := migration.Query(ctx, client)
		fmt.Println(p.Status == "", p)
		return err
	})
	// Output: true no migration
}
