// Package qmptest is a QMP server for tests of programs that use package qmp. It speaks the
// real protocol on a real socket, so that the real client is under test, down to the wire.
//
//	func TestStatus(t *testing.T) {
//		s := qmptest.NewServer(t, nil)
//		s.Expect("query-status").Reply(qemu.StatusInfo{Running: true, Status: "running"})
//
//		status, err := qemu.QueryStatus{}.Do(t.Context(), s.Dial())
//		…
//	}
//
// # What it answers
//
// A test says what the server is to do in two ways, which can be mixed. A script, made with
// [Server.Expect], is a list of commands that must come in this order, each with its answer;
// what has not come when the test ends fails the test. A handler, set with [Server.Handle],
// answers a command whenever it comes. A command that is neither next in the script nor has
// a handler is answered as QEMU answers an unknown one, with CommandNotFound.
//
// Like QEMU, the server has one client at a time, greets it, answers nothing but
// qmp_capabilities before that, executes one command after the other, in order, and sends
// events, with [Server.Event], to a client that has negotiated. Like QEMU it takes
// descriptors: those that came with a command are in [Request.Files].
//
// # Where it listens
//
// [Server.Addr] is the path of a UNIX socket for programs that dial themselves, [Server.Dial]
// a client that is connected to it. [Server.Pipe] is a connection in memory, without
// descriptors, for [qmp.NewClient]: with it everything works inside a testing/synctest
// bubble, where time is the test's.
//
// # Faults
//
// [Server.Write] sends any bytes at all, [Server.Disconnect] ends the connection, and
// [Request.Disconnect] does so instead of an answer. A handler that returns [ErrNoReply] does
// not answer; [Request.Reply] can do so later.
package qmptest
