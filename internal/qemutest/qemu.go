package qemutest

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"sync"
)

// emulators begins the names of the programs that run machines, by target.
const emulators = "qemu-system-"

// systemEmulator is the program that runs x86-64 machines.
const systemEmulator = emulators + "x86_64"

// anyVersion is the version to download for a test that runs on any.
const anyVersion = "10.0"

// ErrMissing means that something is not on this machine and could not be downloaded.
var ErrMissing = errors.New("missing")

// QEMU is an installed QEMU.
type QEMU struct {
	Path         string // of qemu-system-x86_64
	Major, Minor int
}

// Find returns the QEMU for a version such as "7.2", or any QEMU if version is "". The package comment says
// where it looks. If there is no QEMU, the error matches ErrMissing. If the variable QEMU is set, but its program
// cannot run or is not a QEMU, the error does not match ErrMissing.
func Find(version string) (*QEMU, error) {
	if path := os.Getenv("QEMU"); path != "" {
		return inspect(path)
	}
	installed, installedErr := fromPath()
	if installedErr == nil && (version == "" || version == installed.Release()) {
		return installed, nil
	}
	if version == "" {
		version = anyVersion
	}
	dir, err := fetch("get-qemu.sh", version)
	if err == nil {
		return inspect(filepath.Join(dir, systemEmulator))
	}
	if installedErr == nil {
		return installed, nil
	}
	return nil, fmt.Errorf("QEMU %s is %w: set QEMU to the path of a %s (%w; %w)",
		version, ErrMissing, systemEmulator, installedErr, err)
}

func fromPath() (*QEMU, error) {
	path, err := exec.LookPath(systemEmulator)
	if err != nil {
		return nil, err
	}
	return inspect(path)
}

// Release returns the version for the names of tests: "7.2".
func (q *QEMU) Release() string {
	return strconv.Itoa(q.Major) + "." + strconv.Itoa(q.Minor)
}

// AtLeast reports whether q has that version or a later one.
func (q *QEMU) AtLeast(major, minor int) bool {
	return q.Major > major || q.Major == major && q.Minor >= minor
}

// Program returns the path of another program of the same QEMU, such as "qemu-img". If there is none, the
// error matches ErrMissing.
func (q *QEMU) Program(name string) (string, error) {
	path := filepath.Join(filepath.Dir(q.Path), name)
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	path, err := exec.LookPath(name)
	if err != nil {
		return "", fmt.Errorf("%s is %w: it should be beside %s or in the PATH", name, ErrMissing, q.Path)
	}
	return path, nil
}

// emulator returns the path of the program that runs machines of a target. Those of other targets than x86_64 are looked
// for beside q and in the cache folder, and at last in the PATH.
func (q *QEMU) emulator(target string) (string, error) {
	if emulators+target == systemEmulator {
		return q.Path, nil
	}
	path := filepath.Join(filepath.Dir(q.Path), emulators+target)
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	dir, err := fetch("get-qemu.sh", "--others", q.Release())
	if err == nil {
		return filepath.Join(dir, emulators+target), nil
	}
	if path, pathErr := q.Program(emulators + target); pathErr == nil {
		return path, nil
	}
	return "", fmt.Errorf("%s%s is %w: it should be beside %s or in the PATH (%w)", emulators, target, ErrMissing, q.Path, err)
}

// inspected holds the results of inspect by path: starting a QEMU to ask for its version takes 50 ms.
var inspected sync.Map

var versionLine = regexp.MustCompile(`version (\d+)\.(\d+)`)

func inspect(path string) (*QEMU, error) {
	if known, ok := inspected.Load(path); ok {
		return known.(*QEMU), nil
	}
	out, err := exec.Command(path, "--version").Output()
	if err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			err = fmt.Errorf("%w: %s", err, exit.Stderr)
		}
		return nil, fmt.Errorf("%s --version: %w", path, err)
	}
	m := versionLine.FindSubmatch(out)
	if m == nil {
		return nil, fmt.Errorf("%s is not a QEMU: --version printed %q", path, out)
	}
	q := &QEMU{Path: path}
	q.Major, _ = strconv.Atoi(string(m[1]))
	q.Minor, _ = strconv.Atoi(string(m[2]))
	inspected.Store(path, q)
	return q, nil
}
