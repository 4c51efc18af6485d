package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"

	"github.com/spf13/cobra"

	"github.com/qmpkit/qmpkit/internal/address"
	"github.com/qmpkit/qmpkit/internal/talk"
	"github.com/qmpkit/qmpkit/qmp/qmpschema"
)

// talkCommands are the subcommands for recorded conversations.
func talkCommands(interrupt context.CancelCauseFunc) []*cobra.Command {
	record := &cobra.Command{
		Use:   "record FILE ADDRESS SOCKET",
		Short: "write the conversation of another program to a file, without secrets",
		Long: `Record listens on the UNIX socket SOCKET, connects each client to the server at ADDRESS, and writes what passes to
FILE. Give the other program SOCKET instead of the monitor. Ctrl-C ends it. Secrets are "***" in FILE.`,
		Example: "  qmpsh record talk.jsonl /run/vm1/qmp.sock /tmp/spy.sock",
		Args:    cobra.ExactArgs(3),
		RunE: func(cmd *cobra.Command, args []string) error {
			return recordProgram(cmd.Context(), args[0], args[1], args[2])
		},
	}
	var json bool
	format := &cobra.Command{
		Use:   "fmt [FILE]",
		Short: "print a recording or a log for people: time, direction, command and reply, duration",
		Long: `Fmt prints a conversation. FILE is a recording, a capture of socat -v, a log of libvirt or of QEMU's trace events, or
text with messages. Without FILE, it is standard input.`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return printTalk(cmd, args, json, nil)
		},
	}
	format.Flags().BoolVar(&json, "json", false, "print a JSON object for each message")
	var server string
	explain := &cobra.Command{
		Use:   "explain [FILE]",
		Short: "say what each message of a recording or a log is, since when, and what was wrong with it",
		Long: `Explain prints a conversation as fmt does, and says of each message which QEMU has it, what is deprecated, and why a
server refused it. The schema comes from the conversation or from the server at the ADDRESS of -server.`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			x := &talk.Explainer{}
			if server != "" {
				c, err := dialServer(cmd.Context(), server)
				if err != nil {
					return err
				}
				defer c.Close()
				ctx, cancel := context.WithTimeout(cmd.Context(), dialLimit)
				defer cancel()
				if x.Schema, err = qmpschema.Query(ctx, c); err != nil {
					return err
				}
				x.Version = c.Version()
			}
			return printTalk(cmd, args, json, x)
		},
	}
	explain.Flags().BoolVar(&json, "json", false, "print a JSON object for each message")
	explain.Flags().StringVar(&server, "server", "", "the `ADDRESS` of a server whose schema the requests are checked with")
	var changes bool
	replay := &cobra.Command{
		Use:   "replay FILE ADDRESS",
		Short: "send the requests of a recording again, and report answers that differ",
		Long: `Replay sends the recorded requests to the server at ADDRESS. It sends commands that can change something only with
-all, and query-qmp-schema never: "qapigen diff" compares schemas. The exit status is 1 if an answer differs.

Replay waits for answers, but not for recorded events: the new server may not send them. So a command that needs the
end of a job, for example, can be refused. Replay such a recording in parts.`,
		Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			return replayTalk(cmd, args[0], args[1], changes, json)
		},
	}
	replay.Flags().BoolVar(&changes, "all", false, "also send commands that can change something")
	replay.Flags().BoolVar(&json, "json", false, "print a JSON object for each request")
	var loose bool
	serve := &cobra.Command{
		Use:   "serve FILE SOCKET",
		Short: "answer a program as the recorded server did",
		Args:  cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			entries, err := readTalk(cmd, args[:1])
			if err != nil {
				return err
			}
			l, err := net.Listen("unix", args[1])
			if err != nil {
				return err
			}
			a := talk.NewAnswerer(entries, loose)
			defer a.Close()
			err = a.Serve(cmd.Context(), l)
			for _, request := range a.Unmatched() {
				fmt.Fprintln(cmd.ErrOrStderr(), "no answer is recorded for", request)
			}
			return err
		},
	}
	serve.Flags().BoolVar(&loose, "loose", false, "answer a request that was not recorded as the same command with other arguments")
	all := []*cobra.Command{record, format, explain, replay, serve}
	for _, c := range all {
		run := c.RunE
		c.RunE = func(cmd *cobra.Command, args []string) error {
			sh := newShell(cmd.OutOrStdout(), cmd.ErrOrStderr())
			stop := sh.onInterrupt(interrupt)
			defer stop()
			err := run(cmd, args)
			if cmd.Context().Err() == nil {
				return sh.fail(err)
			}
			if c == record || c == serve { // this is how they end
				return nil
			}
			return sh.fail(context.Cause(cmd.Context()))
		}
	}
	return all
}

