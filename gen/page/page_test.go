package page_test

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/gen/page"
	"github.com/qmpkit/qmpkit/qapi"
	"github.com/qmpkit/qmpkit/qapi/facts"
	"github.com/qmpkit/qmpkit/testdata/schema"
)

// servers are all three.
func servers(t *testing.T) []page.Server {
	t.Helper()
	all := []page.Server{
		{Key: "qemu", Title: "QEMU", Facts: facts.QEMU(), Package: "qemu"},
		{Key: "storage", Title: "qemu-storage-daemon", Facts: facts.Storage(), Package: "storage"},
		{Key: "guest", Title: "guest agent", Facts: facts.Guest(), Package: "guest"},
	}
	for i, main := range []string{schema.NewestQEMU, schema.NewestStorage, schema.NewestGuest} {
		s, err := qapi.LoadFS(schema.FS, main, nil)
		require.NoError(t, err)
		all[i].Schema = s
	}
	return all
}

func made(t *testing.T) []byte {
	t.Helper()
	text, err := page.Make(servers(t)...)
	require.NoError(t, err)
	return text
}

// TestMake looks at the file as a whole.
func TestMake(t *testing.T) {
	text := made(t)
	require.Less(t, len(text), 1<<20, "half of what is allowed")
	require.Equal(t, string(text), string(made(t)), "the same bytes")
	network := regexp.MustCompile(`(?i)\b(?:src|href)="?(?:https?:)?//|@import|url\(|fetch\(|XMLHttpRequest|new WebSocket|sendBeacon`)
	require.Empty(t, network.FindString(string(text)), "nothing from the network")
	require.Equal(t, 2, strings.Count(string(text), "</script>"), "no text ends a script")
	// The longest texts are conditions and sources of dates: there is no prose.
	var strs struct{ Strings []string }
	require.NoError(t, json.Unmarshal([]byte(data(t, text)), &strs))
	for _, s := range strs.Strings {
		require.True(t, len(strings.Fields(s)) < 3 || strings.Contains(s, "CONFIG_") || strings.Contains(s, "TARGET_"), s)
	}
}

// data returns the data of a page.
func data(t *testing.T, text []byte) string {
	t.Helper()
	found := regexp.MustCompile(`(?s)<script type="application/json" id="data">(.*?)</script>`).FindSubmatch(text)
	require.NotNil(t, found)
	return string(found[1])
}
