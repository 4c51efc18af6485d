package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"

	"github.com/qmpkit/qmpkit/internal/show"
	"github.com/qmpkit/qmpkit/qmp"
)

// filtered takes jq out of what follows the bar: "jq -r .status", and a program of the system after it. more is what
// follows the next bar, nil if there is none.
func (in *input) filtered() (more *string, err error) {
	words, more := scan(*in.filter)
	if len(words) == 0 || words[0].text != "jq" {
		return in.filter, nil
	}
	text := *in.filter
	if more != nil {
		text = strings.TrimRight(text[:len(text)-len(*more)], " |")
		if strings.HasPrefix(*more, ".") && !strings.HasPrefix(*more, "./") {
			return nil, usagef("jq: a bar in a program of jq needs quotes around the program: jq '%s | %s'",
				strings.TrimSpace(strings.TrimPrefix(text, "jq")), *more)
		}
	}
	for i, w := range words[1:] {
		if strings.HasPrefix(w.text, "-") && strings.Trim(w.text[1:], "rc") == "" && len(w.text) > 1 {
			in.compact = in.compact || strings.Contains(w.text, "c")
			continue
		}
		if strings.HasPrefix(w.text, "--") {
			return nil, usagef("jq: %s: want -r, -c and a program", w.text)
		}
		in.jq = strings.TrimSpace(text[w.from:])
		if i+2 == len(words) {
			in.jq = unquote(in.jq)
		}
		return more, nil
	}
	return nil, usagef("jq: want a program: COMMAND | jq PROGRAM")
}

// piped executes a line, and gives its output as JSON to a program.
func (sh *shell) piped(ctx context.Context, in input, own *builtin, program string) error {
	if program == "" {
		return usagef("a program is missing after the bar: want jq PROGRAM, or a program of the system")
	}
	var b bytes.Buffer
	other := sh.to(&b)
	in.filter = nil
	var err error
	if own != nil {
		err = own.run(other, ctx, in)
	} else {
		in.json = in.json || in.jq == ""
		other.indent = true
		err = other.command(ctx, sh.current, in)
	}
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, "sh", "-c", program)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = &b, sh.out, sh.errs
	cmd.WaitDelay = endLimit               // its children may have the output open
	if sh.editor != nil && sh.tty != nil { // it may be a pager, or another program that uses the terminal
		cmd.Stdout, cmd.Stderr, cmd.Env = sh.editor.out, sh.editor.out, pagerEnv()
		sh.editor.hold(true)
		defer sh.editor.hold(false)
	}
	err = cmd.Run()
	ended, ok := errors.AsType[*exec.ExitError](err)
	if ok && ended.ExitCode() > 0 && ctx.Err() == nil {
		return &failure{ended.ExitCode()} // the program has said why
	}
	if ok && ended.ExitCode() < 0 { // by a signal: if it is that of Ctrl-C, the shell gets it, too
		select {
		case <-ctx.Done():
		case <-time.After(endLimit):
		}
	}
	if err != nil && ctx.Err() != nil {
		if sh.editor != nil && sh.tty != nil {
			_, _ = io.WriteString(sh.editor.out, clearLine) // the prompt of a pager
		}
		return context.Cause(ctx)
	}
	if _, output := errors.AsType[*outputError](err); err != nil && !output {
		return usagef("%s: %w", program, err)
	}
	return err
}

// to returns a shell with the same sessions that writes its results to w.
func (sh *shell) to(w io.Writer) *shell {
	other := *sh
	other.out, other.tty = w, nil
	return &other
}

// print prints a result. It does nothing if no command was executed.
func (sh *shell) print(ctx context.Context, name string, result qmp.RawJSON, s switches) error {
	if name == "" {
		return nil
	}
	var b bytes.Buffer
	if err := sh.format(ctx, &b, name, result, s); err != nil {
		return err
	}
	return sh.page(b.Bytes())
}

// format writes a result in the form that the switches select. A script gets no line for a result that is empty.
func (sh *shell) format(ctx context.Context, w io.Writer, name string, result qmp.RawJSON, s switches) error {
	switch {
	case s.jq != "":
		outputs, err := show.Filter(ctx, result, s.jq)
		for _, text := range outputs {
			if err := sh.writeJSON(w, text, s); err != nil {
				return err
			}
		}
		if err != nil {
			return &usageError{err}
		}
		return nil
	case s.json:
		return sh.json(w, result)
	case sh.tty == nil && sh.editor == nil && slices.Contains([]string{"{}", "[]"}, string(result)):
		return nil
	}
	return showResult(w, name, result, sh.screen(), s.all)
}

// json writes JSON as the server sent it. People and programs of the system get it with indentation.
func (sh *shell) json(w io.Writer, text []byte) error {
	if sh.tty != nil || sh.indent {
		var b bytes.Buffer
		if json.Indent(&b, text, "", "  ") == nil {
			text = b.Bytes()
		}
	}
	_, err := fmt.Fprintf(w, "%s\n", sh.escapeJSON(text))
	return err
}

// writeJSON writes an output of jq: a string without quotes, or a value with indentation unless the switches say otherwise.
func (sh *shell) writeJSON(w io.Writer, text []byte, s switches) error {
	var line string
	var b bytes.Buffer
	switch {
	case s.json:
	case bytes.HasPrefix(text, []byte(`"`)) && json.Unmarshal(text, &line) == nil:
		_, err := fmt.Fprintln(w, sh.escape(line))
		return err
	case !s.compact && json.Indent(&b, text, "", "  ") == nil:
		text = b.Bytes()
	}
	_, err := fmt.Fprintf(w, "%s\n", sh.escapeJSON(text))
	return err
}

// escape makes a text from outside safe for the terminal. Files and pipes get it as it is.
func (sh *shell) escape(text string) string {
	if sh.tty == nil {
		return text
	}
	return show.EscapeText(text)
}

// escapeJSON is escape for JSON, which has the same value afterwards.
func (sh *shell) escapeJSON(text []byte) []byte {
	if sh.tty == nil {
		return text
	}
	return show.EscapeJSON(text)
}

// lessOptions let less show colours, leave the text on the screen, and say how to leave it.
const lessOptions = "LESS=-RFX -Psq leaves\\, Space goes on?e (this is the end).$"

func pagerEnv() []string {
	if os.Getenv("LESS") != "" {
		return os.Environ()
	}
	return append(os.Environ(), lessOptions)
}

// page prints a text. If it does not fit on the screen, it goes through a pager.
func (sh *shell) page(text []byte) error {
	if sh.editor == nil || sh.tty == nil || bytes.Count(text, []byte("\n")) < sh.screen().height-1 {
		_, err := sh.out.Write(text)
		return err
	}
	pager := os.Getenv("PAGER")
	if pager == "" {
		pager = "less"
	}
	if pager == "cat" {
		_, err := sh.out.Write(text)
		return err
	}
	cmd := exec.Command("sh", "-c", pager)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(text), os.Stdout, os.Stderr
	cmd.Env = pagerEnv()
	sh.editor.hold(true)
	defer sh.editor.hold(false)
	err := cmd.Start()
	if err == nil {
		defer onSignals(endSignals, func(s os.Signal) { _ = cmd.Process.Signal(s) })() // it restores the terminal
		err = cmd.Wait()
	}
	if err != nil {
		if _, ended := errors.AsType[*exec.ExitError](err); !ended || cmd.ProcessState.ExitCode() == 127 {
			_, err := sh.out.Write(text)
			return err
		}
	}
	return nil
}
