package job

import (
	"context"
	"slices"
	"strings"

	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

// IsOf reports whether the ID of a job is the ID of a disk, a dot and a purpose without dots, as in "data1.move".
func IsOf(id, disk string) bool {
	purpose, ok := strings.CutPrefix(id, disk+".")
	return ok && disk != "" && purpose != "" && !strings.Contains(purpose, ".")
}

// OnDisk returns the jobs that are on a disk: a job uses a node of the disk, or has an ID of the disk, see [IsOf]. jobs are
// from [List], nodes from [Nodes]; nodes can be nil. isOn reports whether a node is one of the disk.
func OnDisk(jobs []qemu.JobInfo, nodes map[string][]string, disk string, isOn func(node string) bool) (on []qemu.JobInfo) {
	for _, j := range jobs {
		if IsOf(j.ID, disk) || slices.ContainsFunc(nodes[j.ID], isOn) {
			on = append(on, j)
		}
	}
	return on
}

// Nodes returns the names of the block nodes that each job uses, by the job's ID: the source and the target, and the
// nodes below them that have no name of a user. A job that has ended and was not dismissed can still use nodes. Jobs
// without nodes, for example of blockdev-create, are not in the result.
//
// If the server lacks the command, the error matches errors.ErrUnsupported.
//
// Source: x-debug-query-block-graph, which QEMU declares unstable and has had since 4.0.
func Nodes(ctx context.Context, x qmp.Executor) (map[string][]string, error) {
	graph, err := qemu.XDebugQueryBlockGraph{}.Do(ctx, x)
	if err != nil {
		return nil, err
	}
	names := map[uint64]string{}
	for _, n := range graph.Nodes {
		if n.Type == qemu.XDbgBlockGraphNodeTypeBlockDriver {
			names[n.ID] = n.Name
		}
	}
	below := map[uint64][]uint64{}
	for _, e := range graph.Edges {
		below[e.Parent] = append(below[e.Parent], e.Child)
	}
	used := map[string][]string{}
	for _, n := range graph.Nodes {
		if n.Type != qemu.XDbgBlockGraphNodeTypeBlockJob {
			continue
		}
		var add func(nodes []uint64)
		add = func(nodes []uint64) {
			for _, id := range nodes {
				name, isNode := names[id]
				if !isNode || slices.Contains(used[n.Name], name) {
					continue
				}
				used[n.Name] = append(used[n.Name], name)
				if strings.HasPrefix(name, "#") { // QEMU's own: a filter of the job, or a part of another node
					add(below[id])
				}
			}
		}
		add(below[n.ID])
	}
	return used, nil
}
