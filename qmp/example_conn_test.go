package qmp_test

import (
	"context"
	"fmt"

	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
	"github.com/qmpkit/qmpkit/qmp/qmptest"
)

// countingConn is a Conn that counts the commands. It gets its events from the Conn in it.
type countingConn struct {
	qmp.Conn
	commands int
}

func (c *countingConn) Execute(ctx context.Context, call *qmp.Call) error {
	c.commands++
	return c.Conn.Execute(ctx, call)
}

// Unwrap lets [qmp.ServerOf] find the server.
func (c *countingConn) Unwrap() qmp.Executor { return c.Conn }

// A type that embeds a Conn is a Conn, too.
func ExampleConn() {
	exampleQEMU(func(ctx context.Context, c *qmp.Client, s *qmptest.Server) {
		s.Handle("stop", qmptest.Return(nil))
		conn := &countingConn{Conn: c}
		if err := (qemu.Stop{}).Do(ctx, conn); err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(conn.commands)
	})
	// Output: 1
}

// A client and its wrapper have the same server.
func ExampleServerOf() {
	exampleQEMU(func(_ context.Context, c *qmp.Client, _ *qmptest.Server) {
		fmt.Println(qmp.ServerOf(&countingConn{Conn: c}) == qmp.ServerOf(c))
	})
	// Output: true
}

// A program that has nothing to send learns that QEMU has ended.
func ExampleClient_Done() {
	exampleQEMU(func(_ context.Context, c *qmp.Client, s *qmptest.Server) {
		s.Disconnect()
		<-c.Done()
		fmt.Println(c.Err() != nil)
	})
	// Output: true
}

// Stats counts what the client has done, for metrics.
func ExampleClient_Stats() {
	exampleQEMU(func(ctx context.Context, c *qmp.Client, s *qmptest.Server) {
		s.Handle("stop", qmptest.Refuse(qmp.ErrGeneric, "not now"))
		before := c.Stats()
		_ = qemu.Stop{}.Do(ctx, c) // refused
		after := c.Stats()
		fmt.Println(after.Commands-before.Commands, "command,", after.Refused-before.Refused, "refused")
	})
	// Output: 1 command, 1 refused
}
