package main

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
)

// options are the flags of the command.
type options struct {
	source, version, server string
	captured                string // a file with an answer
	qapigen                 string // the command; empty: it is built
	compile                 bool   // look in the end at what no longer compiles
}

// inputs returns the number of schemas and answers on the command line.
func (o *options) inputs() (n int) {
	for _, input := range []string{o.source, o.server, o.captured} {
		if input != "" {
			n++
		}
	}
	return n
}

// An update is one run.
type update struct {
	ctx     context.Context
	root    string // the module's
	stage   string // a folder with copies of what is to change
	qapigen string // the command, built
	out     io.Writer
	recipes []*recipe
}

// run updates the module in a folder.
func run(ctx context.Context, root string, opts options, out io.Writer) error {
	root, err := filepath.Abs(root)
	if err != nil {
		return err
	}
	u := &update{ctx: ctx, root: root, qapigen: opts.qapigen, out: out}
	// 1. Copy the files that may change, and build the generator.
	if err := u.begin(); err != nil {
		return err
	}
	defer u.end()
	// 2. Add the new schema, and change the recipes of the packages.
	switch {
	case opts.source != "":
		err = u.fromSource(opts.source, opts.version)
	case opts.captured != "":
		err = u.fromCaptured(opts.captured, opts.version)
	default:
		err = u.fromServer(opts.server)
	}
	if err != nil {
		return err
	}
	// 3. Write all files that derive from it.
	for _, step := range []func() error{u.writeRecipes, u.regenerate, u.facts, u.changelog} {
		if err := step(); err != nil {
			return err
		}
	}
	// 4. Replace the files at once, and list the work that is left.
	old := declared(u.root)
	changed, err := u.commit()
	if err != nil {
		return err
	}
	u.report(changed)
	return u.hand(old, opts.compile)
}

func (u *update) say(format string, args ...any) { fmt.Fprintf(u.out, format+"\n", args...) }

// path returns the path of a file of the module in the copy.
func (u *update) path(names ...string) string {
	return filepath.Join(append([]string{u.stage}, names...)...)
}
