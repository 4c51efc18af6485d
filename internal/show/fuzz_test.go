package show_test

import (
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/qmpkit/qmpkit/internal/show"
)

// FuzzValue prints any answer to commands with and without columns: Value does not panic, and no control character of the
// answer reaches the terminal.
func FuzzValue(f *testing.F) {
	f.Add("query-block", `[{"device": "", "qdev": "/machine/peripheral/data1/virtio-backend", "inserted": {"file": "json:{\"driver\": \"raw\"}"}}]`, 80)
	f.Add("query-pci", `[{"bus": 0, "devices": [{"bus": 0, "slot": -1, "function": 1e9, "regions": [{"size": 1e400}]}]}]`, 1)
	f.Add("x", `[{"a\u001b": ["\u001b[2J", {"size": -1.5}, []]}, {}]`, 10)
	f.Fuzz(func(t *testing.T, command, answer string, width int) {
		for _, o := range []show.Options{{Width: width}, {Width: width, All: true}} {
			var out strings.Builder
			if show.Value(&out, command, []byte(answer), o) != nil {
				return
			}
			if slices.ContainsFunc([]rune(out.String()), func(r rune) bool { return r != '\n' && (r < ' ' || r >= 0x7f && r < 0xa0) }) {
				t.Errorf("a control character in %q", out.String())
			}
		}
		_ = show.Value(io.Discard, command, []byte(answer), show.Options{Width: width, Colour: true})
	})
}
