package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/qmpkit/qmpkit/hotplug"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

// A value is something that the server has now, such as a block node.
type value struct{ text, help, typ string }

// A lister lists the values of a kind. of narrows the kind down: the node whose bitmaps are wanted.
type lister struct {
	list   func(ctx context.Context, x qmp.Executor, of string) ([]value, error)
	static bool // they stay the same while the server runs
}

// listers has the kinds of package cmdline.
var listers = map[string]lister{
	"node":            {list: nodes},
	"block-device":    {list: blockDevices},
	"disk":            {list: disks},
	"nic":             {list: nics},
	"memory":          {list: memory},
	"hmp":             {list: humanCommands, static: true},
	"device":          {list: children("/machine/peripheral")},
	"job":             {list: rows("query-jobs", "id", "type", "status")},
	"export":          {list: rows("query-block-exports", "id", "type", "node-name")},
	"bitmap":          {list: bitmaps},
	"snapshot":        {list: snapshots},
	"chardev":         {list: rows("query-chardev", "label", "filename")},
	"netdev":          {list: netdevs},
	"object":          {list: objects},
	"driver":          {list: drivers, static: true},
	"qom-type":        {list: rows("qom-list-types", "name", "parent"), static: true},
	"bus":             {list: buses},
	"qom-path":        {list: qomPaths},
	"qom-property":    {list: properties("qom-list", "path")},
	"device-property": {list: properties("device-list-properties", "typename"), static: true},
	"object-property": {list: properties("qom-list-properties", "typename"), static: true},
	"file":            {list: files},
	"cpu":             {list: rows("query-cpus-fast", "cpu-index", "qom-path")},
	"fdset":           {list: rows("query-fdsets", "fdset-id")},
	"option":          {list: rows("query-command-line-options", "option"), static: true},
	"trace-event":     {list: traceEvents, static: true},
	"virtio":          {list: rows("x-query-virtio", "path", "name")},
}

var errMute = errors.New("the server has not answered the last query")

// A late executes the queries for values. If one has no answer in time, the session is mute until the answer comes.
type late struct {
	qmp.Executor
	s *session
}

func (x late) Execute(ctx context.Context, call *qmp.Call) error {
	var answered atomic.Bool
	call.Late = func(qmp.RawJSON) {
		answered.Store(true)
		x.s.mute.Store(false)
	}
	err := x.Executor.Execute(ctx, call)
	if errors.Is(err, qmp.ErrOutcomeUnknown) && errors.Is(err, context.DeadlineExceeded) {
		x.s.mute.Store(true)
		if answered.Load() { // before this goroutine came here
			x.s.mute.Store(false)
		}
	}
	return err
}

// values lists the values of a kind such as "node" or "bitmap:disk0".
func (s *session) values(ctx context.Context, kind string) ([]value, error) {
	name, of, _ := strings.Cut(kind, ":")
	l, ok := listers[name]
	if !ok || s.kind == kindGuest && name != "file" {
		return nil, nil
	}
	if known, ok := s.static[kind]; ok {
		return known, nil
	}
	changes := s.changes.Load()
	if known, ok := s.typed[kind]; ok && s.typedAt == changes {
		return known, nil
	}
	if s.conn == nil {
		return nil, nil
	}
	if s.mute.Load() { // the line is not held up again
		return nil, errMute
	}
	values, err := l.list(ctx, late{s.conn, s}, of)
	switch {
	case err != nil || name == "file":
	case l.static:
		s.static[kind] = values
	default:
		if s.typed == nil || s.typedAt != changes {
			s.typed, s.typedAt = map[string][]value{}, changes
		}
		s.typed[kind] = values
	}
	return values, err
}

// ask executes a command and decodes its result.
func ask[T any](ctx context.Context, x qmp.Executor, command string, args qmp.Args) (result T, err error) {
	text, err := qmp.Raw{Command: command, Args: args}.Do(ctx, x)
	if err == nil {
		err = json.Unmarshal(text, &result)
	}
	return result, err
}

