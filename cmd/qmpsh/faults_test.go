package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/introspect"
	"github.com/qmpkit/qmpkit/qmp/qmptest"
)

// A fault is a way in which a server goes wrong.
type fault string

const (
	hangs   fault = "hangs"   // it does not answer, and the user presses Ctrl-C
	killed  fault = "killed"  // the connection ends at a command
	refuses fault = "refuses" // it answers with an error
	busy    fault = "busy"    // it does not greet, as if another client had the monitor
)

// faulty returns the address of a server that goes wrong at each command. met gets the commands.
func faulty(t *testing.T, f fault) (addr string, met chan string) {
	t.Helper()
	met = make(chan string, 100)
	if f == busy {
		l, err := net.Listen("unix", filepath.Join(t.TempDir(), "s"))
		require.NoError(t, err)
		t.Cleanup(func() { l.Close() })
		go func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				defer c.Close()
				met <- "greeting"
			}
		}()
		return l.Addr().String(), met
	}
	s := server(t)
	text, err := os.ReadFile("../../testdata/schema/captured/11.1/qemu.json")
	require.NoError(t, err)
	schema, err := introspect.Read(text)
	require.NoError(t, err)
	for _, info := range schema.Infos {
		c, ok := info.(*introspect.Command)
		if !ok || c.Name == "query-qmp-schema" || c.Name == "qmp_capabilities" {
			continue
		}
		s.Handle(c.Name, func(r *qmptest.Request) (any, error) {
			met <- r.Command
			switch f {
			case hangs:
				return nil, qmptest.ErrNoReply
			case killed:
				r.Disconnect()
				return nil, qmptest.ErrNoReply
			}
			return nil, &qmp.Error{Class: "GenericError", Desc: "injected"}
		})
	}
	return s.Addr(), met
}

