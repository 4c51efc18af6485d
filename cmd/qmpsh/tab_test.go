package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/internal/qemutest"
	"github.com/qmpkit/qmpkit/internal/show"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/qmptest"
)

// TestOverview: Tab in an empty line shows what the screen has room for, first what matters.
func TestOverview(t *testing.T) {
	sh := newShell(io.Discard, io.Discard)
	defer sh.close()
	require.NoError(t, sh.open(t.Context(), named(t, "vm").Addr()))
	for _, c := range []struct {
		kind        kind
		has, hasNot string
	}{{kindQEMU, "list disks", "guest-info"}, {kindStorage, "query-jobs", "list disks"}, {kindGuest, "agent", "events"}} {
		sh.current.kind = c.kind
		for width := 30; width < 200; width += 10 {
			text := sh.overview(width, 22)
			require.True(t, strings.HasPrefix(text, "first\n  help  "), text)
			require.Contains(t, text, c.has)
			require.NotContains(t, text, c.hasNot)
			for line := range strings.Lines(text) {
				require.LessOrEqual(t, show.Cells(strings.TrimSuffix(line, "\n")), max(width, 32), line)
			}
			if width >= 40 {
				require.LessOrEqual(t, strings.Count(text, "\n"), 26, width)
			}
		}
	}
}

func TestListCandidates(t *testing.T) {
	require.Equal(t, "  a    first\n  bcd  second help is …\n",
		listCandidates([]candidate{{text: "a", help: "first"}, {text: "bcd", help: "second help is long"}}, 24, 10))
	var many []candidate
	for i := range 100 {
		many = append(many, candidate{text: fmt.Sprintf("node%d", i), help: "x"})
	}
	text := listCandidates(many, 30, 3)
	require.Equal(t, 4, strings.Count(text, "\n"))
	require.Contains(t, text, "… and 88 more: type more letters")
	texts := []string{"a", "bb", "a-long-name", "c", "d"}
	require.Equal(t, []string{"a   a-long-name  d", "bb  c"}, inColumns(texts, 20))
	require.Equal(t, texts, inColumns(texts, 5))
	lines, left := fitColumns(texts, 5, 2)
	require.Equal(t, []string{"a  ", "bb"}[1:], lines[1:])
	require.Equal(t, 3, left)
	require.Equal(t, "node", commonPrefix(many))
}

// TestManyNodes completes the name of a node of a machine with 400 disks.
func TestManyNodes(t *testing.T) {
	args := []string{"-S", "-M", "q35", "-device", "virtio-scsi-pci,id=scsi0", "-device", "virtio-scsi-pci,id=scsi1"}
	for i := range 400 {
		args = append(args, "-blockdev", fmt.Sprintf("driver=raw,node-name=disk%d,file.driver=null-co,file.node-name=file%d", i, i),
			"-device", fmt.Sprintf("scsi-hd,drive=disk%d,bus=scsi%d.0", i, i%2))
	}
	vm := qemutest.Get(t, "11.1").Start(t, qemutest.Config{Args: args})
	sh := newShell(io.Discard, io.Discard)
	defer sh.close()
	require.NoError(t, sh.open(t.Context(), vm.Socket()))
	line := "block_resize node-name=disk39"
	var took time.Duration
	for range 5 { // the machine of the test may be busy: the best time counts
		sh.current.typed = nil
		start := time.Now()
		from, candidates := sh.complete(t.Context(), line, len(line))
		if now := time.Since(start); took == 0 || now < took {
			took = now
		}
		require.Equal(t, len("block_resize node-name="), from)
		require.Len(t, candidates, 11) // disk39, disk390 to disk399
	}
	t.Logf("%s", took)
	require.Less(t, took, time.Second)
}

// TestTypedNames: the names of a line are asked for once, and again after an event and in a new line.
func TestTypedNames(t *testing.T) {
	s := named(t, "vm")
	s.Handle("query-block", qmptest.Return([]any{}))
	s.Handle("x-debug-query-block-graph", func(*qmptest.Request) (any, error) {
		return nil, &qmp.Error{Class: qmp.ErrCommandNotFound, Desc: "not found"}
	})
	s.Handle("query-blockstats", qmptest.Return([]any{map[string]any{"node-name": "node1", "stats": nil}, map[string]any{"node-name": "node2", "stats": nil}}))
	sh := newShell(io.Discard, io.Discard)
	defer sh.close()
	sh.editor = &editor{sh: sh}
	require.NoError(t, sh.open(t.Context(), s.Addr()))
	line, asked := "block_resize node-name=n", func() int { return len(requestsOf(s, "query-blockstats")) }
	for range 3 {
		_, candidates := sh.complete(t.Context(), line, len(line))
		require.Len(t, candidates, 2)
		require.Equal(t, 1, asked())
	}
	s.Event("RESUME", nil)
	require.Eventually(t, func() bool { return sh.current.changes.Load() > 0 }, 30*time.Second, time.Millisecond)
	for range 2 {
		sh.complete(t.Context(), line, len(line))
		require.Equal(t, 2, asked())
	}
	sh.editor.out, sh.editor.plain = os.Stdout, bufio.NewReader(strings.NewReader("\n"))
	_, err := sh.editor.readLine("")
	require.NoError(t, err)
	sh.complete(t.Context(), line, len(line))
	require.Equal(t, 3, asked())
}
