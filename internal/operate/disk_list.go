package operate

import (
	"cmp"
	"context"
	"fmt"
	"strings"

	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

func listDisks(ctx context.Context, env *Env, _ Values) error {
	all, err := env.disks().Disks(ctx)
	if err != nil {
		return err
	}
	values, lines := []diskValue{}, []string{}
	line := func(format string, args ...any) { lines = append(lines, fmt.Sprintf(format, args...)) }
	for _, d := range all {
		value := diskValue{ID: d.ID, Path: d.Path, Size: d.Size(), ReadOnly: d.ReadOnly, Images: []imageValue{}, Jobs: list0(d.Jobs),
			Exports: list0(d.Exports), Bitmaps: list0(d.Bitmaps), Unused: list0(d.Left)}
		name := d.ID
		if name == "" {
			name = d.Path
		}
		state := bytes(d.Size())
		switch {
		case len(d.Layers) == 0:
			state = "no medium"
		case d.ReadOnly:
			state += ", read-only"
		}
		line("%s: %s", name, state)
		for _, l := range d.Layers {
			line("  %s %s %s", l.Driver, l.Node, cmp.Or(l.Path, l.File))
			value.Images = append(value.Images, imageValue{l.Node, l.Driver, l.File, l.Path, l.Size})
		}
		for _, j := range d.Jobs {
			line("  job %s", jobLine(j))
		}
		for _, e := range d.Exports {
			line("  export %s (%s)", e.ID, e.Type)
		}
		for _, b := range d.Bitmaps {
			line("  bitmap %s", bitmapLine(b))
		}
		for _, node := range d.Left {
			line("  not used: node %s", node)
		}
		values = append(values, value)
	}
	return env.result(values, lines...)
}

// A diskValue is a disk as JSON.
type diskValue struct {
	ID       string                 `json:"id,omitempty"`
	Path     string                 `json:"path"`
	Size     int64                  `json:"size"`
	ReadOnly bool                   `json:"read-only"`
	Images   []imageValue           `json:"images"`
	Jobs     []qemu.JobInfo         `json:"jobs"`
	Exports  []qemu.BlockExportInfo `json:"exports"`
	Bitmaps  []qemu.BlockDirtyInfo  `json:"bitmaps"`
	Unused   []string               `json:"unused-nodes"`
}

// An imageValue is an image of a disk as JSON.
type imageValue struct {
	Node   string              `json:"node"`
	Driver qemu.BlockdevDriver `json:"driver"`
	File   string              `json:"file,omitempty"`
	Path   string              `json:"path,omitempty"` // of a file that QEMU got as a descriptor
	Size   int64               `json:"size"`
}

// list0 returns a list that is not nil, for JSON.
func list0[T any](all []T) []T { return append([]T{}, all...) }

// bitmapLine describes a bitmap: "chain1, 5 MiB changed, recording, persistent".
func bitmapLine(b qemu.BlockDirtyInfo) string {
	words := []string{qmp.Value(b.Name), bytes(b.Count) + " changed"}
	for _, state := range []struct {
		on   bool
		name string
	}{{b.Recording, "recording"}, {!b.Recording, "disabled"}, {b.Busy, "in use"}, {b.Persistent, "persistent"}, {qmp.Value(b.Inconsistent), "inconsistent"}} {
		if state.on {
			words = append(words, state.name)
		}
	}
	return strings.Join(words, ", ")
}
