// Package qmptest is a QMP server for testing programs that use package qmp. It speaks the real
// protocol on a real socket, so the test includes the real client.
//
//	func TestStatus(t *testing.T) {
//		s := qmptest.NewServer(t, nil)
//		s.Expect("query-status").Reply(qemu.StatusInfo{Running: true, Status: "running"})
//
//		status, err := qemu.QueryStatus{}.Do(t.Context(), s.Dial())
//		…
//	}
//
// # Answers
//
// A test gives the server the answers in two ways, which can be mixed. [Server.Expect] adds a command and
// its answer to a script: the commands must come in this order, and a command that has not come when the
// test ends fails the test. [Server.Handle] sets a handler, which answers a command whenever it comes. If
// a command is not the next one of the script and has no handler, the server answers as QEMU does to an
// unknown command, with CommandNotFound.
//
// Like QEMU, the server serves one client at a time, and executes commands one after the other. It
// greets the client, and accepts only qmp_capabilities until the client has negotiated. [Server.Event]
// sends an event to a client that has negotiated. If the client sends text that is not a request, the
// server answers with an error without an id, as QEMU 7.2 to 10.2 do, and the session continues.
//
// # Descriptors
//
// [Request.Files] has the descriptors that came with a command. As in QEMU, the next getfd or add-fd
// also gets them, unless other descriptors come before it. A getfd with the name "0" discards them
// and fails. The server closes all descriptors when the test ends.
//
// # Where it listens
//
// [Server.Addr] returns the path of a UNIX socket, for a program that dials. [Server.Dial]
// returns a client that is connected to it. [Server.Pipe] returns a connection in memory for
// [qmp.NewClient]. It cannot carry descriptors.
//
// # Schemas
//
// The server checks each request before the script and the handlers see it. By default it has the schema
// of generated/qemu, or of generated/guest for a guest agent. It refuses a request, with QEMU's class and
// text, if:
//   - a member is missing, unexpected or of the wrong type;
//   - an enum does not have the value;
//   - the request is out of band and the command does not allow that.
//
// A refusal alone does not fail the test: the program gets the error. A refused request is not a step of
// the script. If the test then fails because the command is missing, the message has the refused request
// and the reason.
//
// The server does not check commands that the default schema does not have. [Options.Unchecked]
// turns the check off. With [Options.Schema] the server has another schema and also refuses unknown
// commands:
//
//	reply, err := os.ReadFile("testdata/query-qmp-schema.json") // recorded from a real QEMU
//	…
//	schema, err := introspect.Read(reply)
//	…
//	s := qmptest.NewServer(t, &qmptest.Options{Schema: schema})
//
// QEMU checks more than its schema. The schema has no ranges of integers. It does not have the properties
// of devices (device_add) and, up to 5.2, of objects (object-add): the server accepts all properties. In
// QEMU, the code of the command checks these; in a test, a handler must check them.
//
// A refusal has the text of the QEMU version in [Options.Version] (5.2 or newer), with two exceptions. If
// an unsigned integer has the wrong type, QEMU says "expects uint64" and the server names the type
// "integer". If several members are unexpected, QEMU names any of them and the server names the first.
//
// # Faults
//
// To delay, repeat or leave out an answer, use these handlers with Expect or Handle:
//
//	s.Expect("stop").Handle(qmptest.Delay(time.Minute, qmptest.Return(nil)))
//	s.Handle("query-block", qmptest.Twice(qmptest.Return(blocks)))
//	s.Handle("device_add", qmptest.WithoutID(qmptest.Refuse(qmp.ErrGeneric, "not JSON")))
//	s.Handle("migrate", qmptest.NoReply)          // continues with the next command
//	s.Handle("qmp_capabilities", qmptest.Hang)    // stops reading
//
// A handler that returns [ErrNoReply] can answer later, in any order, with [Request.Reply];
// [Request.Disconnect] ends the connection instead.
//
// To corrupt or cut the output, give the connection a [Fault]:
//
//	s := qmptest.NewServer(t, &qmptest.Options{Faults: []qmptest.Fault{
//		qmptest.Insert(0, []byte("QEMU monitor\r\n")), // garbage before the greeting
//		qmptest.Cut(1000),                             // then ends at the 1000th byte
//		qmptest.Split(1),                              // and sends byte by byte
//	}})
//
// [Server.SetFaults] sets the faults of later connections. [Server.Merge] and [Server.Reverse] rearrange the
// next messages; [Server.Greet] greets a second time, Server.Write sends any bytes, and [Server.Disconnect]
// ends the connection. [Options.Pretty] spreads each message over many lines.
//
// # Time
//
// A server works in a testing/synctest bubble if it is made inside the bubble and its client uses
// [qmp.NewClient] and [Server.Pipe]. [Delay], [Lag] and the client's timeouts take no time in a
// bubble. Sockets do not work there.
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
// # Programs
//
// A program or an Example function, which has no test, makes a server for a [Program]:
//
//	var p qmptest.Program
//	defer p.Close()
//	s := qmptest.NewServer(&p, nil)
//
// # Guest agents
//
// With [Options.Guest] the server is a guest agent. It does not greet, negotiate or send events. It answers
// guest-sync and guest-sync-delimited itself, unless the test has a handler for them or the script expects
// them. Before the reply to guest-sync-delimited it sends a byte FF. If the client sends a byte FF inside a
// message, the server answers with an error. The server does not answer guest-shutdown, guest-suspend-disk,
// guest-suspend-ram and guest-suspend-hybrid if their handler returns nil.
package qmptest
