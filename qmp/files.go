package qmp

import (
	"context"
	"errors"
	"os"
)

// maxFiles is the number of descriptors that QEMU takes with one message (TCP_MAX_FDS of
// chardev/char-socket.c).
const maxFiles = 16

// WithFile sends a file's descriptor along with the command, for those that take one: getfd
// and add-fd. Given several times it sends several; QEMU's commands take the first one and
// close the others. QEMU shares the open file with the sender, its offset and flags included,
// and clears O_NONBLOCK in these flags.
//
// The caller can close the file when the command has returned, whatever it returned. On a
// connection that is no UNIX socket, and where the platform has no way to send descriptors,
// the command fails with an error that matches [ErrNotSent] and [errors.ErrUnsupported].
//
// Commands with files wait for each other: the server keeps the descriptors that have come
// apart from the commands, so two would be mixed up. When the server refuses such a command,
// or the command is none that takes files, the client makes the server close the descriptors
// that it still keeps, by a getfd with the name "0", which takes a descriptor and fails:
// otherwise the next getfd would silently get the wrong file. qemu-storage-daemon has neither
// command; a descriptor that is sent to it stays until the next one comes.
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