// TestBuiltinsUnderFaults executes all builtins, and all subcommands, on servers that go wrong: each ends, with the exit
// status of what has happened and one error. What needs no server succeeds.
func TestBuiltinsUnderFaults(t *testing.T) {
	type row struct {
		line  string // FAULTY is the address of the server, HEALTHY that of another one, and TALK a recording
		local bool   // it does not ask the server
	}
	tests := map[string][]row{
		"help":     {{"help", true}, {"help query-block", true}, {"help device_add driver=virtio-blk-pci", false}, {"help operations", true}},
		"?":        {{"? events", true}},
		"events":   {{"events -n 1", true}, {"events -timeout 10ms", true}},
		"watch":    {{"watch query-name", false}, {"watch query-block | jq .[0]", false}},
		"progress": {{"progress", false}},
		"tree":     {{"tree block", false}, {"tree net", false}, {"tree pci -dot", false}, {"tree qom -svg", false}},
		"on":       {{"on vm query-name", false}, {"on all query-name", false}, {"on vm list disks", false}},
		"use":      {{"use vm", true}},
		"open":     {{"open b=HEALTHY", true}},
		"close":    {{"open b=HEALTHY\nclose b", true}},
		"sessions": {{"sessions", true}},
		"version":  {{"version", true}},
		"exit":     {{"exit", true}},

		"qmpsh record":     {{"record OUT FAULTY SOCKET", true}},
		"qmpsh fmt":        {{"fmt TALK", true}},
		"qmpsh explain":    {{"explain TALK", true}, {"explain -server FAULTY TALK", true}},
		"qmpsh replay":     {{"replay TALK FAULTY", false}},
		"qmpsh serve":      {{"serve TALK SOCKET", true}},
		"qmpsh completion": {{"completion bash", true}},
		"qmpsh man":        {{"man", true}},
	}
	for name := range builtins {
		assert.Contains(t, tests, name, "a builtin without a row")
	}
	for _, c := range newRoot(nil, nil).Commands() {
		assert.Contains(t, tests, "qmpsh "+c.Name(), "a subcommand without a row")
	}
	for name, rows := range tests {
		for _, row := range rows {
			for _, f := range []fault{hangs, killed, refuses, busy} {
				t.Run(row.line+"/"+string(f), func(t *testing.T) {
					t.Parallel()
					dir := t.TempDir()
					addr, met := faulty(t, f)
					recorded := filepath.Join(dir, "talk")
					require.NoError(t, os.WriteFile(recorded, []byte(`{"execute":"query-name","id":1}`+"\n"+`{"return":{},"id":1}`+"\n"), 0o600))
					line := strings.NewReplacer("FAULTY", addr, "HEALTHY", named(t, "other").Addr(), "TALK", recorded,
						"OUT", filepath.Join(dir, "out"), "SOCKET", filepath.Join(dir, "s")).Replace(row.line)
					args, stdin := strings.Fields(line), filepath.Join(dir, "stdin")
					if !strings.HasPrefix(name, "qmpsh ") {
						args = []string{"vm=" + addr}
					}
					require.NoError(t, os.WriteFile(stdin, []byte(line), 0o600))
					in, err := os.Open(stdin)
					require.NoError(t, err)
					defer in.Close()

					ctx, cancel := context.WithCancelCause(t.Context())
					defer cancel(nil)
					connects := !strings.HasPrefix(name, "qmpsh ") || strings.Contains(row.line, "FAULTY") && name != "qmpsh record"
					endless := name == "qmpsh record" || name == "qmpsh serve" || row.line == "events -n 1"
					if asks := f == hangs && !row.local || f == busy && connects; asks || endless {
						go func() { // Ctrl-C, as soon as something waits
							if asks {
								select {
								case <-met:
								case <-ctx.Done():
								}
							}
							time.Sleep(200 * time.Millisecond)
							cancel(errInterrupted)
						}()
					}
					var out, errs bytes.Buffer
					status := runWith(ctx, args, in, &out, &errs)

					want := []int{exitOK}
					switch {
					case f == busy && connects:
						want = []int{exitInterrupted}
					case row.line == "events -n 1":
						want = []int{exitInterrupted}
					case row.local:
					case strings.HasPrefix(row.line, "help "): // it says less
						want = []int{exitOK, exitInterrupted, exitUsage}
					case f == hangs:
						want = []int{exitInterrupted}
					case f == killed:
						want = []int{exitUnknown, exitNotSent}
					case f == refuses:
						want = []int{exitRefused}
					}
					text := fmt.Sprintf("%s%s", &out, &errs)
					require.Contains(t, want, status, text)
					if status != exitOK && !(name == "qmpsh replay" && f == refuses) { // that is an answer, and it differs
						require.Equal(t, 1, strings.Count(errs.String(), "qmpsh: "), text)
						require.True(t, strings.HasSuffix(errs.String(), "\n"), text)
					}
				})
			}
		}
	}
}

// TestTabUnderFaults completes values of all kinds on servers that go wrong: it ends, and offers nothing.
func TestTabUnderFaults(t *testing.T) {
	for _, f := range []fault{hangs, killed, refuses} {
		for kind := range listers {
			if kind == "file" {
				continue
			}
			addr, _ := faulty(t, f)
			sh := newShell(&bytes.Buffer{}, &bytes.Buffer{})
			require.NoError(t, sh.open(t.Context(), "vm="+addr))
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
			values, err := sh.current.values(ctx, kind)
			assert.Empty(t, values, "%s: %s", f, kind)
			assert.Error(t, err, "%s: %s", f, kind)
			assert.True(t, f != hangs || sh.current.mute.Load() || errors.Is(err, context.DeadlineExceeded), kind)
			_, candidates := sh.complete(ctx, "query-na", len("query-na"))
			assert.True(t, slices.ContainsFunc(candidates, func(c candidate) bool { return c.text == "query-name" }), "the schema completes")
			cancel()
			sh.close()
		}
	}
}
