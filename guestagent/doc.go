// Package guestagent works in a guest through its agent, qemu-ga: it runs programs, reads and writes files, freezes file
// systems and shuts the guest down.
//
//	agent, err := guestagent.Dial(ctx, "/run/vm1/qga.sock", nil)
//	if err != nil {
//		return err
//	}
//	defer agent.Close()
//
//	out, err := agent.Run(ctx, guestagent.Command{Path: "uname", Args: []string{"-r"}})
//	…
//	data, err := agent.ReadFile(ctx, "/etc/os-release")
//
// An [Agent] is a [qmp.Executor]. What one command does is a request of generated/guest:
//
//	info, err := guest.GuestGetOSInfo{}.Do(ctx, agent)
//
// # Errors
//
// The agent answers in the same way if it lacks a command, if its configuration disables the command, and if file systems
// are frozen. An Agent asks for the reason: the error matches [ErrUnavailable], [ErrDisabled] or [ErrFrozen]. The reason for
// another refusal, for example a missing file, is only in the text of the [*qmp.Error], which differs from version to
// version.
//
// The channel does not end with the agent, so a command can wait for ever: give each context a deadline. With [Options.VM]
// and [Options.Port], QEMU reports the end of the agent, and commands end with [ErrAgentGone].
//
// # Contexts
//
// If the context of [Agent.Run] ends, Run kills the program. If the context of [Agent.Open] or [Agent.Start] ends before the
// agent answers, and the answer still comes, the Agent closes the file or kills the program. If the connection ends before
// the answer, the file stays open until the agent ends.
//
// # One command at a time
//
// An agent executes one command after the other, and others wait. Files are read and written in pieces of 64 KiB, and the
// state of a program is polled, so several goroutines can use one Agent. A channel has one client at a time: a second one
// gets no answer until the first has closed its connection. An agent that listens on a UNIX socket itself ends when a client
// closes the connection before it has read all replies.
//
// # Versions
//
// Package guestagent is tested with the agents of QEMU 5.2, 7.2, 10.0 and 11.1 in Linux guests. Programs are started by
// setsid, if the guest has it, and killed by the kill of a shell.
package guestagent
