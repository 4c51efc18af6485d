package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/qmpkit/qmpkit/internal/diff"
	"github.com/qmpkit/qmpkit/qapi"
)

// servers are the names of the packages' servers in the changelog.
var servers = map[string]string{"qemu": "QEMU", "storage": "qemu-storage-daemon", "guest": "guest agent"}

// changelog writes the entries for schemas that are new or changed. An entry has the changes since the
// version before, among the versions in the module. It replaces an entry for the same version.
func (u *update) changelog() error {
	text, err := os.ReadFile(u.path("CHANGELOG.md"))
	if err != nil {
		return err
	}
	log := string(text)
	told := map[string]bool{} // changes that servers share are listed once
	for _, r := range u.recipes {
		before, err := u.versionBefore(r)
		if err != nil {
			return err
		}
		if before == "" {
			continue
		}
		entry, err := u.entry(r, before, told)
		if err != nil {
			return err
		}
		start := "- **schema** " + servers[r.pkg] + " " + r.newest()
		if entry == "" || strings.Contains(log, start) && !u.isNew(r) {
			continue
		}
		if log, err = withEntry(log, entry, start); err != nil {
			return err
		}
	}
	return os.WriteFile(u.path("CHANGELOG.md"), []byte(log), 0o666)
}

// isNew reports whether the schema of a package changed.
func (u *update) isNew(r *recipe) bool {
	folder := path.Join(schemas, r.newest(), path.Dir(r.main))
	files, err := os.ReadDir(u.path(folder))
	for _, f := range files {
		now, _ := os.ReadFile(u.path(folder, f.Name()))
		then, err := os.ReadFile(filepath.Join(u.root, folder, f.Name()))
		if err != nil || !bytes.Equal(now, then) {
			return true
		}
	}
	return err != nil
}

// versionBefore returns the nearest older version in the module, else the nearest newer one, or "" if there
// is none.
func (u *update) versionBefore(r *recipe) (string, error) {
	folders, err := os.ReadDir(u.path(schemas))
	if err != nil {
		return "", err
	}
	var older, newer []string
	for _, f := range folders {
		if _, err := os.Stat(u.path(schemas, f.Name(), r.main)); err != nil {
			continue
		}
		switch c := compareVersions(f.Name(), r.newest()); {
		case c < 0:
			older = append(older, f.Name())
		case c > 0:
			newer = append(newer, f.Name())
		}
	}
	switch {
	case older != nil:
		return slices.MaxFunc(older, compareVersions), nil
	case newer != nil:
		return slices.MinFunc(newer, compareVersions), nil
	}
	return "", nil
}

// entry returns the entry for a package's schema, or "" if nothing changed. It leaves out rows that are in
// told.
func (u *update) entry(r *recipe, before string, told map[string]bool) (string, error) {
	now := u.path(schemas, r.newest(), r.main)
	all, err := u.changes(u.path(schemas, before, r.main), now)
	if err != nil || len(all) == 0 {
		return "", err
	}
	var changes []diff.Change
	for _, c := range all {
		if key := fmt.Sprint(c.Kind, c.What, c.Path); !told[key] {
			told[key] = true
			changes = append(changes, c)
		}
	}
	s, err := qapi.Load(now, nil)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	head := fmt.Sprintf("**schema** %s %s, after %s: %s, %s.", servers[r.pkg], u.version(r.newest()), u.version(before),
		count(len(s.Commands()), "command"), count(len(s.Events()), "event"))
	if changes == nil {
		head += " All of these changes are also among QEMU's."
	}
	writeItem(&b, "- ", head)
	for _, row := range rows(changes) {
		writeItem(&b, "  - ", row)
	}
	return b.String(), nil
}

// version returns the full version of a folder.
func (u *update) version(folder string) string {
	text, err := os.ReadFile(u.path(schemas, folder, "VERSION"))
	if err != nil {
		return folder
	}
	return strings.TrimSpace(string(text))
}

// changes asks qapigen diff.
func (u *update) changes(old, new string) (changes []diff.Change, err error) {
	out, _, err := u.run(u.root, "diff", "-json", old, new)
	if exit, ok := errors.AsType[*exec.ExitError](err); ok && exit.ExitCode() == 1 {
		err = nil // there are breaking ones
	}
	if err != nil {
		return nil, err
	}
	return changes, json.Unmarshal([]byte(out), &changes)
}

// rows groups changes by kind. Breaking changes come first.
func rows(changes []diff.Change) (rows []string) {
	items := map[string][]string{}
	var heads []string
	for _, breaking := range []bool{true, false} {
		for _, c := range changes {
			if c.Breaking != breaking {
				continue
			}
			head := string(c.Kind) + " " + string(c.What)
			if breaking {
				head = "**breaking** " + head
			}
			if items[head] == nil {
				heads = append(heads, head)
			}
			item := "`" + c.Path + "`"
			if c.Kind == diff.Retyped {
				item += " (" + c.Old + " -> " + c.New + ")"
			}
			items[head] = append(items[head], item)
		}
	}
	for _, head := range heads {
		rows = append(rows, head+": "+strings.Join(items[head], ", "))
	}
	return rows
}

// writeItem writes an item of a list in lines of the changelog's width.
func writeItem(b *strings.Builder, mark, text string) {
	const width = 99
	indent := strings.Repeat(" ", len(mark))
	line := mark
	for i, word := range strings.Fields(text) {
		if i > 0 && len(line)+1+len(word) > width {
			b.WriteString(strings.TrimRight(line, " ") + "\n")
			line = indent
		}
		if line != mark && line != indent {
			line += " "
		}
		line += word
	}
	b.WriteString(line + "\n")
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// withEntry returns the changelog with an entry at the end of the part that is not released yet. The entry
// replaces one that begins with start.
func withEntry(log, entry, start string) (string, error) {
	const unreleased = "## Unreleased\n"
	head, rest, ok := strings.Cut(log, unreleased)
	if !ok {
		return "", errors.New(`CHANGELOG.md has no line "## Unreleased", under which the entry on the schema belongs`)
	}
	section, released := rest, ""
	if i := strings.Index(rest, "\n## "); i >= 0 {
		section, released = rest[:i+1], rest[i:]
	}
	section = strings.TrimRight(section, "\n") + "\n"
	if i := strings.Index(section, "\n"+start); i >= 0 {
		old := section[i+1:]
		if next := strings.Index(old, "\n- "); next >= 0 {
			old = old[:next+1]
		}
		section = strings.Replace(section, old, entry, 1)
	} else {
		section += entry
	}
	return head + unreleased + section + released, nil
}
