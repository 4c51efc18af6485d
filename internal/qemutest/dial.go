package qemutest

import (
	"context"
	"testing"
	"time"

	"github.com/qmpkit/qmpkit/qmp"
)

// dialLimit is for a greeting: enough for a QEMU that starts while all CPUs are busy.
const dialLimit = 30 * time.Second

// Dial connects to the first socket of a QMP server, until the end of the test.
func (s *Server) Dial(t testing.TB) *qmp.Client {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), dialLimit)
	defer cancel()
	c, err := qmp.Dial(ctx, s.Socket(), nil)
	if err != nil {
		t.Fatalf("%v; %s", err, s.Output())
	}
	t.Cleanup(func() { c.Close() })
	return c
}
