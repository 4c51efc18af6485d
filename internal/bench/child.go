package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
)

// taskVariable names what the program is to do as a child of its own: a task as JSON. It is a
// variable, and no argument, so that a test's program can be such a child, too.
const taskVariable = "QMPKIT_BENCH_TASK"

// A task is what a child does: one of the two.
type task struct {
	Serve  string `json:"serve,omitempty"`  // be a stand-in on this socket
	Polled bool   `json:"polled,omitempty"` // one for many connections

	Measure string `json:"measure,omitempty"` // measure this, and print the rows as JSON
	Quick   bool   `json:"quick,omitempty"`
	Temp    string `json:"temp,omitempty"`
}

// aloneMeasurements are those that need a process of their own.
var aloneMeasurements = map[string]func(context.Context, *bench) ([]result, error){
	"roundtrip":   measureRoundTripPinned,
	"replies":     measureLargeRepliesHere,
	"connections": measureConnectionsAlone,
}

// runTask does what the environment asks a child for. It returns false when this is no child.
func runTask(ctx context.Context) (bool, error) {
	text := os.Getenv(taskVariable)
	if text == "" {
		return false, nil
	}
	var t task
	if err := json.Unmarshal([]byte(text), &t); err != nil {
		return true, err
	}
	go exitWithParent()
	if t.Serve != "" {
		return true, serveStandIn(t.Serve, t.Polled)
	}
	measure := aloneMeasurements[t.Measure]
	if measure == nil {
		return true, fmt.Errorf("no measurement %q", t.Measure)
	}
	rows, err := measure(ctx, &bench{quick: t.Quick, temp: t.Temp})
	if err != nil {
		return true, err
	}
	return true, json.NewEncoder(os.Stdout).Encode(rows)
}

// exitWithParent ends a child whose parent has ended, however it has: its standard input then
// ends.
func exitWithParent() {
	_, _ = io.Copy(io.Discard, os.Stdin)
	os.Exit(1)
}

// A child is this program, doing a task.
type child struct {
	cmd    *exec.Cmd
	stdin  io.Closer
	stdout io.Reader
	stderr bytes.Buffer
}

// A starter starts a command in a certain way.
type starter func(*exec.Cmd) error

// startNow is the usual way.
func startNow(cmd *exec.Cmd) error { return cmd.Start() }

// startChild starts a child, which is killed when ctx ends.
func startChild(ctx context.Context, t task, start starter) (*child, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, err
	}
	text, err := json.Marshal(t)
	if err != nil {
		return nil, err
	}
	c := &child{cmd: exec.CommandContext(ctx, program)}
	c.cmd.Env = append(os.Environ(), taskVariable+"="+string(text))
	if t.Serve != "" {
		// No signals, all the time, to threads that wait in system calls.
		c.cmd.Env = append(c.cmd.Env, "GODEBUG=asyncpreemptoff=1")
	}
	c.cmd.Stderr = &c.stderr
	if c.stdin, err = c.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	if c.stdout, err = c.cmd.StdoutPipe(); err != nil {
		return nil, err
	}
	return c, start(c.cmd)
}

// stop ends the child, if it has not ended yet.
func (c *child) stop() {
	_ = c.cmd.Process.Kill()
	_ = c.cmd.Wait()
	_ = c.stdin.Close()
}

// why returns the error of a child that ended early, with what it printed.
func (c *child) why(err error) error {
	err = fmt.Errorf("a child has ended: %w", err)
	if printed := strings.TrimSpace(c.stderr.String()); printed != "" {
		err = fmt.Errorf("%w\n%s", err, printed)
	}
	return err
}

// alone has a measurement done by a child.
func (b *bench) alone(ctx context.Context, name string, start starter) ([]result, error) {
	temp, err := b.folder(name)
	if err != nil {
		return nil, err
	}
	c, err := startChild(ctx, task{Measure: name, Quick: b.quick, Temp: temp}, start)
	if err != nil {
		return nil, err
	}
	defer c.stop()
	text, err := io.ReadAll(c.stdout)
	if err == nil {
		err = c.cmd.Wait()
	}
	if err != nil {
		return nil, c.why(err)
	}
	var rows []result
	return rows, json.Unmarshal(text, &rows)
}
