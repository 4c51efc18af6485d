package guestagent

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strconv"
	"sync"

	"github.com/qmpkit/qmpkit/internal/wait"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/guest"
)

// chunk is how much one command reads or writes. Larger ones are not faster over virtio-serial, and smaller ones let other
// commands between.
const chunk = 64 << 10

// A File is an open file in the guest: an [io.ReadWriteSeeker], [io.ReaderAt] and [io.Closer]. Each method sends commands
// with the context of [Agent.Open]. Several goroutines can call the methods.
//
// Close a File: the agent keeps it open otherwise, also when the connection ends. The agent buffers what is written; Sync
// and Close write it out.
type File struct {
	agent  *Agent
	ctx    context.Context
	handle int64
	path   string
	append bool

	mu     sync.Mutex
	closed bool
	dirty  bool  // something was written since the last Sync
	want   int64 // the position for the next Read or Write
	at     int64 // the position of the agent; -1 if it is unknown
}

// Open opens a file in the guest. ctx is the context of all methods of the File: if it ends, they fail, except for Close.
//
// The flags are those of [os.OpenFile] that the agent has: os.O_RDONLY, os.O_WRONLY and os.O_RDWR alone, the latter two with
// os.O_CREATE|os.O_TRUNC or os.O_CREATE|os.O_APPEND. For other flags the error matches [errors.ErrUnsupported]. A new file
// has the mode 0666, without a umask.
//
// The error matches [*qmp.Error] if the guest cannot open the file. If ctx ends before the agent answers, the file is
// closed in the guest if the answer still comes.
//
// Source: guest-file-open.
func (a *Agent) Open(ctx context.Context, path string, flag int) (*File, error) {
	f, err := a.open(ctx, path, flag)
	return f, fail("open", path, err)
}

// Create creates a file in the guest for reading and writing, or empties it. See [Agent.Open].
func (a *Agent) Create(ctx context.Context, path string) (*File, error) {
	return a.Open(ctx, path, os.O_RDWR|os.O_CREATE|os.O_TRUNC)
}

// modes are the modes of guest-file-open, which are those of C.
var modes = map[int]string{
	os.O_RDONLY:                             "rb",
	os.O_WRONLY:                             "r+b",
	os.O_RDWR:                               "r+b",
	os.O_WRONLY | os.O_CREATE | os.O_TRUNC:  "wb",
	os.O_RDWR | os.O_CREATE | os.O_TRUNC:    "w+b",
	os.O_WRONLY | os.O_CREATE | os.O_APPEND: "ab",
	os.O_RDWR | os.O_CREATE | os.O_APPEND:   "a+b",
}

func (a *Agent) open(ctx context.Context, path string, flag int) (*File, error) {
	mode, ok := modes[flag]
	if !ok {
		return nil, fmt.Errorf("%w: flags %#x", errors.ErrUnsupported, flag)
	}
	handle, err := guest.GuestFileOpen{Path: path, Mode: &mode}.Do(ctx, a, qmp.OnLateReply(func(result qmp.RawJSON) {
		if handle, err := strconv.ParseInt(string(result), 10, 64); err == nil {
			late := &File{agent: a, handle: handle}
			a.whenLate(func(ctx context.Context) { _ = late.close(ctx) }) // nobody waits for the error
		}
	}))
	if err != nil {
		return nil, err
	}
	return &File{agent: a, ctx: ctx, handle: handle, path: path, append: flag&os.O_APPEND != 0}, nil
}

// Name returns the path that was given to [Agent.Open].
func (f *File) Name() string { return f.path }

// Read reads up to 64 KiB. It returns io.EOF at the end of the file, also together with data.
//
// Source: guest-file-read.
func (f *File) Read(b []byte) (n int, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	n, err = f.readAt(b, f.want)
	f.want += int64(n)
	return n, err
}

// ReadAt reads len(b) bytes from an offset. It does not change the position of Read and Write.
func (f *File) ReadAt(b []byte, offset int64) (n int, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if offset < 0 {
		return 0, f.fail("read", fmt.Errorf("negative offset %d", offset))
	}
	for n < len(b) && err == nil {
		var more int
		more, err = f.readAt(b[n:], offset+int64(n))
		n += more
	}
	if n == len(b) {
		err = nil
	}
	return n, err
}

// readAt reads once. The caller holds mu.
func (f *File) readAt(b []byte, offset int64) (n int, err error) {
	if len(b) == 0 {
		return 0, nil
	}
	if err := f.moveTo(offset); err != nil {
		return 0, f.fail("read", err)
	}
	at := f.at
	f.at = -1 // until the agent has answered
	r, err := guest.GuestFileRead{Handle: f.handle, Count: new(int64(min(len(b), chunk)))}.Do(f.ctx, f.agent)
	if err != nil {
		return 0, f.fail("read", err)
	}
	data, err := base64.StdEncoding.DecodeString(r.BufB64)
	if err != nil || len(data) > len(b) {
		return 0, f.fail("read", fmt.Errorf("agent has sent %d bytes instead of up to %d: %w", len(data), len(b), err))
	}
	f.at = at + int64(len(data))
	n = copy(b, data)
	if r.EOF || n == 0 {
		return n, io.EOF
	}
	return n, nil
}

