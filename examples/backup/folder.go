package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
)

// A backup is an image in a folder: "data1.0001.full.qcow2", or "data1.0002.after-0001.qcow2" for what the guest had
// written since number 1. The images of one moment have the same number.
type backup struct {
	disk          string
	number, after int // after is 0 for a full backup
}

var nameOf = regexp.MustCompile(`^(.+)\.(\d{4,})\.(?:full|after-(\d{4,}))\.qcow2(\.part)?$`)

func (b backup) path(dir string) string {
	kind := "full"
	if b.after > 0 {
		kind = fmt.Sprintf("after-%04d", b.after)
	}
	return filepath.Join(dir, fmt.Sprintf("%s.%04d.%s.qcow2", b.disk, b.number, kind))
}

// A folder has backups. An image gets its name when the backup is complete. If the program ends before that, the end of
// the chain is unknown: a full backup must follow.
type folder struct {
	dir   string
	all   []backup // sorted by number
	parts []backup // of programs that have ended
}

func openFolder(dir string) (*folder, error) {
	if dir == "" {
		return nil, errors.New("-dir is missing")
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	f := &folder{dir: dir}
	for _, e := range entries {
		m := nameOf.FindStringSubmatch(e.Name())
		if m == nil {
			continue
		}
		b := backup{disk: m[1]}
		b.number, _ = strconv.Atoi(m[2]) // digits
		b.after, _ = strconv.Atoi(m[3])
		if m[4] != "" {
			f.parts = append(f.parts, b)
			continue
		}
		f.all = append(f.all, b)
	}
	slices.SortFunc(f.all, func(a, b backup) int { return cmp.Or(cmp.Compare(a.number, b.number), cmp.Compare(a.disk, b.disk)) })
	return f, nil
}

// of returns the backups of a disk.
func (f *folder) of(disk string) (all []backup) {
	for _, b := range f.all {
		if b.disk == disk {
			all = append(all, b)
		}
	}
	return all
}

// next returns the next backup of a disk.
func (f *folder) next(disk string, incremental bool) (backup, error) {
	b := backup{disk: disk, number: 1}
	for _, other := range slices.Concat(f.all, f.parts) {
		b.number = max(b.number, other.number+1)
	}
	if !incremental {
		return b, nil
	}
	all := f.of(disk)
	if len(all) == 0 {
		return b, fmt.Errorf("%s has no full backup in %s", disk, f.dir)
	}
	if slices.ContainsFunc(f.parts, func(part backup) bool { return part.disk == disk }) {
		return b, fmt.Errorf("the last backup of %s was interrupted: take a full one", disk)
	}
	b.after = all[len(all)-1].number
	return b, nil
}

func (f *folder) part(b backup) string { return b.path(f.dir) + ".part" }

// keep gives a complete image its name.
func (f *folder) keep(b backup) error { return os.Rename(f.part(b), b.path(f.dir)) }

// remove removes the image of a backup that failed, if there is one.
func (f *folder) remove(b backup) error {
	if err := os.Remove(f.part(b)); !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

// removeParts removes what interrupted backups of a disk have left.
func (f *folder) removeParts(disk string) error {
	for _, b := range f.parts {
		if b.disk == disk {
			if err := f.remove(b); err != nil {
				return err
			}
		}
	}
	return nil
}

// chain returns the full backup and the increments that make up a backup of a disk: the last one, or one with a number.
func (f *folder) chain(disk string, number int) ([]backup, error) {
	all := f.of(disk)
	if number == 0 && len(all) > 0 {
		number = all[len(all)-1].number
	}
	var chain []backup
	for next := number; ; {
		i := slices.IndexFunc(all, func(b backup) bool { return b.number == next })
		if i < 0 {
			return nil, fmt.Errorf("%s has no backup %d of %s", f.dir, next, disk)
		}
		chain = append(chain, all[i])
		if all[i].after == 0 {
			slices.Reverse(chain)
			return chain, nil
		}
		if all[i].after >= next {
			return nil, fmt.Errorf("%s follows a later backup", all[i].path(f.dir))
		}
		next = all[i].after
	}
}

// imageOf returns the name of a chain for qemu-img: the last image, with the others below.
func imageOf(dir string, chain []backup) (string, error) {
	var image map[string]any
	for _, b := range chain {
		image = map[string]any{"driver": "qcow2", "file": map[string]any{"driver": "file", "filename": b.path(dir)}, "backing": image}
	}
	text, err := json.Marshal(image)
	return "json:" + string(text), err
}
