package main

import (
	"bufio"
	"context"
	"errors"
	"io"
	"strings"

	"github.com/qmpkit/qmpkit/qmp"
)

// script executes the lines of standard input, up to the first error.
func (sh *shell) script(ctx context.Context, in io.Reader) error {
	input := bufio.NewScanner(in)
	input.Buffer(nil, 64<<20)
	next := 1
	for input.Scan() {
		sh.at = next
		next++
		line := withoutComment(strings.TrimPrefix(input.Text(), "\ufeff"))
		for needsMore(line) && input.Scan() {
			line = withoutComment(line + "\n" + input.Text())
			next++
		}
		if err := sh.line(ctx, line); errors.Is(err, errExit) {
			return nil
		} else if err != nil {
			return err
		}
	}
	if err := input.Err(); err != nil {
		return usagef("standard input: %w", err)
	}
	return nil
}

// forget drops the events that came before a command of a script.
func (s *session) forget() {
	if s.events == nil {
		return
	}
	for range qmp.Queued(s.events) {
	}
}