// moveTo makes the agent's position the given one. The caller holds mu.
func (f *File) moveTo(offset int64) error {
	if f.closed {
		return fs.ErrClosed
	}
	if f.at == offset {
		return nil
	}
	_, err := f.seek(offset, guest.QGASeekSet)
	return err
}

func (f *File) seek(offset int64, whence guest.QGASeek) (int64, error) {
	before := f.at
	f.at = -1
	r, err := guest.GuestFileSeek{Handle: f.handle, Offset: offset, Whence: guest.GuestFileWhence{Name: &whence}}.Do(f.ctx, f.agent)
	if refused(err) { // a FIFO
		f.at = before
	}
	if err != nil {
		return 0, err
	}
	f.at = r.Position
	return r.Position, nil
}

// Write writes all of b, in commands of 64 KiB.
//
// Source: guest-file-write.
func (f *File) Write(b []byte) (n int, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return 0, f.fail("write", fs.ErrClosed)
	}
	for n < len(b) {
		if !f.append {
			if err := f.moveTo(f.want); err != nil {
				return n, f.fail("write", err)
			}
		}
		at := f.at
		f.at, f.dirty = -1, true
		part := b[n:min(len(b), n+chunk)]
		r, err := guest.GuestFileWrite{Handle: f.handle, BufB64: base64.StdEncoding.EncodeToString(part)}.Do(f.ctx, f.agent)
		if err == nil && (r.Count <= 0 || r.Count > int64(len(part))) {
			err = fmt.Errorf("%w: agent has written %d of %d bytes", io.ErrShortWrite, r.Count, len(part))
		}
		if err != nil {
			return n, f.fail("write", err)
		}
		n += int(r.Count)
		if !f.append {
			f.at = at + r.Count
			f.want = f.at
		}
	}
	return n, nil
}

// Seek sets the position for the next Read or Write, as [os.File.Seek] does. A file that grows can be read behind its end
// after a Seek.
//
// Source: guest-file-seek.
func (f *File) Seek(offset int64, whence int) (int64, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	err := error(nil)
	switch {
	case f.closed:
		err = fs.ErrClosed
	case whence == io.SeekCurrent:
		offset += f.want
		fallthrough
	case whence == io.SeekStart:
		if offset < 0 {
			err = fmt.Errorf("negative position %d", offset)
			break
		}
		_, err = f.seek(offset, guest.QGASeekSet)
	case whence == io.SeekEnd:
		_, err = f.seek(offset, guest.QGASeekEnd)
	default:
		err = fmt.Errorf("invalid whence %d", whence)
	}
	if err != nil {
		return 0, f.fail("seek", err)
	}
	f.want = f.at
	return f.at, nil
}

// Sync writes out what the agent has buffered.
//
// Source: guest-file-flush.
func (f *File) Sync() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return f.fail("write", fs.ErrClosed)
	}
	return f.fail("write", f.flush(f.ctx))
}

func (f *File) flush(ctx context.Context) error {
	if !f.dirty {
		return nil
	}
	err := guest.GuestFileFlush{Handle: f.handle}.Do(ctx, f.agent)
	f.dirty = err != nil
	return err
}

// Close writes out what the agent has buffered, and closes the file in the guest. If the context of the file has ended,
// Close has 10 seconds for each command. A second Close returns an error that matches [fs.ErrClosed].
//
// Close waits while file systems are frozen. If its error matches [qmp.ErrNotSent] or [ErrFrozen], the file is still open in
// the guest: call Close again.
//
// Source: guest-file-flush, guest-file-close.
func (f *File) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return f.fail("close", fs.ErrClosed)
	}
	flushing, cancel := wait.Outlive(f.ctx, undoLimit)
	defer cancel()
	flushErr := f.agent.whenThawed(flushing, func() error { return f.flush(flushing) })
	closing, cancel := wait.Outlive(f.ctx, undoLimit) // also if the agent has not answered the first in time
	defer cancel()
	err := f.close(closing)
	f.closed = !errors.Is(err, qmp.ErrNotSent) && !errors.Is(err, ErrFrozen)
	return f.fail("close", join(flushErr, err))
}

func (f *File) close(ctx context.Context) error {
	return f.agent.whenThawed(ctx, func() error { return guest.GuestFileClose{Handle: f.handle}.Do(ctx, f.agent) })
}

func (f *File) fail(operation string, err error) error {
	if err == io.EOF {
		return err
	}
	return fail(operation, f.path, err)
}
