package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// versionFile is the file of a QEMU tree, and of a printed one, that says its version.
const versionFile = "VERSION"

var versionPattern = regexp.MustCompile(`^[0-9]+(\.[0-9]+)+[0-9A-Za-z.+~-]*$`)

// treeVersion returns the version of the QEMU tree that a schema's main file is in, "" if
// there is no telling. The file is at most two folders down in it, as
// storage-daemon/qapi/qapi-schema.json is.
func treeVersion(schema string) string {
	path, err := filepath.Abs(schema)
	if err != nil {
		return ""
	}
	folder := filepath.Dir(path)
	for range 3 {
		if version := versionIn(folder); version != "" {
			return version
		}
		folder = filepath.Dir(folder)
	}
	return ""
}

// versionIn returns the version that a folder's own file names, "" if there is none.
func versionIn(folder string) string {
	b, _ := os.ReadFile(filepath.Join(folder, versionFile))
	if version := strings.TrimSpace(string(b)); versionPattern.MatchString(version) {
		return version
	}
	return ""
}
