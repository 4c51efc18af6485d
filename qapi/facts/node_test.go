package facts_test

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/qapi/facts"
)

// TestNodes looks at nodes and parts of several kinds.
func TestNodes(t *testing.T) {
	nodes := map[string]facts.Node{}
	var order []string
	for n := range facts.QEMU().Nodes() {
		nodes[n.Name] = n
		order = append(order, n.Kind)
	}
	require.Equal(t, []string{"command", "event"}, slices.Compact(order)[:2])
	part := func(node, label string) facts.Part {
		i := slices.IndexFunc(nodes[node].Parts, func(p facts.Part) bool { return p.Label == label })
		require.GreaterOrEqual(t, i, 0, "%s has no %s", node, label)
		return nodes[node].Parts[i]
	}
	require.Equal(t, "driver", nodes["BlockdevOptions"].Tag)
	require.Equal(t, "block-core", nodes["drive-backup"].Module)
	require.Equal(t, "BlockdevOptionsFile", part("BlockdevOptions", "+file").Target)
	require.Equal(t, "9.1", part("q_obj_migrate-arg", "blk").Times[0].Removed.Release)
	require.NotEmpty(t, part("BlockdevOptionsFile", "aio").Optional)
	require.Empty(t, part("BlockdevOptionsFile", "filename").Optional)
	require.Equal(t, "CONFIG_LINUX_IO_URING", part("BlockdevAioOptions", "^io_uring").If)
	require.Equal(t, "job-pause", part("block-job-pause", "$deprecated").Use)
	require.Equal(t, "2.11", nodes["migrate-set-cache-size"].Deprecated)
	require.Equal(t, "6.0", nodes["change"].Times[0].Removed.Release)
}

func TestReleases(t *testing.T) {
	require.Equal(t, []string{"8.1", "8.2", "9.0", "9.1"}, slices.Collect(facts.Releases("8.1", "9.1")))
	require.Equal(t, []string{"7.2"}, slices.Collect(facts.Releases("7.2", "7.2")))
	require.Empty(t, slices.Collect(facts.Releases("9.0", "8.2")))
	for v := range facts.Releases("5.2", "11.1") {
		require.Equal(t, "5.2", v)
		break
	}
}
