// Update brings this module up to another QEMU, from its source or from a server that is running:
//
//	go run ./internal/update -source DIR [-qemu-version VERSION]
//	go run ./internal/update -server ADDRESS
//	go run ./internal/update -captured FILE [-qemu-version VERSION]
//
// It is run in the module's root, as make update does. It writes the schema to testdata/schema,
// adds to the tables of qapi/facts, points the go:generate lines of qmp/generated at it, carries them out, and puts what changed into
// CHANGELOG.md. All of that is made in another folder first: nothing here is touched if something
// fails. A second run changes nothing. What needs a hand is listed in the end.
//
// From a source the packages are generated as it is, and joined with answers that are of newer
// versions, unless it is older than the source before. What a server says is kept as an answer, and
// the source before is joined with it, if it is newer; conflicts need rows in the overrides, which
// the error has.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
)

func main() {
	var opts options
	flag.StringVar(&opts.source, "source", "", "the `DIR` of a QEMU source tree, or of what scripts/get-source.sh prints")
	flag.StringVar(&opts.version, "qemu-version", "", "the `VERSION` of that tree or answer (default: what the file VERSION in it, or beside it, says)")
	flag.StringVar(&opts.server, "server", "", "the `ADDRESS` of a server that is running: unix:PATH, tcp:HOST:PORT or vsock:CID:PORT")
	flag.StringVar(&opts.captured, "captured", "", "a `FILE` with a server's answer, as qapigen capture writes it")
	flag.Usage = func() {
		fmt.Fprintln(os.Stderr, "usage: update -source DIR [-qemu-version VERSION] | -server ADDRESS | -captured FILE [-qemu-version VERSION]")
		flag.PrintDefaults()
	}
	flag.Parse()
	if flag.NArg() > 0 || opts.inputs() != 1 || opts.version != "" && opts.server != "" {
		flag.Usage()
		os.Exit(2)
	}
	opts.compile = true
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, ".", opts, os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "update:", err)
		os.Exit(1)
	}
}
