package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

// watch executes a command in rounds and marks what has changed.
func (sh *shell) watch(ctx context.Context, in input) error {
	if len(in.words) == 0 {
		return usagef("watch: want a command")
	}
	line := in.line[in.words[0].from:]
	if in.dry {
		in.line = line
		return sh.preview(ctx, sh.current, in)
	}
	if in.filter != nil {
		if more, err := in.filtered(); err != nil {
			return err
		} else if more != nil {
			return usagef("watch: want jq PROGRAM after the bar")
		}
	}
	var before []string
	for round := 1; ; round++ {
		start := time.Now()
		result, name, err := sh.ask(ctx, sh.current, line, in.timeout)
		if err != nil {
			return watchEnd(sh, err)
		}
		var b bytes.Buffer
		plain := *sh
		plain.plain = true // a mark must not be in the middle of a colour
		if err := plain.format(ctx, &b, name, result, in.switches); err != nil {
			return err
		}
		s := sh.screen()
		if sh.tty == nil || in.json || s.dumb {
			if _, err := sh.out.Write(b.Bytes()); err != nil {
				return err
			}
		} else {
			lines := strings.Split(strings.TrimRight(b.String(), "\n"), "\n")
			text := markChanges(before, lines, s)
			before = lines
			head := cut(fmt.Sprintf("every %s: %s — %s, Ctrl-C ends", in.interval, strings.TrimSpace(line), start.Format("15:04:05")), s.width)
			fmt.Fprintf(sh.out, "\x1b[H\x1b[J%s\n\n%s", head, text)
		}
		if in.count > 0 && round >= in.count {
			return nil
		}
		select {
		case <-ctx.Done():
			return watchEnd(sh, context.Cause(ctx))
		case <-time.After(in.interval - time.Since(start)):
		}
	}
}

// watchEnd returns nil for Ctrl-C in the shell: it is how one ends a watch.
func watchEnd(sh *shell, err error) error {
	if errors.Is(err, errInterrupted) && sh.editor != nil {
		fmt.Fprintln(sh.out)
		return nil
	}
	return err
}

// markChanges returns the lines that fit on the screen. What differs from the lines before is in reverse video.
func markChanges(before, lines []string, s screen) string {
	var b strings.Builder
	for i, line := range lines {
		if i >= s.height-4 {
			fmt.Fprintf(&b, "… and %d more lines\n", len(lines)-i)
			break
		}
		old := line
		if before != nil {
			old = ""
			if i < len(before) {
				old = before[i]
			}
		}
		b.WriteString(markChange(cut(old, s.width), cut(line, s.width)) + "\n")
	}
	return b.String()
}

// markChange marks the part of a line between what it has in common with the old one at its two ends.
func markChange(before, line string) string {
	if before == line {
		return line
	}
	a, c := []rune(before), []rune(line)
	from := 0
	for from < len(a) && from < len(c) && a[from] == c[from] {
		from++
	}
	to := 0
	for to < len(a)-from && to < len(c)-from && a[len(a)-1-to] == c[len(c)-1-to] {
		to++
	}
	return string(c[:from]) + "\x1b[7m" + string(c[from:len(c)-to]) + "\x1b[0m" + string(c[len(c)-to:])
}