func dialServer(ctx context.Context, name string) (address.Server, error) {
	addr, ok := address.Of(name)
	if !ok {
		return nil, usagef("%s: not the address of a server", name)
	}
	ctx, cancel := context.WithTimeout(ctx, dialLimit)
	defer cancel()
	return address.Dial(ctx, addr, nil)
}

func recordProgram(ctx context.Context, file, name, socket string) error {
	addr, ok := address.Of(name)
	if !ok {
		return usagef("%s: not the address of a server", name)
	}
	f, err := os.OpenFile(file, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return &usageError{err}
	}
	defer f.Close()
	l, err := net.Listen("unix", socket)
	if err != nil {
		return &usageError{err}
	}
	r := talk.NewRecorder(f)
	err = r.Serve(ctx, l, func(ctx context.Context) (net.Conn, error) { return address.Connect(ctx, addr) })
	return errors.Join(err, r.Close())
}

// readTalk reads a file, or standard input without one.
func readTalk(cmd *cobra.Command, args []string) ([]*talk.Entry, error) {
	in := cmd.InOrStdin()
	if len(args) > 0 {
		f, err := os.Open(args[0])
		if err != nil {
			return nil, &usageError{err}
		}
		defer f.Close()
		in = f
	}
	entries, err := talk.Collect(talk.Join(talk.Read(in)))
	if err != nil {
		return nil, &usageError{err}
	}
	if len(entries) == 0 {
		return nil, usagef("there is no message in it: want a recording of qmpsh, or a log of libvirt, QEMU or socat -v")
	}
	return entries, nil
}

func printTalk(cmd *cobra.Command, args []string, json bool, x *talk.Explainer) error {
	entries, err := readTalk(cmd, args)
	if err != nil {
		return err
	}
	out := cmd.OutOrStdout()
	p := &talk.Printer{W: out, Width: newShell(out, io.Discard).screen().width}
	p.Conversations = slices.ContainsFunc(entries, func(e *talk.Entry) bool { return e.Conversation != entries[0].Conversation })
	said := map[*talk.Entry][]talk.Remark{} // about requests
	for _, e := range entries {
		var remarks []talk.Remark
		if x != nil {
			remarks = x.Explain(e)
		}
		if json {
			if _, err := out.Write(e.JSON(remarks)); err != nil {
				return err
			}
			continue
		}
		if e.Kind == talk.Request {
			said[e] = remarks
		}
		// The remarks about a refusal repeat the faults of its request, which is above it.
		remarks = slices.DeleteFunc(remarks, func(r talk.Remark) bool { return e.Request != nil && slices.Contains(said[e.Request], r) })
		if err := errors.Join(p.Print(e), p.Remarks(remarks)); err != nil {
			return err
		}
	}
	if json {
		return nil
	}
	return p.Finish()
}

func replayTalk(cmd *cobra.Command, file, name string, all, json bool) error {
	entries, err := readTalk(cmd, []string{file})
	if err != nil {
		return err
	}
	c, err := dialServer(cmd.Context(), name)
	if err != nil {
		return err
	}
	defer c.Close()
	out, differ := cmd.OutOrStdout(), 0
	for r, err := range talk.Replay(cmd.Context(), c, entries, func(*talk.Entry) (bool, error) { return all, nil }) {
		if err != nil {
			return err
		}
		if r.Outcome == talk.Different {
			differ++
		}
		if json {
			if _, err := out.Write(r.JSON()); err != nil {
				return err
			}
			continue
		}
		fmt.Fprintf(out, "%-9s %s", r.Outcome, r.Request.Name())
		if r.Reason != "" {
			fmt.Fprintf(out, ": %s", r.Reason)
		}
		fmt.Fprintln(out)
		for _, d := range r.Differences {
			fmt.Fprintln(out, "         ", d)
		}
	}
	if differ > 0 {
		return &failure{exitRefused}
	}
	return nil
}
