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
// events, with [Server.Event], to a client that has negotiated. What is no JSON, or no request,
// is answered as by QEMU 7.2 to 10.2, with an error without an id, and the session goes on.
//
// # Descriptors
//
// The server takes descriptors: those that came with a command are in [Request.Files]. As in
// QEMU they do not belong to it: the next getfd or add-fd has them too, unless others have come
// in between, even if it came without any, and a getfd with the name "0" is answered as there.
// All of them are closed when the test ends.
//
// # Where it listens
//
// [Server.Addr] is the path of a UNIX socket for programs that dial themselves, [Server.Dial]
// a client that is connected to it. [Server.Pipe] is a connection in memory, without
// descriptors, for [qmp.NewClient].
//
// # Schemas
//
// With [Options.Schema] each request is checked before the script and the handlers see it:
// an unknown command, a member that is missing, unexpected or of the wrong type, a value that
// an enum does not have, a command that cannot be executed out of band. It is refused with the
// class and the words of QEMU. That by itself fails no test: the client's error should. But
// it is not the command that a script waits for; the message about what did not come then says
// what was refused, and why.
//
//	reply, err := os.ReadFile("testdata/query-qmp-schema.json") // recorded from a real QEMU
//	…
//	schema, err := introspect.Read(reply)
//	…
//	s := qmptest.NewServer(t, &qmptest.Options{Schema: schema})
//
// A schema tells less than QEMU knows. It has no ranges of integers, and of an unsigned integer that
// has another type QEMU says "expects uint64" instead. It does not have the properties of devices
// (device_add) and, up to 5.2, of objects (object-add): the server takes any. What a command's own
// code checks is the handlers' part. Of several unexpected members QEMU names any, and the server
// the first. The words are those of the QEMU that [Options.Version] says, from 5.2 on.
//
// # Faults
//
// What goes wrong with an answer is said by wrapping its handler, in a script and outside:
//
//	s.Expect("stop").Handle(qmptest.Delay(time.Minute, qmptest.Return(nil)))
//	s.Handle("query-block", qmptest.Twice(qmptest.Return(blocks)))
//	s.Handle("device_add", qmptest.WithoutID(qmptest.Refuse(qmp.ErrGeneric, "not JSON")))
//	s.Handle("migrate", qmptest.NoReply)          // goes on with the next command
//	s.Handle("qmp_capabilities", qmptest.Hang)    // reads nothing any more
//
// A handler that returns [ErrNoReply] can answer later, in any order, with [Request.Reply];
// [Request.Disconnect] ends the connection instead.
//
// What goes wrong with the bytes, whoever wrote them, is a [Fault] of the connection:
//
//	s := qmptest.NewServer(t, &qmptest.Options{Faults: []qmptest.Fault{
//		qmptest.Insert(0, []byte("QEMU monitor\r\n")), // garbage before the greeting
//		qmptest.Cut(1000),                             // then ends at the 1000th byte
//		qmptest.Split(1),                              // and all that byte by byte
//	}})
//
// [Server.SetFaults] is for later connections, so that a client that connects anew finds
// another. [Server.Merge] and [Server.Reverse] rearrange the next messages; [Server.Greet]
// greets a second time, [Server.Write] sends any bytes at all, and [Server.Disconnect] ends
// the connection. [Options.Pretty] has every message on many lines.
//
// # Time
//
// Everything works inside a testing/synctest bubble, where time is the test's, if the server is
// made in it, and its client with [qmp.NewClient] and [Server.Pipe]: a socket is outside of what
// a bubble sees. [Delay] and [Lag] then take no time, and timeouts of the client neither.
//
//	synctest.Test(t, func(t *testing.T) {
//		s := qmptest.NewServer(t, nil)
//		s.Handle("stop", qmptest.Delay(time.Hour, qmptest.Return(nil)))
//		c, err := qmp.NewClient(t.Context(), s.Pipe(), nil)
//		…
//		defer c.Close()
//		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
//		defer cancel()
//		err = qemu.Stop{}.Do(ctx, c) // context.DeadlineExceeded, at once
//	})
//
// # Guest agents
//
// With [Options.Guest] the server is a guest agent: it neither greets nor negotiates nor sends
// events. It answers guest-sync and guest-sync-delimited by itself, the latter's reply behind a
// byte FF, unless the test has a handler or the next step of the script for them; a byte FF
// from the client ends a message, with an error; and guest-shutdown and guest-suspend-disk, -ram
// and -hybrid are not answered when they succeed, that is when their handler returns nil.
package qmptest
