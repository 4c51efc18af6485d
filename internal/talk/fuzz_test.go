package talk_test

import (
	"bytes"
	"encoding/json"
	"io"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/internal/golden"
	"github.com/qmpkit/qmpkit/internal/talk"
)

// FuzzRead reads, prints and explains anything. The messages, written as a recording, are the same when they are read
// again.
func FuzzRead(f *testing.F) {
	for _, archive := range golden.Archives(f, "testdata/*.txtar") {
		f.Add(golden.FS(archive)["log"].Data)
	}
	f.Add([]byte(`{"from":"client","message":{"execute":"blockdev-add","arguments":{"driver":"file","aio":["io_uring",{"a":null}]}}}`))
	f.Add([]byte(`{"execute":"a/b","arguments":{"":{"x/y":"z/"}}} {"return":1} {"error":[]} {"QMP":3} {"event":{}}`))
	f.Add([]byte("> 2026/11/30 22:19:51.000534258  length=99999999999999999999 from=0 to=30\n{\\"))
	f.Add([]byte("2026-99-99T99:99:99.9 {'a': \"'\\"))
	f.Fuzz(func(t *testing.T, log []byte) {
		p := talk.Printer{W: io.Discard, Width: 10}
		var x talk.Explainer
		entries, err := talk.Collect(talk.Join(talk.Read(bytes.NewReader(log))))
		require.NoError(t, err)
		var recording bytes.Buffer
		for _, e := range entries {
			require.NoError(t, p.Print(e))
			remarks := x.Explain(e)
			require.NoError(t, p.Remarks(remarks))
			line := e.JSON(remarks)
			require.True(t, json.Valid(line))
			if e.From != "" {
				recording.Write(line)
			}
		}
		require.NoError(t, p.Finish())
		again, err := talk.Collect(talk.Join(talk.Read(&recording)))
		require.NoError(t, err)
		i := 0
		for _, e := range entries {
			if e.From == "" {
				continue
			}
			require.Less(t, i, len(again))
			if json.Valid(e.Text) {
				require.Equal(t, e.Kind, again[i].Kind)
				require.Equal(t, string(e.Text), string(again[i].Text))
			}
			i++
		}
		require.Len(t, again, i)
	})
}
