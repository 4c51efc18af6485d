package qmptest_test

import (
	"errors"
	"fmt"
	"log"

	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
	"github.com/qmpkit/qmpkit/qmp/introspect"
	"github.com/qmpkit/qmpkit/qmp/qmptest"
)

// The server accepts only the commands of its schema, which has a single command here. The schema
// can also be a QEMU's, from query-qmp-schema.
func ExampleOptions_schema() {
	schema, err := introspect.Read([]byte(`[
		{"name": "stop", "meta-type": "command", "arg-type": "0", "ret-type": "0"},
		{"name": "0", "meta-type": "object", "members": []}]`))
	if err != nil {
		log.Fatal(err)
	}
	t := new(qmptest.Program)
	defer t.Close()
	s := qmptest.NewServer(t, &qmptest.Options{Schema: schema})
	s.Expect("stop")

	c := s.Dial()
	_, err = qmp.Raw{Command: "pause"}.Do(t.Context(), c)
	fmt.Println(err)
	_, err = qmp.Raw{Command: "stop", Args: qmp.Args{"now": true}}.Do(t.Context(), c)
	fmt.Println(err)
	fmt.Println(t.Close()) // where a test would end

	// Output:
	// qmp: pause: The command pause has not been found (CommandNotFound)
	// qmp: stop: Parameter 'now' is unexpected
	// qmptest: missing commands: stop; unexpected commands: pause (refused: The command pause has not been found), stop (refused: Parameter 'now' is unexpected)
}

// The script has a command for each step of the program, in this order.
func ExampleServer_Expect() {
	t := new(qmptest.Program)
	defer t.Close()
	s := qmptest.NewServer(t, nil)
	s.Expect("stop")
	s.Expect("query-status").Reply(map[string]any{"running": false, "status": "paused"})
	s.Expect("cont").Refuse(qmp.ErrGeneric, "not now")

	c := s.Dial()
	for _, command := range []string{"stop", "query-status", "cont"} {
		result, err := qmp.Raw{Command: command}.Do(t.Context(), c)
		fmt.Println(command, result, err)
	}
	// Output:
	// stop {} <nil>
	// query-status {"running":false,"status":"paused"} <nil>
	// cont null qmp: cont: not now
}

// A handler reads the arguments, and sends an event before the reply.
func ExampleServer_Handle() {
	t := new(qmptest.Program)
	defer t.Close()
	s := qmptest.NewServer(t, nil)
	s.Handle("device_del", func(r *qmptest.Request) (any, error) {
		var request qemu.DeviceDel
		if err := r.Decode(&request); err != nil {
			return nil, err
		}
		s.Event(qemu.EventDeviceDeleted, qemu.DeviceDeletedEvent{Device: &request.ID, Path: "/machine/peripheral/" + request.ID})
		return nil, nil
	})

	gone, err := qmp.AwaitEvent[qemu.DeviceDeletedEvent](t.Context(), s.Dial(), nil, qemu.DeviceDel{ID: "disk1"})
	fmt.Println(gone.Path, err)
	// Output: /machine/peripheral/disk1 <nil>
}

// The server answers the first command after the second.
func ExampleNoReply() {
	t := new(qmptest.Program)
	defer t.Close()
	s := qmptest.NewServer(t, nil)
	later := make(chan *qmptest.Request, 1)
	s.Handle("query-block", func(r *qmptest.Request) (any, error) {
		later <- r
		return qmptest.NoReply(r)
	})
	s.Handle("stop", qmptest.Return(nil))

	c := s.Dial()
	blocks := make(chan error)
	go func() {
		_, err := qemu.QueryBlock{}.Do(t.Context(), c)
		blocks <- err
	}()
	first := <-later
	fmt.Println("stop:", qemu.Stop{}.Do(t.Context(), c))
	first.Reply([]any{})
	fmt.Println("query-block:", <-blocks)
	// Output:
	// stop: <nil>
	// query-block: <nil>
}

// The connection ends instead of a reply: the client cannot know whether the command was executed.
func ExampleRequest_Disconnect() {
	t := new(qmptest.Program)
	defer t.Close()
	s := qmptest.NewServer(t, nil)
	s.Handle("stop", func(r *qmptest.Request) (any, error) {
		r.Disconnect()
		return nil, qmptest.ErrNoReply
	})

	err := qemu.Stop{}.Do(t.Context(), s.Dial())
	fmt.Println(errors.Is(err, qmp.ErrOutcomeUnknown))
	// Output: true
}
