package launch

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"sync"
	"time"

	"github.com/qmpkit/qmpkit/internal/wait"
	"github.com/qmpkit/qmpkit/qmp"
)

// versions holds the answers of binaries. A binary that was replaced is another one.
var versions sync.Map // of *answer by its path

type answer struct {
	info    fs.FileInfo
	version wait.Answer[qmp.Version]
}

var versionLine = regexp.MustCompile(`version (\d+)\.(\d+)\.(\d+)`)

// Version returns the version of a QEMU program. It runs "binary -version", which takes 20 to 40 milliseconds, once for each
// file: the process keeps the answer until the file changes. Options ask for it only if versions differ in the form
// that they take.
func Version(ctx context.Context, binary string) (qmp.Version, error) {
	path, err := exec.LookPath(binary)
	if err != nil {
		return qmp.Version{}, err
	}
	info, err := os.Stat(path)
	if err != nil {
		return qmp.Version{}, err
	}
	known, _ := versions.LoadOrStore(path, &answer{info: info})
	a := known.(*answer)
	if !os.SameFile(a.info, info) || a.info.Size() != info.Size() || !a.info.ModTime().Equal(info.ModTime()) {
		a = &answer{info: info}
		versions.Store(path, a)
	}
	return a.version.Get(ctx, func() (qmp.Version, error) { return askVersion(ctx, path) })
}

func askVersion(ctx context.Context, path string) (version qmp.Version, err error) {
	cmd := exec.CommandContext(ctx, path, "-version")
	cmd.WaitDelay = time.Second // a child of a script can hold the pipe open
	out, err := cmd.Output()
	if err != nil {
		if exit, ok := errors.AsType[*exec.ExitError](err); ok {
			err = fmt.Errorf("%w: %s", err, exit.Stderr)
		}
		return version, fmt.Errorf("%s -version: %w", path, errors.Join(wait.Err(ctx), err))
	}
	m := versionLine.FindSubmatch(out)
	if m == nil {
		return version, fmt.Errorf("%s is not a QEMU: -version printed %q", path, out)
	}
	for i, part := range []*int{&version.Major, &version.Minor, &version.Micro} {
		*part, _ = strconv.Atoi(string(m[i+1])) // they are digits
	}
	return version, nil
}