// rows returns the lister of a query that returns objects: the member with the text, and those that explain it.
func rows(command, text string, help ...string) func(context.Context, qmp.Executor, string) ([]value, error) {
	return func(ctx context.Context, x qmp.Executor, _ string) ([]value, error) {
		all, err := ask[[]map[string]any](ctx, x, command, nil)
		var values []value
		for _, row := range all {
			var words []string
			for _, name := range help {
				if word, ok := row[name]; ok {
					words = append(words, fmt.Sprint(word))
				}
			}
			values = append(values, value{text: fmt.Sprint(row[text]), help: strings.Join(words, " ")})
		}
		return values, err
	}
}

// A blockInfo is a disk, as query-block describes it.
type blockInfo struct {
	Device, QDev string
	Inserted     struct {
		Node    string                  `json:"node-name"`
		Driver  string                  `json:"drv"`
		File    string                  `json:"file"`
		Bitmaps []struct{ Name string } `json:"dirty-bitmaps"`
		Image   struct {
			Snapshots []struct{ Name string } `json:"snapshots"`
		} `json:"image"`
	}
	Bitmaps []struct{ Name string } `json:"dirty-bitmaps"`
}

func blockInfos(ctx context.Context, x qmp.Executor) ([]blockInfo, error) {
	return ask[[]blockInfo](ctx, x, "query-block", nil)
}

// nodes lists all block nodes. The query that is made for that terminates some QEMUs while they have a job: see package
// job. So the nodes come from the graph, and query-block explains those of disks.
func nodes(ctx context.Context, x qmp.Executor, _ string) ([]value, error) {
	help := map[string]string{}
	var disks sync.WaitGroup
	disks.Go(func() { // QEMU works on this while the other answer is read
		all, _ := blockInfos(ctx, x) // a storage daemon has none
		for _, b := range all {
			help[b.Inserted.Node] = b.Inserted.Driver + " " + b.Inserted.File
		}
	})
	names, err := nodeNames(ctx, x)
	disks.Wait()
	var values []value
	for _, name := range names {
		values = append(values, value{text: name, help: help[name]})
	}
	return values, err
}

// nodeNames asks for the graph, which is a fifth of the statistics. The latter are for a server that has no graph.
func nodeNames(ctx context.Context, x qmp.Executor) (names []string, err error) {
	graph, err := ask[struct{ Nodes []struct{ Name, Type string } }](ctx, x, "x-debug-query-block-graph", nil)
	if err == nil {
		for _, n := range graph.Nodes {
			if n.Type == "block-driver" {
				names = append(names, n.Name)
			}
		}
		return names, nil
	}
	if _, refused := errors.AsType[*qmp.Error](err); !refused {
		return nil, err
	}
	all, err := ask[[]struct {
		Name string `json:"node-name"`
	}](ctx, x, "query-blockstats", qmp.Args{"query-nodes": true})
	for _, n := range all {
		names = append(names, n.Name)
	}
	return names, err
}

// bitmaps lists the bitmaps of the nodes that disks use directly.
func bitmaps(ctx context.Context, x qmp.Executor, of string) ([]value, error) {
	all, err := blockInfos(ctx, x)
	var values []value
	for _, b := range all {
		if of != "" && of != b.Inserted.Node && of != b.Device {
			continue
		}
		for _, bitmap := range append(b.Inserted.Bitmaps, b.Bitmaps...) {
			v := value{text: bitmap.Name, help: "of " + b.Inserted.Node}
			if v.text != "" && !slices.Contains(values, v) {
				values = append(values, v)
			}
		}
	}
	return values, err
}

func snapshots(ctx context.Context, x qmp.Executor, of string) ([]value, error) {
	all, err := blockInfos(ctx, x)
	var values []value
	for _, b := range all {
		for _, s := range b.Inserted.Image.Snapshots {
			if of == "" || of == b.Inserted.Node || of == b.Device {
				values = append(values, value{text: s.Name, help: "of " + b.Inserted.Node})
			}
		}
	}
	return values, err
}

func blockDevices(ctx context.Context, x qmp.Executor, _ string) ([]value, error) {
	all, err := blockInfos(ctx, x)
	var values []value
	for _, b := range all {
		if b.Device != "" {
			values = append(values, value{text: b.Device, help: b.Inserted.File})
		}
		id, _, _ := strings.Cut(strings.TrimPrefix(b.QDev, "/machine/peripheral/"), "/")
		if id != "" {
			values = append(values, value{text: id, help: b.Inserted.File})
		}
	}
	return values, err
}

