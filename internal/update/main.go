// Update updates this module to another QEMU, from QEMU's source or from a running server:
//
//	go run ./internal/update -source DIR [-qemu-version VERSION]
//	go run ./internal/update -server ADDRESS
//	go run ./internal/update -captured FILE [-qemu-version VERSION]
//
// Run it in the module's root, as make update does. Update writes the schema to testdata/schema and adds it
// to the tables of qapi/facts. It changes the go:generate lines of qmp/generated, runs them, and adds the
// changes to CHANGELOG.md. It does all this in another folder first: if something fails, the module stays
// as it is. At the end, it lists the things that you must do by hand. A second run changes nothing.
//
// A source replaces the source before it, unless it is older. The packages are generated from it, joined
// with the answers of newer versions. Update keeps the answer of a server, and joins the source with it if
// the answer is newer. A conflict needs a row in the overrides; the error has the row.
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
