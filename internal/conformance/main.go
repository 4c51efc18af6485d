// Conformance runs package qapi on the schemas of QEMU's own test suite. It counts the schemas that
// qapi accepts or refuses as QEMU does, and the errors that have the same line first:
//
//	go run ./internal/conformance DIR
//
// DIR is a QEMU source tree, or what scripts/get-source.sh takes out of one. Its tests/qapi-schema
// has a schema for each case, and the expected output of QEMU's front end. Its file VERSION selects
// the dialect. Conformance lists the cases on which the two disagree first. The exit status is 0
// whatever the counts are.
//
//	go run ./internal/conformance -mutants 5000 [-seed N] DIR
//
// makes 5000 mutants of these cases and of the tree's real schemas, each by a single edit. It
// compares qapi on them with QEMU's own front end, the tree's scripts/qapi. This needs python3.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
)

func main() {
	mutants := flag.Int("mutants", 0, "judge `N` mutants instead of the cases themselves")
	seed := flag.Uint64("seed", 1, "of the mutants: the same ones come with the same seed")
	flag.Usage = func() {
		fmt.Fprintln(os.Stderr, "usage: conformance [-mutants N [-seed N]] DIR")
		flag.PrintDefaults()
	}
	flag.Parse()
	if flag.NArg() != 1 || *mutants < 0 {
		flag.Usage()
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, flag.Arg(0), *mutants, *seed)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "conformance:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, source string, mutants int, seed uint64) error {
	if mutants == 0 {
		return runSuite(source, os.Stdout)
	}
	return runMutants(ctx, source, mutants, seed, os.Stdout)
}
