package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// changing are the folders and files of the module that an update may change.
var changing = []string{"testdata/schema", "qmp/generated", "qapi/facts/data", "CHANGELOG.md"}

// begin copies the files that may change, and builds qapigen.
func (u *update) begin() (err error) {
	if _, err := os.Stat(filepath.Join(u.root, "gen", "qapigen")); err != nil {
		return errors.New("run this in the root of the module, where gen/qapigen is")
	}
	if u.stage, err = os.MkdirTemp("", "qmpkit-update-"); err != nil {
		return err
	}
	defer func() {
		if err != nil {
			u.end()
		}
	}()
	files, err := filesIn(u.root)
	if err != nil {
		return err
	}
	for name, text := range files {
		if err := writeFile(u.path(name), text); err != nil {
			return err
		}
	}
	if u.qapigen == "" {
		u.qapigen = u.path("qapigen")
		if err := u.build(); err != nil {
			return err
		}
	}
	return u.readRecipes()
}

// build builds qapigen.
func (u *update) build() error {
	out, err := u.command(u.root, "go", "build", "-o", u.qapigen, "./gen/qapigen").CombinedOutput()
	if err != nil {
		return fmt.Errorf("qapigen cannot be built: %w\n%s", err, out)
	}
	return nil
}

func (u *update) end() { os.RemoveAll(u.stage) }

func (u *update) command(dir, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(u.ctx, name, args...)
	cmd.Dir = dir
	return cmd
}

// run runs qapigen in a folder of the copy, and returns its standard output and standard error.
func (u *update) run(dir string, args ...string) (stdout, stderr string, err error) {
	var out, errs bytes.Buffer
	cmd := u.command(dir, u.qapigen, args...)
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err = cmd.Run(); err != nil {
		said := strings.ReplaceAll(strings.TrimSpace(errs.String()), u.stage+string(filepath.Separator), "")
		err = fmt.Errorf("qapigen %s: %w\n%s", args[0], err, said)
	}
	return out.String(), errs.String(), err
}

// filesIn returns the text of all files in a module that may change.
func filesIn(root string) (map[string][]byte, error) {
	files := map[string][]byte{}
	for _, top := range changing {
		err := filepath.WalkDir(filepath.Join(root, top), func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			name, err := filepath.Rel(root, path)
			if err == nil {
				files[name], err = os.ReadFile(path)
			}
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return files, nil
}

func writeFile(path string, text []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		return err
	}
	return os.WriteFile(path, text, 0o666)
}

// commit copies the changed files to the module, and returns their names. It writes all files under other
// names before it replaces the first one.
func (u *update) commit() (changed []string, err error) {
	before, err := filesIn(u.root)
	if err != nil {
		return nil, err
	}
	after, err := filesIn(u.stage)
	if err != nil {
		return nil, err
	}
	const temporary = ".update"
	var written []string
	defer func() {
		for _, path := range written {
			os.Remove(path + temporary) // what was not renamed
		}
	}()
	for name, text := range after {
		if old, ok := before[name]; ok && bytes.Equal(old, text) {
			continue
		}
		changed = append(changed, name)
		path := filepath.Join(u.root, name)
		written = append(written, path)
		if err := writeFile(path+temporary, text); err != nil {
			return nil, err
		}
	}
	for _, path := range written {
		if err := os.Rename(path+temporary, path); err != nil {
			return nil, err
		}
	}
	for name := range before {
		if _, ok := after[name]; !ok {
			changed = append(changed, name)
			if err := os.Remove(filepath.Join(u.root, name)); err != nil {
				return nil, err
			}
		}
	}
	slices.Sort(changed)
	return changed, nil
}
