package block_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/qmp"
)

// A faultyConn has a fault at one of its commands.
type faultyConn struct {
	qmp.Conn
	mu     sync.Mutex
	left   int // commands before the fault
	cancel context.CancelCauseFunc
	kind   string
	at     string // the command with the fault

	changes bool     // count only commands that change something
	sent    []string // all commands
}

var faultKinds = []string{"context ends before", "context ends after", "refused"}

// undoing are commands that QEMU refuses only if something is wrong with it.
var undoing = []string{"blockdev-del", "object-del", "remove-fd", "job-dismiss", "block-export-del", "nbd-server-stop"}

func (f *faultyConn) Execute(ctx context.Context, call *qmp.Call) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.sent = append(f.sent, call.Command)
	isQuery := strings.HasPrefix(call.Command, "query-") || strings.HasPrefix(call.Command, "qom-")
	if isQuery && f.changes || f.kind == "refused" && (isQuery || slices.Contains(undoing, call.Command)) {
		return f.Conn.Execute(ctx, call)
	}
	f.left--
	if f.left != 0 {
		return f.Conn.Execute(ctx, call)
	}
	f.at = call.Command
	switch f.kind {
	case "refused":
		return &qmp.Error{Command: call.Command, Class: "GenericError", Desc: "a fault"}
	case "context ends before":
		f.cancel(errFault)
		return f.Conn.Execute(ctx, call)
	}
	err := f.Conn.Execute(ctx, call)
	f.cancel(errFault)
	return err
}

var errFault = fmt.Errorf("a fault: %w", context.Canceled)

// faults does an operation again and again, with a fault at each of its commands. If the operation fails, check must find
// everything as before; else again makes it so. again may be nil.
func (m *machine) faults(t *testing.T, operation func(ctx context.Context, conn qmp.Conn) error, check, again func()) {
	t.Helper()
	for _, kind := range faultKinds {
		for n := 1; ; n++ {
			ctx, cancel := context.WithCancelCause(within(t))
			f := &faultyConn{Conn: m.Client, left: n, cancel: cancel, kind: kind}
			err := operation(ctx, f)
			cancel(nil)
			if err != nil {
				require.NotEmpty(t, f.at, err)
				t.Logf("%s %d, %s: %v", kind, n, f.at, err)
				check()
			} else if again != nil {
				again()
			}
			if f.at == "" {
				break
			}
			require.Less(t, n, 200)
		}
	}
}
