package qmptest

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
)

// FuzzParser: the parser accepts only JSON, and after the byte that makes it forget the rest it
// works as a new one.
func FuzzParser(f *testing.F) {
	for _, seed := range []string{
		`{"a":[1,-0.5e3,true,null,"\u00e9\ud83d\ude00"]}`, `{'a':'"\''}`, "\"\xC0\x80\"", `{]}[}`, `"\u12"`, "garbage", `01`, `[[`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, input []byte) {
		var p parser
		var got []message
		for _, b := range append(input, "\xFF[1]"...) {
			got = append(got, p.feed(b)...)
		}
		for _, m := range got {
			require.True(t, m.err != "" || json.Valid(m.text), "%q: %q", input, m.text)
		}
		require.GreaterOrEqual(t, len(got), 2)
		require.Equal(t, "[1]", string(got[len(got)-1].text))
		require.Contains(t, got[len(got)-2].err, "stray")
	})
}
