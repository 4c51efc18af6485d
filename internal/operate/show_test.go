package operate_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/internal/qemutest"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

// TestStopped: QEMU 5.2 and 7.2 keep descriptors while the machine is stopped.
func TestStopped(t *testing.T) {
	onAll(t, func(t *testing.T, q *qemutest.QEMU) {
		s := start(t, q)
		s.do("add", "disk", "d0", s.file("d0.img", 1<<20), "driver=scsi-hd")
		require.NoError(t, qemu.Stop{}.Do(t.Context(), s.c))
		s.do("screenshot", s.file("screen.png", 0))
		require.NotEmpty(t, s.do("screenshot", "-"))
		s.do("copy", "d0", s.file("copy.img", 0))
		if out, err := s.try("clean", "disk", "d0"); err != nil {
			require.False(t, q.AtLeast(10, 0))
			require.ErrorContains(t, err, "when it runs, repeat clean disk d0")
			require.Contains(t, out, "still in QEMU")
		} else {
			require.True(t, q.AtLeast(10, 0))
		}
		require.NoError(t, qemu.Cont{}.Do(t.Context(), s.c))
		require.Equal(t, "disk d0 is clean\n", s.do("clean", "disk", "d0"))
		require.NotContains(t, s.do("list", "disks"), "not used")
	})
}

// TestShow: an operation that lists something gives a value, if the caller wants one.
func TestShow(t *testing.T) {
	qemutest.Run(t, []string{"11.1"}, func(t *testing.T, q *qemutest.QEMU) {
		s := start(t, q)
		var shown []any
		s.env.Show = func(value any) error { shown = append(shown, value); return nil }
		for _, words := range []string{"list disks", "job list", "migrate status"} {
			require.Empty(t, s.do(strings.Fields(words)...))
		}
		text, err := json.Marshal(shown)
		require.NoError(t, err)
		require.Regexp(t, `^\[\[.*"id":"cd0".*"images":\[\].*\],\[\],\{\}\]$`, string(text))
		failed := errors.New("no")
		s.env.Show = func(any) error { return failed }
		s.refused(failed, "job", "list")
		s.env.Show, s.env.Out = nil, failing{failed}
		s.refused(failed, "migrate", "status")
	})
}

type failing struct{ err error }

func (f failing) Write([]byte) (int, error) { return 0, f.err }