// disks lists the disks by the names that operations take.
func disks(ctx context.Context, x qmp.Executor, _ string) ([]value, error) {
	all, err := qemu.QueryBlock{}.Do(ctx, x)
	var values []value
	for i, name := range hotplug.DiskNames(all) {
		help := "no medium"
		if inserted := all[i].Inserted; inserted != nil {
			help = strings.TrimSpace(inserted.Drv + " " + inserted.File)
		}
		if name != "" {
			values = append(values, value{text: name, help: help})
		}
	}
	slices.SortFunc(values, func(a, b value) int { return strings.Compare(a.text, b.text) })
	return values, err
}

// memory lists the memory devices that have an ID.
func memory(ctx context.Context, x qmp.Executor, _ string) ([]value, error) {
	all, err := ask[[]struct {
		Type string
		Data struct{ ID string }
	}](ctx, x, "query-memory-devices", nil)
	var values []value
	for _, d := range all {
		if d.Data.ID != "" {
			values = append(values, value{text: d.Data.ID, help: d.Type})
		}
	}
	return values, err
}

// A property is a property of an object or a type.
type property struct{ Name, Type, Description string }

// child returns the type of the child that the property is, "" for none.
func (p property) child() string {
	typ, ok := strings.CutPrefix(p.Type, "child<")
	if !ok {
		return ""
	}
	return strings.TrimSuffix(typ, ">")
}

func children(at string) func(context.Context, qmp.Executor, string) ([]value, error) {
	return func(ctx context.Context, x qmp.Executor, _ string) ([]value, error) {
		all, err := ask[[]property](ctx, x, "qom-list", qmp.Args{"path": at})
		var values []value
		for _, p := range all {
			if typ := p.child(); typ != "" {
				values = append(values, value{text: p.Name, help: typ})
			}
		}
		return values, err
	}
}

func properties(command, by string) func(context.Context, qmp.Executor, string) ([]value, error) {
	return func(ctx context.Context, x qmp.Executor, of string) ([]value, error) {
		all, err := ask[[]property](ctx, x, command, qmp.Args{by: of})
		var values []value
		for _, p := range all {
			if p.child() == "" {
				values = append(values, value{text: p.Name, help: strings.TrimSpace(p.Type + " " + p.Description), typ: p.Type})
			}
		}
		return values, err
	}
}

func drivers(ctx context.Context, x qmp.Executor, _ string) ([]value, error) {
	all, err := ask[[]struct{ Name, Parent string }](ctx, x, "qom-list-types", qmp.Args{"implements": "device", "abstract": false})
	var values []value
	for _, t := range all {
		values = append(values, value{text: t.Name, help: t.Parent})
	}
	return values, err
}

// objects lists the objects of a type and of those derived from it.
func objects(ctx context.Context, x qmp.Executor, typ string) ([]value, error) {
	all, err := children("/objects")(ctx, x, "")
	if err != nil || typ == "" {
		return all, err
	}
	types, err := ask[[]struct{ Name string }](ctx, x, "qom-list-types", qmp.Args{"implements": typ})
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(all, func(v value) bool {
		return !slices.Contains(types, struct{ Name string }{v.help})
	}), nil
}

func qomPaths(ctx context.Context, x qmp.Executor, typed string) ([]value, error) {
	folder := path.Dir(typed + "x")
	if !strings.HasPrefix(typed, "/") {
		folder = "/"
	}
	all, err := children(folder)(ctx, x, "")
	for i, v := range all {
		all[i].text = path.Join(folder, v.text)
		if !strings.HasPrefix(all[i].text, typed) {
			continue // each question takes a round trip
		}
		if below, err := children(all[i].text)(ctx, x, ""); err == nil && len(below) > 0 {
			all[i].text += "/"
		}
	}
	return all, err
}

