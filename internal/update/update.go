package main

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
)

// options are what the command was called with.
type options struct {
	source, version, server string
	captured                string // a file with an answer
	qapigen                 string // the command; empty: it is built
	compile                 bool   // look in the end at what no longer compiles
}

// inputs counts the schemas and answers that the update is given.
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
	// 1. A copy of what is to change, and the generator.
	if err := u.begin(); err != nil {
		return err
	}
	defer u.end()
	// 2. The new schema, and what the packages are to be generated from.
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
	// 3. All that is made of it.
	for _, step := range []func() error{u.writeRecipes, u.regenerate, u.facts, u.changelog} {
		if err := step(); err != nil {
			return err
		}
	}
	// 4. All of it at once, and what is left.
	old := declared(u.root)
	changed, err := u.commit()
	if err != nil {
		return err
	}
	u.report(changed)
	return u.hand(old, opts.compile)
}

func (u *update) say(format string, args ...any) { fmt.Fprintf(u.out, format+"\n", args...) }

// path returns where something of the module is in the copy.
func (u *update) path(names ...string) string {
	return filepath.Join(append([]string{u.stage}, names...)...)
}
