package operate

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/qmpkit/qmpkit/block"
	"github.com/qmpkit/qmpkit/hotplug"
	"github.com/qmpkit/qmpkit/job"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

func listDisks(ctx context.Context, env *Env, _ Values) error {
	all, err := env.disks().Disks(ctx)
	if err != nil {
		return err
	}
	var jobs []job.Info
	if slices.ContainsFunc(all, func(d *block.Disk) bool { return len(d.Jobs) > 0 }) {
		if jobs, err = job.Describe(ctx, env.conn()); err != nil {
			return err
		}
	}
	values, lines := []diskValue{}, []string{}
	line := func(format string, args ...any) { lines = append(lines, fmt.Sprintf(format, args...)) }
	for _, d := range all {
		value := diskValue{Name: d.Name, ID: d.ID, Drive: d.Drive, Path: d.Path, Size: d.Size(), ReadOnly: d.ReadOnly, Images: []imageValue{}, Jobs: []jobValue{},
			Exports: list0(d.Exports), Bitmaps: list0(d.Bitmaps), Unused: list0(d.Left)}
		name := cmp.Or(d.Name, d.Path, "drive "+d.Drive)
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
			info := job.Info{JobInfo: j}
			if i := slices.IndexFunc(jobs, func(other job.Info) bool { return other.ID == j.ID }); i >= 0 { // it can have ended since
				info = jobs[i]
			}
			value.Jobs = append(value.Jobs, valueOf(info))
			for i, text := range jobLines(info) {
				line("  %s%s", []string{"job ", "  "}[i], text)
			}
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

// nameDisks replaces the names of disks in QEMU's answers by names for package block: the path of a device, the name of a
// drive, the name of a node. It leaves a word that names no disk: the disk may be gone.
func (env *Env) nameDisks(ctx context.Context, op *Operation, v Values) (Values, unknownDisks, error) {
	isDisk := func(a Arg) bool { return a.Kind == "disk" && v.has(a.Name) }
	i := slices.IndexFunc(op.Args, isDisk)
	if i < 0 {
		return v, unknownDisks{}, nil
	}
	blocks, err := qemu.QueryBlock{}.Do(ctx, env.conn())
	if err != nil {
		return nil, unknownDisks{}, err
	}
	names := hotplug.DiskNames(blocks)
	unknown := unknownDisks{known: slices.DeleteFunc(slices.Clone(names), func(name string) bool { return name == "" })}
	words := slices.Clone(v[op.Args[i].Name])
	for i, word := range words {
		if slices.Contains(names, word) {
			continue
		}
		disk := slices.IndexFunc(blocks, func(b qemu.BlockInfo) bool { return isNameOf(word, &b) })
		switch {
		case disk < 0:
			unknown.words = append(unknown.words, word)
		case names[disk] == "":
			return nil, unknown, mistake("no device uses drive %q, or its name is the ID of another device", word)
		default:
			words[i] = names[disk]
		}
	}
	v = maps.Clone(v)
	v[op.Args[i].Name] = words
	return v, unknown, nil
}

// isNameOf reports whether a word is the path, the drive or the node of a disk.
func isNameOf(word string, b *qemu.BlockInfo) bool {
	path := qmp.Value(b.Qdev)
	node := b.Inserted != nil && qmp.Value(b.Inserted.NodeName) == word
	return word != "" && (word == path || word == strings.TrimSuffix(path, "/virtio-backend") || word == b.Device || node)
}

// unknownDisks are words of a person that name no disk.
type unknownDisks struct{ words, known []string }

// explain adds the names of the disks to the error of an operation that has not found one.
func (u unknownDisks) explain(err error) error {
	if len(u.known) == 0 {
		return reworded(err, "there is no disk %s: the machine has no disks", u.words[0])
	}
	return reworded(err, "there is no disk %s: the disks are %s", u.words[0], strings.Join(u.known, ", "))
}

// A diskValue is a disk as JSON.
type diskValue struct {
	Name     string                 `json:"name,omitempty"`
	ID       string                 `json:"id,omitempty"`
	Drive    string                 `json:"drive,omitempty"`
	Path     string                 `json:"path"`
	Size     int64                  `json:"size"`
	ReadOnly bool                   `json:"read-only"`
	Images   []imageValue           `json:"images"`
	Jobs     []jobValue             `json:"jobs"`
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
