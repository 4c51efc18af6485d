// Hotplug adds devices to a running virtual machine and removes them, by its QMP socket. It shows the
// package hotplug as a command that you can try on a VM of yours.
//
//	go run ./examples/hotplug -qmp /run/vm1/qmp.sock list
//	go run ./examples/hotplug -qmp /run/vm1/qmp.sock add-disk data1 /srv/data1.qcow2 -format qcow2
//	go run ./examples/hotplug -qmp /run/vm1/qmp.sock remove-disk data1
//
// Without a command, it lists the commands. It keeps nothing between two runs: one run can remove the disk
// that another run added.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"time"

	"github.com/qmpkit/qmpkit/hotplug"
	"github.com/qmpkit/qmpkit/qmp"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	err := run(ctx, os.Args[1:], os.Stdout)
	switch {
	case errors.Is(err, flag.ErrHelp):
	case err != nil:
		fmt.Fprintln(os.Stderr, "hotplug:", err)
		os.Exit(1)
	}
}

// A machine is the VM that a command works on.
type machine struct {
	*hotplug.VM
	client *qmp.Client
	out    io.Writer
}

// A command is one of the program's.
type command struct {
	name    string
	args    []string // their names
	purpose string
	// flags adds the command's own, and returns what it does when they are read.
	flags func(set *flag.FlagSet) func(ctx context.Context, m machine, args []string) error
}

// plain is for a command without flags.
func plain(do func(ctx context.Context, m machine, args []string) error) func(*flag.FlagSet) func(context.Context, machine, []string) error {
	return func(*flag.FlagSet) func(context.Context, machine, []string) error { return do }
}

func run(ctx context.Context, args []string, out io.Writer) error {
	set := flag.NewFlagSet("hotplug", flag.ContinueOnError)
	set.SetOutput(out)
	address := set.String("qmp", "", "the `ADDRESS` of the machine's QMP socket: a path, host:port, vsock:CID:PORT")
	limit := set.Duration("timeout", time.Minute, "how long to wait for the guest")
	set.Usage = func() { usage(set) }
	if err := set.Parse(args); err != nil {
		return err
	}
	if set.NArg() == 0 {
		usage(set)
		return nil
	}
	c, rest, do, err := parse(set.Arg(0), set.Args()[1:], out)
	if err != nil {
		return err
	}
	if *address == "" {
		return errors.New("-qmp is missing: the address of the machine's QMP socket")
	}
	ctx, cancel := context.WithTimeout(ctx, *limit)
	defer cancel()
	client, err := qmp.Dial(ctx, *address, nil)
	if err != nil {
		return err
	}
	defer client.Close()
	return advise(c, do(ctx, machine{hotplug.New(client, nil), client, out}, rest))
}

// parse finds a command and reads its flags, which may stand before, between and after its
// arguments.
func parse(name string, args []string, out io.Writer) (*command, []string, func(context.Context, machine, []string) error, error) {
	for i := range commands {
		c := &commands[i]
		if c.name != name {
			continue
		}
		set := flag.NewFlagSet(name, flag.ContinueOnError)
		set.SetOutput(out)
		set.Usage = func() {
			fmt.Fprintf(out, "%s %s: %s\n", name, strings.Join(c.args, " "), c.purpose)
			set.PrintDefaults()
		}
		do := c.flags(set)
		var rest []string
		for len(args) > 0 {
			if err := set.Parse(args); err != nil {
				return nil, nil, nil, err
			}
			if args = set.Args(); len(args) > 0 {
				rest, args = append(rest, args[0]), args[1:]
			}
		}
		if len(rest) != len(c.args) {
			return nil, nil, nil, fmt.Errorf("%s takes %d arguments (%s), not %d", name, len(c.args), strings.Join(c.args, " "), len(rest))
		}
		return c, rest, do, nil
	}
	return nil, nil, nil, fmt.Errorf("unknown command %q; without a command, hotplug lists all commands", name)
}

func usage(set *flag.FlagSet) {
	fmt.Fprintln(set.Output(), "usage: hotplug -qmp ADDRESS [-timeout TIME] COMMAND [FLAGS] ARGUMENTS")
	set.PrintDefaults()
	fmt.Fprintln(set.Output(), "\ncommands (hotplug COMMAND -help lists the flags of one):")
	for _, c := range commands {
		fmt.Fprintf(set.Output(), "  %-30s %s\n", c.name+" "+strings.Join(c.args, " "), c.purpose)
	}
}

// advise adds to an error what the user can do about it.
func advise(c *command, err error) error {
	var left *hotplug.RollbackError
	var busy *hotplug.BusyError
	switch {
	case errors.Is(err, hotplug.ErrUnplugPending):
		return fmt.Errorf("%w\nThe device is still there. Run %s again to continue waiting.", err, c.name)
	case errors.Is(err, hotplug.ErrUnplugRefused):
		return fmt.Errorf("%w\nThe guest uses the device: unmount it there, or take the interface down.", err)
	case errors.As(err, &busy) && len(busy.Exports) > 0:
		return fmt.Errorf("%w\nRemove the exports first, by the command block-export-del of QEMU.", err)
	case errors.Is(err, hotplug.ErrBusy):
		return fmt.Errorf("%w\nWait until the jobs have ended, or run %s with -cancel-jobs.", err, c.name)
	case errors.As(err, &left):
		return fmt.Errorf("%w\nRun the command that removes the device, to remove the things that are left.", err)
	}
	return err
}
