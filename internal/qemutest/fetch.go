package qemutest

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
)

// fetched holds the folders that the scripts gave, by command line. Once a script has failed,
// those after it only look into the cache folder: a missing network takes each of them seconds
// to notice.
var fetched = struct {
	sync.Mutex
	dirs    map[string]string
	offline bool
}{dirs: map[string]string{}}

// Fetch runs a script of the project's scripts folder that downloads something, and returns the folder that it prints. If
// a script has failed, Fetch downloads nothing more.
func Fetch(script string, args ...string) (dir string, err error) { return fetch(script, args...) }

// fetch runs a script of the project's scripts folder and returns the folder that it prints.
func fetch(script string, args ...string) (dir string, err error) {
	fetched.Lock()
	defer fetched.Unlock()
	key := script + " " + strings.Join(args, " ")
	if dir, ok := fetched.dirs[key]; ok {
		return dir, nil
	}
	path, err := findScript(script)
	if err != nil {
		return "", err
	}
	cmd := exec.Command(path, args...)
	cmd.Env = os.Environ()
	if fetched.offline {
		cmd.Env = append(cmd.Env, "QMPKIT_OFFLINE=1")
	}
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		fetched.offline = true
		return "", fmt.Errorf("%s: %w: %s", key, err, lastLine(stderr.String()))
	}
	dir = lastLine(string(out))
	fetched.dirs[key] = dir
	return dir, nil
}

// findScript looks for scripts/name in the current folder and those above it: a test runs in
// its package's folder.
func findScript(name string) (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		path := filepath.Join(dir, "scripts", name)
		if _, err := os.Stat(path); err == nil {
			return path, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", errors.New("scripts/" + name + " is not in the current folder nor in one above it")
		}
		dir = parent
	}
}

func lastLine(s string) string {
	s = strings.TrimSpace(s)
	return s[strings.LastIndexByte(s, '\n')+1:]
}
