package wire_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/qmp/wire"
)

func TestEnumAllocatesAValueOnce(t *testing.T) {
	for _, value := range []string{"a", "on", "off", "auto", "ready", "running", "in-progress", strings.Repeat("v", 64)} {
		text := []byte(`"` + value + `"`)
		d := new(wire.Decoder)
		require.Zero(t, testing.AllocsPerRun(100, func() {
			d.Reset(text)
			if d.Enum() != value {
				t.Error("another value was read")
			}
		}), value)
	}
}

func TestEnumsOfEveryLength(t *testing.T) {
	for n := range 80 {
		for range 2 {
			value := strings.Repeat("v", n)
			got, err := read([]byte(`"`+value+`"`), (*wire.Decoder).Enum)
			require.NoError(t, err)
			require.Equal(t, value, got)
		}
	}
}

// There are more values than the table has slots, so that many push each other out, and some
// differ only where the hash does not look.
func TestEnumsAreNeverMistaken(t *testing.T) {
	var wait sync.WaitGroup
	for range 4 {
		wait.Go(func() {
			d := new(wire.Decoder)
			for i := range 5000 {
				for _, value := range []string{fmt.Sprint(i), fmt.Sprintf("in-the-%d-middle", i)} {
					d.Reset([]byte(`"` + value + `"`))
					if got := d.Enum(); got != value {
						t.Errorf("read %s as %s", value, got)
					}
				}
			}
		})
	}
	wait.Wait()
}
