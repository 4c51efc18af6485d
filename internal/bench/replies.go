package main

import (
	"bytes"
	"compress/gzip"
	"embed"
	"io"
	"strings"
)

// repliesFS has results of commands as a QEMU 7.2 sent them, from "return" on: a machine with
// three disks. The long ones are compressed.
//
//go:embed testdata/replies
var repliesFS embed.FS

// reply returns the result of a command.
func reply(command string) ([]byte, error) {
	path := "testdata/replies/" + command + ".json"
	b, err := repliesFS.ReadFile(path)
	if err != nil {
		if b, err = repliesFS.ReadFile(path + ".gz"); err != nil {
			return nil, err
		}
		if b, err = unzip(b); err != nil {
			return nil, err
		}
	}
	return []byte(strings.TrimSpace(string(b))), nil
}

func unzip(b []byte) ([]byte, error) {
	r, err := gzip.NewReader(bytes.NewReader(b))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(r)
}
