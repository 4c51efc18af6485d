// Fleet shows the virtual machines of several libvirt hosts as one table: their states, block jobs, migrations and last
// events.
//
//	go run ./examples/fleet                                   the daemon of this host
//	go run ./examples/fleet tcp:10.0.0.1 tcp:10.0.0.2         those of other hosts
//	go run ./examples/fleet -once /run/libvirt/libvirt-sock   for scripts: print one table
//
// It only sends queries, so it is safe for machines of production. libvirt marks the machines as tainted in its log
// ("custom-monitor"), as it does with every command to a monitor. A machine that hangs has "no answer" in its row, and the
// error of a host that cannot be reached is below the table. The others appear as always, with libvirt's
// defaults up to three machines of a host that hang.
package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"sync"
	"text/tabwriter"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	err := run(ctx, os.Args[1:], os.Stdout)
	switch {
	case errors.Is(err, flag.ErrHelp):
	case err != nil:
		fmt.Fprintln(os.Stderr, "fleet:", err)
		os.Exit(1)
	}
}

const defaultSocket = "/run/libvirt/libvirt-sock"

// run shows tables until ctx ends, or one table with -once.
func run(ctx context.Context, args []string, out io.Writer) error {
	set := flag.NewFlagSet("fleet", flag.ContinueOnError)
	set.SetOutput(out)
	once := set.Bool("once", false, "print one table; the exit status is 1 if a host cannot be reached")
	interval := set.Duration("interval", time.Second, "the `TIME` between two tables")
	set.Usage = func() {
		fmt.Fprintf(out, "usage: fleet [-once] [-interval TIME] [SOCKET | tcp:HOST[:PORT]]...\n")
		set.PrintDefaults()
	}
	if err := set.Parse(args); err != nil {
		return err
	}
	if *interval <= 0 {
		return errors.New("-interval must be more than 0")
	}
	addresses := set.Args()
	if len(addresses) == 0 {
		addresses = []string{defaultSocket}
	}
	var hosts []*host
	for _, address := range addresses {
		h := &host{address: address}
		defer h.close()
		hosts = append(hosts, h)
	}
	if *once {
		errs := refresh(ctx, hosts)
		return errors.Join(write(out, hosts), errs)
	}
	tick := time.NewTicker(*interval)
	defer tick.Stop()
	for {
		_ = refresh(ctx, hosts) // the table has the errors
		if ctx.Err() != nil {
			return nil
		}
		var screen bytes.Buffer
		screen.WriteString("\x1b[H\x1b[2J") // the top of an empty screen
		if err := write(&screen, hosts); err != nil {
			return err
		}
		if _, err := out.Write(screen.Bytes()); err != nil {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// refresh asks all hosts at once.
func refresh(ctx context.Context, hosts []*host) error {
	errs := make([]error, len(hosts))
	var all sync.WaitGroup
	for i, h := range hosts {
		all.Go(func() { errs[i] = h.refresh(ctx) })
	}
	all.Wait()
	return errors.Join(errs...)
}

// write writes the table, and below it the hosts without machines.
func write(out io.Writer, hosts []*host) error {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "HOST\tVM\tSTATE\tJOBS\tMIGRATION\tLAST EVENT")
	var rest bytes.Buffer
	for _, h := range hosts {
		rows, err := h.table()
		slices.SortFunc(rows, func(a, b row) int { return cmp.Compare(a.name, b.name) })
		for _, r := range rows {
			fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\n", h.address, r.name, r.state,
				cmp.Or(r.jobs, "-"), cmp.Or(r.migration, "-"), cmp.Or(r.event, "-"))
		}
		switch {
		case err != nil:
			fmt.Fprintf(&rest, "%s: %v\n", h.address, err)
		case len(rows) == 0:
			fmt.Fprintf(&rest, "%s: no machine runs\n", h.address)
		}
	}
	if err := table.Flush(); err != nil {
		return err
	}
	_, err := out.Write(rest.Bytes())
	return err
}
