// Bench measures what the project promises to do fast or small: generating, building and linking
// bindings, the codec, and the client.
//
//	go run ./internal/bench [-quick] [-json] [NAME...]
//
// It prints a table, a row for each figure. What a machine does in a second is of little use on
// another one, so most rows have a ratio as well: to an anchor that is measured in the same run,
// in turns with what it is the anchor for. Each figure is the median of several rounds. Where
// there is a limit it is in the row, and a row that misses it says so; the exit status stays 0,
// since a benchmark is not a test.
//
// NAME is one of those that -help lists, or what several of them have before a slash: client.
// Without any, all are measured.
//
// The client is measured on a stand-in: a server that answers at once, this program again in a
// process of its own. It is compared with connections that do less than a client has to, and,
// where the system allows it, on one CPU.
//
// The variable QEMU_SRC names a QEMU source tree (its scripts, qapi and python folders will do).
// With it, and python3, generation is compared with QEMU's own generator on that tree's schema.
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
)

// A measurement is one thing that is measured, and gives some rows of the table.
type measurement struct {
	name    string
	purpose string
	run     func(ctx context.Context, b *bench) ([]result, error)
}

// measurements has them in the order of the table.
var measurements = []measurement{
	{"generate", "the time to generate the bindings of QEMU's monitor", measureGeneration},
	{"load", "the time and memory to load its schema", measureLoading},
	{"compile", "the CPU time to compile the bindings", measureCompilation},
	{"size", "what a command adds to a program", measureSizes},
	{"decode", "the time to decode replies", measureDecoding},
	{"encode", "the time to encode arguments", measureEncoding},
	{"client/roundtrip", "the time of a command, and the request's length", measureRoundTrip},
	{"client/replies", "the time of commands with long replies", measureLargeReplies},
	{"client/throughput", "the commands of several goroutines", measureThroughput},
	{"client/events", "the events to a consumer", measureEvents},
	{"client/unread", "what events that nobody reads cost", measureUnread},
	{"client/connections", "the memory of idle clients", measureConnections},
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	child, err := runTask(ctx)
	if !child {
		err = run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	}
	switch {
	case errors.Is(err, flag.ErrHelp):
	case err != nil:
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.SetOutput(stderr)
	quick := flags.Bool("quick", false, "measure once and briefly: seconds instead of minutes, and less to be relied on")
	asJSON := flags.Bool("json", false, "print JSON instead of a table")
	flags.Usage = func() {
		fmt.Fprintf(stderr, "usage: bench [-quick] [-json] [NAME...]\n\n")
		flags.PrintDefaults()
		fmt.Fprintln(stderr, "\nNames:")
		for _, m := range measurements {
			fmt.Fprintf(stderr, "  %-20s%s\n", m.name, m.purpose)
		}
	}
	if err := flags.Parse(args); err != nil {
		return err
	}
	chosen, err := choose(flags.Args())
	if err != nil {
		return err
	}
	b, err := newBench(ctx, *quick)
	if err != nil {
		return err
	}
	defer b.close()

	rep := newReport(b)
	for _, m := range chosen {
		fmt.Fprintf(stderr, "measuring %s…\n", m.purpose)
		rows, err := m.run(ctx, b)
		if ctx.Err() != nil {
			return ctx.Err() // whatever became of what was being measured
		}
		if err != nil {
			return fmt.Errorf("%s: %w", m.name, err)
		}
		rep.Results = append(rep.Results, rows...)
	}
	if *asJSON {
		return rep.writeJSON(stdout)
	}
	return rep.writeTable(stdout)
}

// choose returns the measurements of these names, or all.
func choose(names []string) ([]measurement, error) {
	if len(names) == 0 {
		return measurements, nil
	}
	var chosen []measurement
	for _, name := range names {
		var known []string
		found := len(chosen)
		for _, m := range measurements {
			known = append(known, m.name)
			if m.name == name || strings.HasPrefix(m.name, name+"/") {
				chosen = append(chosen, m)
			}
		}
		if len(chosen) == found {
			return nil, fmt.Errorf("nothing is called %s; there are %s", name, strings.Join(known, ", "))
		}
	}
	return chosen, nil
}
