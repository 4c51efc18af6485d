package qmp

import (
	"context"
	"errors"
	"os"
)

// maxFiles is the number of descriptors that QEMU takes with one message (TCP_MAX_FDS of
// chardev/char-socket.c).
const maxFiles = 16

// WithFile sends a file's descriptor along with the command. Only getfd and add-fd take one. If several
// files are given, QEMU takes the first and closes the others. QEMU shares the open file with the sender,
// including its offset and its flags, and clears O_NONBLOCK in these flags.
//
// The caller can close the file when the command has returned, with or without an error. If the connection is
// not a UNIX socket, or the platform cannot send descriptors, the error matches [ErrNotSent] and
// [errors.ErrUnsupported].
//
// Commands with files wait for each other, because the server does not know which command a descriptor belongs
// to. If the server refuses the command, or the command takes no files, the server still has the descriptors,
// and the next getfd would get the wrong file. So the client then makes the server close them, by a getfd with
// the name "0", which takes the descriptors and fails. qemu-storage-daemon has neither getfd nor add-fd, and
// keeps a descriptor until the next one comes.
func WithFile(f *os.File) CallOption {
	return func(c *Call) { c.Files = append(c.Files, f) }
}

// drain is the request that closes the descriptors which no command has taken: a name that
// begins with a digit is refused after they have been taken.
const drain = `{"execute":"getfd","arguments":{"fdname":"0"},"id":`

var (
	errNoFiles      = wrap("files need a UNIX socket", errors.ErrUnsupported)
	errTooManyFiles = errors.New("more than 16 files")
)

// attachFiles makes p send the files. It waits until no other command with files is in
// flight; from then on none is until filesDone.
func (c *Client) attachFiles(ctx context.Context, p *pending, files []*os.File) error {
	if !c.out.takesFiles {
		return errNoFiles
	}
	if len(files) > maxFiles {
		return errTooManyFiles
	}
	switch locked, err := c.fileMu.LockUnless(ctx, c.done); {
	case err != nil:
		return wrap("another command with files is in flight", err)
	case !locked:
		return c.Err()
	}
	rights, err := duplicate(files)
	if err != nil {
		c.filesDone()
		return err
	}
	p.files = rights
	p.hasFiles = true
	return nil
}

// filesDone lets the next command with files be sent.
func (c *Client) filesDone() { c.fileMu.Unlock() }

// settleFiles is called when a command with files was answered. It makes sure that the server
// keeps no descriptor before the next command with files is sent.
func (c *Client) settleFiles(p *pending, refused bool) {
	if p.drains || !refused && (p.command == "getfd" || p.command == "add-fd") {
		c.filesDone()
		return
	}
	d := newPending("getfd")
	d.hasFiles, d.drains, d.abandoned = true, true, true
	d.request.b = append(d.request.b, drain...)
	if c.calls.add(d) != nil {
		c.filesDone() // nothing will be sent any more
		return
	}
	c.flush()
}
