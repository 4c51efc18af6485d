package operate

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/qmpkit/qmpkit/block"
	"github.com/qmpkit/qmpkit/guestagent"
	"github.com/qmpkit/qmpkit/hotplug"
	"github.com/qmpkit/qmpkit/qmp"
)

// Errors of the packages that do the work name Go's fields and packages, for programs. The errors of operations say what is
// wrong and what helps in the words of the command line.

// reworded returns an error that matches err and has another text.
func reworded(err error, format string, args ...any) error {
	return &rewordedError{fmt.Sprintf(format, args...), err}
}

type rewordedError struct {
	text string
	err  error
}

func (e *rewordedError) Error() string { return e.text }
func (e *rewordedError) Unwrap() error { return e.err }

// packages finds the names of packages in an error.
var packages = regexp.MustCompile(`(^|[:;] )(?:(?:hotplug|block|job|machine|migration|guestagent|qom|qmpfd|qmp): )+`)

// reason returns the error of an operation for people.
func (env *Env) reason(ctx context.Context, op *Operation, v Values, err error) error {
	text := packages.ReplaceAllString(err.Error(), "$1")
	if file, ok := errors.AsType[*fs.PathError](err); ok {
		text = strings.ReplaceAll(text, file.Error(), file.Path+": "+file.Err.Error())
	}
	end, late := errors.AsType[timeError](err)
	takes := func(name string) bool {
		return slices.ContainsFunc(op.Args, func(a Arg) bool { return a.Name == name })
	}
	switch {
	case errors.Is(err, ErrRest):
		return err
	case errors.Is(err, block.ErrNoFileName):
		return mistake("backing-file is missing: QEMU does not know the full path of the image below")
	case errors.Is(err, block.ErrNotEmpty) && takes("create"):
		text = "the file has content: give the name of a new file, or use the content with create=off"
	case errors.Is(err, block.ErrNotEmpty):
		text = "the file has content: give the name of a new file"
	case errors.Is(err, hotplug.ErrUnplugPending) && (late || ctx.Err() != nil):
		why := "the command was interrupted"
		if late {
			why = end.Error()
		}
		text = fmt.Sprintf("the guest has not released %s yet (%s); it still can, and %s %[1]s waits again", v.text("id"), why, op.Name)
	case errors.Is(err, guestagent.ErrFrozen):
		text = "file systems of the guest are frozen, and its agent executes almost nothing: agent thaw thaws them"
	case errors.Is(err, fs.ErrPermission) && takes("read-only") && !v.bool("read-only"):
		text += "; with read-only=on, the guest only reads it"
	}
	if _, refused := errors.AsType[*qmp.Error](err); refused || errors.Is(err, hotplug.ErrInUse) {
		for _, a := range op.Args {
			for _, path := range v[a.Name] {
				if user := env.userOf(ctx, path); a.Kind == "file" && user != "" {
					text += fmt.Sprintf("; %s uses %s", user, path)
				}
			}
		}
	}
	if text == err.Error() {
		return err
	}
	return reworded(err, "%s", text)
}

// userOf says who uses a file of this machine: another disk, or another program with a lock. It is empty if that is unknown.
func (env *Env) userOf(ctx context.Context, path string) string {
	file, err := os.Stat(path)
	if err != nil || file.IsDir() {
		return ""
	}
	if env.Conn != nil {
		disks, err := env.disks().Disks(ctx)
		for _, d := range disks {
			for _, l := range d.Layers {
				if isFile(l.Path, file) || isFile(l.File, file) {
					return "disk " + d.Name + " of this machine"
				}
			}
		}
		if err != nil {
			return ""
		}
	}
	return locker(path, file)
}

// isFile reports whether a path is a file.
func isFile(path string, file fs.FileInfo) bool {
	if !filepath.IsAbs(path) || strings.HasPrefix(path, "/dev/fdset/") {
		return false
	}
	info, err := os.Stat(path)
	return err == nil && os.SameFile(info, file)
}

// locker returns the process that has a lock on a file: "qemu-system-x86 (process 1234)". Linux tells that in /proc.
func locker(path string, file fs.FileInfo) string {
	resolved, err := filepath.EvalSymlinks(path)
	if err != nil {
		return ""
	}
	processes, err := os.ReadDir("/proc")
	if err != nil {
		return ""
	}
	for _, p := range processes {
		if pid, err := strconv.Atoi(p.Name()); err != nil || pid == os.Getpid() {
			continue
		}
		dir := filepath.Join("/proc", p.Name())
		open, _ := os.ReadDir(filepath.Join(dir, "fd")) // of others, only root reads it
		for _, fd := range open {
			link, _ := os.Readlink(filepath.Join(dir, "fd", fd.Name()))
			if filepath.Base(link) != filepath.Base(resolved) || !isFile(link, file) { // other files can be on a server that hangs
				continue
			}
			if info, _ := os.ReadFile(filepath.Join(dir, "fdinfo", fd.Name())); !strings.Contains(string(info), "\nlock:") {
				continue
			}
			name, _ := os.ReadFile(filepath.Join(dir, "comm"))
			return fmt.Sprintf("%s (process %s)", strings.TrimSpace(string(name)), p.Name())
		}
	}
	return ""
}
