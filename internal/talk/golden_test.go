package talk_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/internal/golden"
	"github.com/qmpkit/qmpkit/internal/talk"
)

// TestLogs reads, prints and explains logs. Those of socat and of QEMU's trace events are real.
func TestLogs(t *testing.T) {
	golden.Compare(t, "testdata/*.txtar", func(t *testing.T, archive *txtar.Archive) *txtar.Archive {
		log := golden.FS(archive)["log"].Data
		text, lines := show(t, log)
		require.NotContains(t, text+lines, "opensesame")
		return &txtar.Archive{Comment: archive.Comment, Files: []txtar.File{
			{Name: "log", Data: log}, {Name: "text", Data: []byte(text)}, {Name: "json", Data: []byte(lines)},
		}}
	})
}

// show prints and explains a log, as text and as JSON.
func show(t *testing.T, log []byte) (text, lines string) {
	var b, j bytes.Buffer
	p := talk.Printer{W: &b, Width: 160, Conversations: strings.Contains(string(log), "mon=")}
	var x talk.Explainer
	for e, err := range talk.Join(talk.Read(bytes.NewReader(log))) {
		require.NoError(t, err)
		require.NoError(t, p.Print(e))
		remarks := x.Explain(e)
		require.NoError(t, p.Remarks(remarks))
		j.Write(e.JSON(remarks))
	}
	require.NoError(t, p.Finish())
	return b.String(), j.String()
}
