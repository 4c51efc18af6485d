package qemutest

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
)

// firstInherited is the descriptor that os/exec gives to the first of its ExtraFiles.
const firstInherited = 3

// listen makes the sockets name0, name1, … in dir, for a program to inherit. A client can dial them before
// the program is up, and fails at once when it has ended.
func listen(dir, name string, n int) (paths []string, files []*os.File, err error) {
	for i := range n {
		path := filepath.Join(dir, name+strconv.Itoa(i))
		l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path})
		if err != nil {
			closeAll(files)
			return nil, nil, fmt.Errorf("socket for the server under test (is TMPDIR too long for one?): %w", err)
		}
		l.SetUnlinkOnClose(false)
		f, err := l.File()
		l.Close()
		if err == nil {
			f, err = leaveNonBlocking(f)
		}
		if err != nil {
			closeAll(files)
			return nil, nil, err
		}
		paths, files = append(paths, path), append(files, f)
	}
	return paths, files, nil
}

// inheritedSocket returns the chardev option for the i-th socket of listen.
func inheritedSocket(id string, i int) string {
	return fmt.Sprintf("socket,id=%s,fd=%d,server=on,wait=off", id, firstInherited+i)
}

func closeAll(files []*os.File) {
	for _, f := range files {
		f.Close()
	}
}
