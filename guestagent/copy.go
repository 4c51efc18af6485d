package guestagent

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"io/fs"
	"os"
)

// CopyOptions configures [Agent.CopyTo] and [Agent.CopyFrom]. nil and the zero value mean the defaults.
type CopyOptions struct {
	// Perm is the mode of a new file of CopyTo. 0 means 0644. See [Agent.WriteFile].
	Perm fs.FileMode

	// Size is the number of bytes that CopyTo reports as the total.
	Size int64

	// Progress is called after each command that copies, with the number of bytes; may be nil. total is -1 if it is
	// unknown.
	Progress func(done, total int64)
}

const defaultPerm = 0o644

// ReadFile returns the content of a file in the guest. It also reads files of /proc. If file systems are frozen at the
// beginning, the error matches [ErrFrozen]. If they are frozen later, ReadFile waits, as WriteFile and the functions that copy
// do.
//
// Source: guest-file-open, guest-file-read, guest-file-close.
func (a *Agent) ReadFile(ctx context.Context, path string) (data []byte, err error) {
	f, err := a.open(ctx, path, os.O_RDONLY)
	if err != nil {
		return nil, fail("read", path, err)
	}
	defer func() { err = join(err, f.Close()) }()
	var b bytes.Buffer
	_, err = copyAll(&b, patientFile{f}, -1, nil)
	return b.Bytes(), err
}

// WriteFile writes a file in the guest: it creates the file, or replaces its content. If an error occurs, the file can have
// a part of data.
//
// The agent creates files with the mode 0666, so that everybody in the guest can change them. For another perm, WriteFile
// creates a missing file by a shell in the guest before it writes. Use 0666 for a guest without a shell, or whose agent has
// guest-exec disabled.
//
// Source: guest-exec, guest-file-open, guest-file-write, guest-file-flush, guest-file-close.
func (a *Agent) WriteFile(ctx context.Context, path string, data []byte, perm fs.FileMode) error {
	f, err := a.createWith(ctx, path, perm)
	if err != nil {
		return fail("write", path, err)
	}
	_, err = patientFile{f}.Write(data)
	return join(err, f.Close())
}

// CopyTo copies from a reader into a file of the guest, until the end of the reader. It returns the number of bytes that it
// has copied. The file is created and written as by [Agent.WriteFile].
func (a *Agent) CopyTo(ctx context.Context, path string, from io.Reader, opts *CopyOptions) (n int64, err error) {
	if opts == nil {
		opts = &CopyOptions{}
	}
	perm, total := opts.Perm, opts.Size
	if perm == 0 {
		perm = defaultPerm
	}
	if total <= 0 {
		total = -1
	}
	f, err := a.createWith(ctx, path, perm)
	if err != nil {
		return 0, fail("copy to", path, err)
	}
	defer func() { err = join(err, f.Close()) }()
	return copyAll(patientFile{f}, from, total, opts.Progress)
}

// CopyFrom copies a file of the guest into a writer. It returns the number of bytes that it has copied.
//
// Source: guest-file-open, guest-file-seek, guest-file-read, guest-file-close.
func (a *Agent) CopyFrom(ctx context.Context, path string, to io.Writer, opts *CopyOptions) (n int64, err error) {
	if opts == nil {
		opts = &CopyOptions{}
	}
	f, err := a.open(ctx, path, os.O_RDONLY)
	if err != nil {
		return 0, fail("copy from", path, err)
	}
	defer func() { err = join(err, f.Close()) }()
	total := int64(-1)
	if opts.Progress != nil {
		size, err := f.Seek(0, io.SeekEnd)
		if err == nil {
			_, err = f.Seek(0, io.SeekStart)
		}
		switch {
		case err != nil && !refused(err):
			return 0, err
		case err == nil && size > 0: // not for a FIFO, nor for a file of /proc
			total = size
		}
	}
	return copyAll(to, patientFile{f}, total, opts.Progress)
}

// A patientFile is a file whose methods wait while file systems are frozen.
type patientFile struct{ *File }

func (f patientFile) Read(b []byte) (n int, err error) {
	err = f.agent.whenThawed(f.ctx, func() error {
		n, err = f.File.Read(b)
		return err
	})
	return n, err
}

func (f patientFile) Write(b []byte) (n int, err error) {
	err = f.agent.whenThawed(f.ctx, func() error {
		more, err := f.File.Write(b[n:])
		n += more
		return err
	})
	return n, err
}

// copyAll copies in pieces that one command transfers.
func copyAll(to io.Writer, from io.Reader, total int64, progress func(done, total int64)) (n int64, err error) {
	b := make([]byte, chunk)
	for {
		read, readErr := from.Read(b)
		if read > 0 {
			written, err := to.Write(b[:read])
			n += int64(written)
			if err == nil && written != read {
				err = io.ErrShortWrite
			}
			if err != nil {
				return n, err
			}
			if progress != nil {
				progress(n, total)
			}
		}
		switch {
		case readErr == io.EOF:
			return n, nil
		case readErr != nil:
			return n, readErr
		}
	}
}

// createScript creates a file with a mode, if there is none. Nobody else can open it before it has the mode. With
// noclobber, the shell does not open what another program creates at the same moment, for example a link.
const createScript = `[ -e "$1" ] || { umask 077 && set -o noclobber && : >"$1" && chmod "$2" -- "$1"; }`

// agentPerm is the mode of a file that the agent creates.
const agentPerm = 0o666

// createWith opens a file for writing. A new file has the mode perm.
func (a *Agent) createWith(ctx context.Context, path string, perm fs.FileMode) (*File, error) {
	if perm.Perm() != agentPerm {
		p, err := a.start(ctx, Command{Path: "sh", Args: []string{"-c", createScript, "sh", path, fmt.Sprintf("%o", perm.Perm())}}, Separate)
		if err == nil {
			if err = p.wait(ctx); err != nil && !p.known() {
				err = p.abort(ctx, err)
			}
		}
		if err == nil {
			_, err = p.outcome(ctx)
		}
		if err != nil {
			return nil, fmt.Errorf("create with mode %v: %w", perm, err)
		}
	}
	return a.open(ctx, path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC)
}
