package page_test

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/internal/page"
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
	var strs struct{ Strings []string }
	require.NoError(t, json.Unmarshal([]byte(data(t, text)), &strs))
	for _, place := range []string{"command-QMP-block-core.eject", "event-QMP-run-state.STOP", "enum-QMP-run-state.RunState",
		"object-QSD-block-core.BlockdevOptionsFile", "alternate-QMP-block-core.BlockdevRef", "command-QGA-qapi-schema.guest-exec"} {
		require.Contains(t, strs.Strings, place, "a place in QEMU's reference")
	}
	// The longest texts are conditions and sources of dates: there is no prose.
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

// TestData compares the data with the tables: all paths are there, in order, and the parts have the dates of their
// facts. TestBrowserFacts compares what the page makes of it.
func TestData(t *testing.T) {
	type row []json.RawMessage
	var d struct {
		Releases, Strings []string
		Dates             [][]string
		Times             [][]int
		Servers           []struct {
			Key   string
			Nodes []row
			Paths []int
		}
	}
	require.NoError(t, json.Unmarshal([]byte(data(t, made(t))), &d))
	require.Equal(t, []string{"5.2", "6.0"}, d.Releases[:2])
	require.Equal(t, "11.1", d.Releases[len(d.Releases)-1])
	str := func(r row, i int) string {
		n := 0
		if i < len(r) {
			require.NoError(t, json.Unmarshal(r[i], &n))
		}
		return d.Strings[n]
	}
	for i, s := range servers(t) {
		nodes := map[string]facts.Node{}
		for n := range s.Facts.Nodes() {
			nodes[n.Name] = n
		}
		of := d.Servers[i]
		require.Equal(t, s.Key, of.Key)
		var paths []string
		for i := 0; i < len(of.Paths); i += 2 {
			path := d.Strings[of.Paths[i+1]]
			if before := of.Paths[i]; before >= 0 {
				path = paths[before] + "/" + path
			}
			paths = append(paths, path)
		}
		require.Equal(t, slices.Collect(s.Facts.Paths()), paths)

		compared := 0
		for _, node := range of.Nodes {
			forms := map[string]int{}
			parts := make([]row, len(node)-10)
			for i, raw := range node[10:] {
				require.NoError(t, json.Unmarshal(raw, &parts[i]))
				forms[str(parts[i], 0)]++
			}
			for _, part := range parts {
				label := str(part, 0)
				if forms[label] > 1 || strings.ContainsAny(label, "<|/") || !unicode.IsLetter(rune(label[0])) && label[0] != '^' {
					continue
				}
				name := str(node, 1) + "/" + label
				fact, err := s.Facts.Path(name)
				require.NoError(t, err)
				var n int
				require.NoError(t, json.Unmarshal(part[2], &n))
				times := d.Times[n-1]
				removed := ""
				if last := times[len(times)-1]; last >= 0 {
					removed = d.Dates[last][0]
				}
				require.LessOrEqual(t, facts.Compare(d.Dates[times[0]][0], fact.Since.Release), 0, name)
				if nodes[str(node, 1)].Times[0].Removed.Release == "" && forms["<"] == 0 {
					require.Equal(t, fact.Removed.Release, removed, name)
				}
				compared++
			}
		}
		require.Greater(t, compared, 300)
	}
}
