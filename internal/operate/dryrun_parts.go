package operate

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"

	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

const objectsPath = "/objects"

// A dry run remembers the jobs, the sets of descriptors, the nodes and the objects that its commands would have made, and adds them to the
// answers of QEMU. So it goes on behind a job, and behind the creation of an image.

// A plannedSet is a set of descriptors of a dry run.
type plannedSet struct {
	number int64
	opaque string
}

// planParts does what a command would do with sets of descriptors and objects.
func (p *plan) planParts(command string, arguments []byte) {
	var o struct {
		ID     string `json:"id"`
		Type   string `json:"qom-type"`
		Set    *int64 `json:"fdset-id"`
		Opaque string `json:"opaque"`
		Node   string `json:"node-name"`
	}
	if json.Unmarshal(arguments, &o) != nil {
		return
	}
	p.disks = p.disks || !besideDisks[command]
	switch command {
	case "add-fd":
		if o.Set == nil {
			o.Set = new(p.newSet())
		}
		p.sets = append(p.sets, plannedSet{*o.Set, o.Opaque})
	case "remove-fd":
		before := len(p.sets)
		p.sets = slices.DeleteFunc(p.sets, func(s plannedSet) bool { return o.Set != nil && s.number == *o.Set })
		p.lessSets = p.lessSets || len(p.sets) == before // one of QEMU
	case "blockdev-add":
		if o.Node != "" {
			p.nodes = append(p.nodes, o.Node)
		}
	case "blockdev-del":
		before := len(p.nodes)
		p.nodes = slices.DeleteFunc(p.nodes, func(node string) bool { return node == o.Node })
		p.lessNodes = p.lessNodes || len(p.nodes) == before
	case "block-export-add", "block-export-del", "nbd-server-start", "nbd-server-stop":
		p.exports = true
	case "object-add":
		p.objects = append(p.objects, [2]string{o.ID, "child<" + o.Type + ">"})
	case "object-del":
		before := len(p.objects)
		p.objects = slices.DeleteFunc(p.objects, func(object [2]string) bool { return object[0] == o.ID })
		p.lessObjects = p.lessObjects || len(p.objects) == before
	}
}

// besideDisks are commands that do not change what query-block says about the disks of devices.
var besideDisks = map[string]bool{
	"add-fd": true, "remove-fd": true, "object-add": true, "object-del": true, "blockdev-add": true, "blockdev-del": true, "blockdev-create": true,
	"job-dismiss": true, "nbd-server-start": true, "guest-fsfreeze-freeze": true, "guest-fsfreeze-thaw": true,
}

// newSet returns the number that QEMU would give a new set, or a larger one.
func (p *plan) newSet() int64 {
	next := p.firstSet
	for _, s := range p.sets {
		next = max(next, s.number+1)
	}
	return next
}

// countSets asks QEMU for the numbers of its sets, before the first new one.
func (d dryExecutor) countSets(ctx context.Context) {
	sets, _ := qemu.QueryFDSets{}.Do(ctx, d.x) // if it fails, so will the operation
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, s := range sets {
		d.firstSet = max(d.firstSet, s.FDSetID+1)
	}
}

// knows reports whether the dry run can answer a query, although commands before it would have changed something.
func (p *plan) knows(call *qmp.Call) bool {
	var o struct {
		Path  string
		Nodes bool `json:"query-nodes"`
	}
	if call.Args != nil {
		arguments, err := call.AppendArgs(nil)
		if err != nil || json.Unmarshal(arguments, &o) != nil {
			return false
		}
	}
	switch call.Command {
	case "query-jobs", "query-block-jobs":
		return !p.unsure
	case "query-fdsets":
		return !p.lessSets
	case "query-block-exports":
		return !p.exports
	case "query-blockstats":
		return o.Nodes && !p.lessNodes
	case "qom-list":
		return o.Path == objectsPath && !p.lessObjects
	}
	return false
}

// answer answers a query that the dry run knows: with what QEMU has, and with what the dry run has planned.
func (d dryExecutor) answer(ctx context.Context, call *qmp.Call) error {
	question := qmp.Raw{Command: call.Command}
	switch call.Command {
	case "qom-list":
		question.Args = qmp.Args{"path": objectsPath}
	case "query-blockstats":
		question.Args = qmp.Args{"query-nodes": true}
	}
	text, err := question.Do(ctx, d.x)
	if err != nil {
		return err
	}
	var all []json.RawMessage
	if err := json.Unmarshal(text, &all); err != nil {
		return fmt.Errorf("answer of %s: %w", call.Command, err)
	}
	d.mu.Lock()
	for _, planned := range d.planned(call.Command) {
		text, _ := json.Marshal(planned)
		all = append(all, text)
	}
	d.mu.Unlock()
	if text, err = json.Marshal(all); err != nil {
		return fmt.Errorf("answer of %s: %w", call.Command, err)
	}
	return call.Decode(text)
}

// planned returns what the dry run adds to the answer of a query.
func (p *plan) planned(query string) (all []any) {
	switch query {
	case "query-fdsets":
		for _, s := range p.sets {
			all = append(all, map[string]any{"fdset-id": s.number, "fds": []any{map[string]any{"fd": 0, "opaque": s.opaque}}})
		}
	case "qom-list":
		for _, o := range p.objects {
			all = append(all, map[string]any{"name": o[0], "type": o[1]})
		}
	case "query-blockstats":
		for _, node := range p.nodes {
			all = append(all, qemu.BlockStats{NodeName: &node, Stats: qemu.BlockDeviceStats{TimedStats: []qemu.BlockDeviceTimedStats{}}})
		}
	case "query-jobs", "query-block-jobs":
		for _, id := range p.order {
			if j := p.jobs[id]; j != nil {
				if entry := j.entry(query, id); entry != nil {
					all = append(all, entry)
				}
			}
		}
	}
	return all
}

// result returns the made-up result of a command.
func (p *plan) result(command string) (result string, ok bool) {
	if command == "add-fd" {
		return `{"fd": 0, "fdset-id": ` + strconv.FormatInt(p.sets[len(p.sets)-1].number, 10) + `}`, true
	}
	result, ok = results[command]
	return result, ok
}
