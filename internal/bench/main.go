// Bench measures the performance and sizes that the project promises: generating, building and linking
// bindings, the codec, and the client.
//
//	go run ./internal/bench [-quick] [NAME...]
//
// It prints a table with a row for each figure. Figures of two machines do not compare, so most rows also
// have a ratio. Both sides of a ratio are measured in the same run, in turns. Each figure is the median of
// several rounds. If a figure misses its limit, the row says so. The exit status stays 0, because a
// benchmark is not a test.
//
// NAME is a name that -help lists, or the part of several names before the slash, such as client. Without
// NAME, bench measures everything.
//
// Bench measures the client with a stand-in, a server in another process that answers at once. It compares
// the client with connections that do less than a client must.
//
// Bench measures the operations of the packages hotplug and block on QEMU 10.0, and compares them with the
// commands that do the same work. It fetches this QEMU if it is missing. If it runs as root, it does the same with
// machines of a libvirt daemon (internal/libvirttest).
//
// QEMU_SRC names a QEMU source tree; its folders scripts and qapi are enough. If it is set, bench compares
// qapigen with QEMU's own generator on that tree's schema. This needs python3.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"slices"
	"strings"
	"text/tabwriter"
)

// A measurement adds some rows to the table.
type measurement struct {
	name    string
	purpose string
	place   place
	run     func(*bench)
}

// measurements are in the order of the table.
var measurements = []measurement{
	{"generation", "the time to generate the bindings of QEMU's monitor", here, measureGeneration},
	{"load", "the time and memory to load its schema", here, measureLoading},
	{"compile", "the CPU time to compile the bindings", here, measureCompilation},
	{"size", "what a command adds to a program", here, measureSizes},
	{"decode", "the time to decode replies", here, measureDecoding},
	{"encode", "the time to encode arguments", here, measureEncoding},
	{"client/onecpu", "the client's own part of a command's time", oneCPU, measureOneCPU},
	{"client/roundtrip", "the time of a command, and the request's length", here, measureRoundTrip},
	{"client/replies", "the time of commands with long replies", oneCPU, measureLargeReplies},
	{"client/throughput", "the commands of several goroutines", here, measureThroughput},
	{"client/events", "the events to a consumer", here, measureEvents},
	{"client/unread", "what events that nobody reads cost", here, measureUnread},
	{"hotplug", "adding and removing devices of a real QEMU, with 0, 50 and 400 disks", here, measureHotplug},
	{"block", "operations on disks of a real QEMU, with 0, 50 and 400 other disks", here, measureBlock},
	{"libvirt", "commands through a libvirt daemon, and on the monitors of its machines (as root)", here, measureLibvirt},
	{"client/connections", "the memory of idle clients", alone, measureConnections},
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if isChild() {
		go exitWithParent()
	}
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.SetOutput(stderr)
	quick := flags.Bool("quick", false, "measure once and briefly: seconds instead of minutes, and less reliable")
	flags.Usage = func() {
		fmt.Fprintf(stderr, "usage: bench [-quick] [NAME...]\n\n")
		flags.PrintDefaults()
		fmt.Fprintln(stderr, "\nNames:")
		for _, m := range measurements {
			fmt.Fprintf(stderr, "  %-20s%s\n", m.name, m.purpose)
		}
	}
	if err := flags.Parse(args); err != nil {
		return err
	}
	if isChild() && flags.Arg(0) == serveTask {
		return serve(flags.Args()[1:])
	}
	chosen, err := choose(flags.Args())
	if err != nil {
		return err
	}
	b, err := newBench(ctx, *quick)
	if err != nil {
		return err
	}
	defer os.RemoveAll(b.temp)

	if isChild() { // the parent has the table
		b.out = stdout
		return b.measure(chosen[0].run)
	}
	table := tabwriter.NewWriter(stdout, 0, 0, 2, ' ', 0)
	defer table.Flush() // what there is, if a measurement fails
	b.out = table
	fmt.Fprintf(table, "%s %s/%s, %d CPUs", runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.NumCPU())
	if *quick {
		fmt.Fprint(table, ", a quick run: not reliable")
	}
	fmt.Fprint(table, "\n\nwhat\tfigure\tjudged\tbeside it\n")
	for _, m := range chosen {
		fmt.Fprintf(stderr, "measuring %s…\n", m.purpose)
		err := m.place.measure(b, m)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, errNoPlace):
			fmt.Fprintf(stderr, "%s is left out: %v\n", m.name, err)
		case err != nil:
			return fmt.Errorf("%s: %w", m.name, err)
		}
	}
	return nil
}

// choose returns the measurements of these names, or all, in the order of the table.
func choose(names []string) (chosen []measurement, err error) {
	known := map[string]bool{}
	for _, m := range measurements {
		group, _, _ := strings.Cut(m.name, "/")
		known[m.name], known[group] = true, true
		if len(names) == 0 || slices.Contains(names, m.name) || slices.Contains(names, group) {
			chosen = append(chosen, m)
		}
	}
	for _, name := range names {
		if !known[name] {
			return nil, fmt.Errorf("no measurement is called %s; -help lists their names", name)
		}
	}
	return chosen, nil
}
