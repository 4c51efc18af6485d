package talk_test

import (
	"bytes"
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

// show prints and explains a log, as text and as JSON, and adds it up.
func show(t *testing.T, log []byte) (text, lines string) {
	entries, err := talk.Collect(talk.Join(talk.Read(bytes.NewReader(log))))
	require.NoError(t, err)
	var b, j bytes.Buffer
	require.NoError(t, talk.Write(&b, entries, talk.Options{Width: 160, Explain: &talk.Explainer{}}))
	require.NoError(t, talk.WriteTotals(&b, talk.Totals(entries)))
	require.NoError(t, talk.Write(&j, entries, talk.Options{JSON: true, Explain: &talk.Explainer{}}))
	return b.String(), j.String()
}

// TestNames writes some commands and events only.
func TestNames(t *testing.T) {
	entries := read(t, aStop)
	var b bytes.Buffer
	require.NoError(t, talk.Write(&b, entries, talk.Options{Names: []string{"stop", "res*"}}))
	require.Equal(t, "> stop\n1970-01-01\n00:00:01.000001 * STOP\n< stop  ok\n"+
		"00:00:01.000001 * RESET  {\"guest\":false,\"reason\":\"none\"}\n", b.String())
	require.Error(t, talk.Write(&b, entries, talk.Options{Names: []string{"["}}))
	require.NoError(t, talk.Write(&b, nil, talk.Options{}))
}
