package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
)

// writeTree makes a folder hold printed files, given by their path in it. It first writes all
// of them beside the folder, so that one that cannot be written leaves nothing behind. Files
// of an earlier run that are no longer among them are removed; a file that qapigen did not
// write is never replaced.
func writeTree(folder string, files map[string][]byte) error {
	stale, err := staleFiles(folder, files)
	if err != nil {
		return err
	}
	parent := filepath.Dir(filepath.Clean(folder))
	if err := os.MkdirAll(parent, 0o777); err != nil {
		return err
	}
	staging, err := os.MkdirTemp(parent, ".qapigen-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(staging)
	names := slices.Sorted(maps.Keys(files))
	for _, name := range names {
		if err := writeFile(filepath.Join(staging, name), files[name]); err != nil {
			return err
		}
	}
	for _, name := range names {
		path := filepath.Join(folder, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
			return err
		}
		if err := os.Rename(filepath.Join(staging, name), path); err != nil {
			return err
		}
	}
	for _, path := range stale {
		if err := os.Remove(path); err != nil {
			return err
		}
	}
	return nil
}

func writeFile(path string, data []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		return err
	}
	return os.WriteFile(path, data, 0o666)
}

// staleFiles returns the printed files in a folder that are not among files, and an error if one of
// files would replace a file that was not printed. It looks only into the folders of files.
func staleFiles(folder string, files map[string][]byte) ([]string, error) {
	folders := map[string]bool{}
	for name := range files {
		folders[filepath.Dir(name)] = true
	}
	var ours, stale []string
	var foreign []error
	for _, sub := range slices.Sorted(maps.Keys(folders)) {
		names, err := schemaFilesIn(filepath.Join(folder, sub))
		if err != nil {
			return nil, err
		}
		for _, name := range names {
			path := filepath.Join(folder, sub, name)
			printed, err := isPrinted(path)
			if err != nil {
				return nil, err
			}
			_, wanted := files[filepath.Join(sub, name)]
			switch {
			case printed && !wanted:
				stale = append(stale, path)
			case wanted && !printed:
				foreign = append(foreign, notOurs(path))
			}
			if printed {
				ours = append(ours, path)
			}
		}
	}
	// The version is ours if there is something that it is the version of.
	version := filepath.Join(folder, versionFile)
	if text, err := os.ReadFile(version); err == nil {
		now, wanted := files[versionFile]
		switch {
		case wanted && ours == nil && !bytes.Equal(text, now):
			foreign = append(foreign, notOurs(version))
		case !wanted && ours != nil:
			stale = append(stale, version)
		}
	}
	return stale, errors.Join(foreign...)
}

func notOurs(path string) error {
	return fmt.Errorf("%s was not written by qapigen print: choose another folder", path)
}

// schemaFilesIn returns the names of the schema files in a folder, which need not be there.
func schemaFilesIn(folder string) ([]string, error) {
	entries, err := os.ReadDir(folder)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	var names []string
	for _, e := range entries {
		if filepath.Ext(e.Name()) == ".json" {
			names = append(names, e.Name())
		}
	}
	return names, nil
}

// isPrinted reports whether a file begins like a printed file.
func isPrinted(path string) (bool, error) {
	text, err := os.ReadFile(path)
	return bytes.HasPrefix(text, []byte(header)), err
}