// Lines of the monitor for people: QMP has no query for buses, and older versions have none for netdevs.
var (
	netdevLine = regexp.MustCompile(`(?m)^[ \\]*([^ :]+): index=\d+,type=([^,\s]+)`)
	humanLine  = regexp.MustCompile(`(?m)^(?:info )?([^\s|\[]+)(?:[^\n]*?) -- (.*)$`)
	busLine    = regexp.MustCompile(`(?m)^ *bus: (\S+)\s+type (\S+)`)
)

func lines(ctx context.Context, x qmp.Executor, command string, re *regexp.Regexp) ([]value, error) {
	text, err := ask[string](ctx, x, "human-monitor-command", qmp.Args{"command-line": command})
	var values []value
	for _, m := range re.FindAllStringSubmatch(text, -1) {
		values = append(values, value{text: m[1], help: m[2]})
	}
	return values, err
}

func netdevs(ctx context.Context, x qmp.Executor, _ string) ([]value, error) {
	all, err := lines(ctx, x, "info network", netdevLine)
	return slices.DeleteFunc(all, func(v value) bool { return v.help == "nic" }), err
}

func nics(ctx context.Context, x qmp.Executor, _ string) ([]value, error) {
	all, err := lines(ctx, x, "info network", netdevLine)
	return slices.DeleteFunc(all, func(v value) bool { return v.help != "nic" }), err
}

// humanCommands lists the commands of the human monitor, or what its command info shows.
func humanCommands(ctx context.Context, x qmp.Executor, of string) ([]value, error) {
	return lines(ctx, x, strings.TrimSpace("help "+of), humanLine)
}

// busTypes are the types of buses, by the types of the devices on them. QEMU does not list this relation.
var busTypes = map[string]string{
	"pci-device": "PCI", "scsi-device": "SCSI", "usb-device": "usb-bus", "virtio-device": "virtio-bus",
	"virtio-serial-port": "virtio-serial-bus", "isa-device": "ISA", "ide-device": "IDE", "hda-codec": "HDA", "i2c-slave": "i2c-bus",
	"nvme-ns": "nvme-bus", "floppy": "floppy-bus", "ccid-card": "ccid-bus", "ssi-peripheral": "SSI", "ssi-slave": "SSI",
	"ccw-device": "virtual-css-bus", "vio-spapr-device": "spapr-vio-bus", "sys-bus-device": "System",
}

// buses lists the buses that take a driver. If the driver is not known, it lists all that take devices while the
// machine runs.
func buses(ctx context.Context, x qmp.Executor, driver string) ([]value, error) {
	all, err := lines(ctx, x, "info qtree", busLine)
	if err != nil {
		return nil, err
	}
	types, err := ask[[]struct{ Name, Parent string }](ctx, x, "qom-list-types", qmp.Args{"abstract": true})
	if err != nil {
		return nil, err
	}
	parents := map[string]string{}
	for _, t := range types {
		parents[t.Name] = t.Parent
	}
	want := ""
	for typ := driver; typ != "" && want == ""; typ = parents[typ] {
		want = busTypes[typ]
	}
	return slices.DeleteFunc(all, func(v value) bool {
		if want == "" {
			return v.help == "System"
		}
		typ := v.help
		for typ != "" && typ != want {
			typ = parents[typ]
		}
		return typ == ""
	}), nil
}

func traceEvents(ctx context.Context, x qmp.Executor, _ string) ([]value, error) {
	all, err := ask[[]struct{ Name string }](ctx, x, "trace-event-get-state", qmp.Args{"name": "*"})
	var values []value
	for _, e := range all {
		values = append(values, value{text: e.Name})
	}
	return values, err
}

// files lists files of this machine. "~/" is the home folder.
func files(_ context.Context, _ qmp.Executor, typed string) ([]value, error) {
	folder, _ := filepath.Split(typed)
	open := cmp.Or(folder, ".")
	if below, ok := strings.CutPrefix(folder, "~/"); ok {
		if home, err := os.UserHomeDir(); err == nil {
			open = filepath.Join(home, below)
		}
	}
	entries, err := os.ReadDir(open)
	var values []value
	for _, e := range entries {
		name := folder + e.Name()
		if info, err := os.Stat(filepath.Join(open, e.Name())); err == nil && info.IsDir() {
			name += "/"
		}
		values = append(values, value{text: name})
	}
	return values, err
}
