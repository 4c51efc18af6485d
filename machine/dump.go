package machine

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/qmpkit/qmpkit/internal/wait"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
	"github.com/qmpkit/qmpkit/qmp/qmpfd"
)

// DumpOptions configures [DumpMemory]. nil and the zero value are all memory, as an ELF core.
type DumpOptions struct {
	// Format is the format of the dump. Those of kdump are compressed. The formats "kdump-raw-…" (QEMU 10.0) need a writer that
	// is an [*os.File] and can seek; the others can be written anywhere.
	Format qemu.DumpGuestMemoryFormat

	// Paging makes an ELF core with the guest's virtual addresses, which takes QEMU more memory.
	Paging bool

	// Begin and Length limit an ELF core to a part of the physical memory. A Length of 0 means all memory.
	Begin, Length int64

	// Progress is called about twice a second, on the goroutine of DumpMemory. It may be nil. The numbers are bytes of
	// memory.
	Progress func(completed, total int64)
}

// DumpMemory writes the memory of the machine, and returns when the dump is complete and the machine runs again. QEMU pauses
// a running machine for the time of the dump; a paused machine stays paused.
//
// QEMU writes into a pipe, and DumpMemory copies to w. So it can cancel the dump, although QEMU has no command for that: if
// ctx ends or w fails, it closes the pipe, and QEMU gives up. DumpMemory never returns while it writes to w. Formats that
// need to seek go into the file itself: if ctx ends, such a dump goes on.
//
// DumpMemory returns an error that matches:
//   - the error of ctx, or of w: the dump is cancelled.
//   - [ErrDumping]: QEMU writes another dump, or another DumpMemory has not returned. Nothing was sent that begins a dump.
//   - [ErrDumpFailed]: QEMU did not complete the dump.
//   - [ErrDumpGoesOn] and the reason: only the wait has ended, because a dump cannot be cancelled, or has not ended 15 s after
//     it was cancelled.
//   - [errors.ErrUnsupported]: QEMU does not have the format, or the connection cannot carry descriptors.
//   - [*qmp.Error]: QEMU refused the dump.
//
// Two programs, or two connections, must not begin dumps at the same moment: QEMU 5.2 then hangs, and 10.0 and 11.1 terminate.
//
// Source: getfd, dump-guest-memory, query-dump, query-status, query-migrate, DUMP_COMPLETED, RESUME.
func DumpMemory(ctx context.Context, conn qmp.Conn, w io.Writer, opts *DumpOptions) error {
	if opts == nil {
		opts = &DumpOptions{}
	}
	return failed("dump memory", dumpMemory(ctx, conn, w, opts))
}

// seeks reports whether QEMU needs a file that can seek for a format.
func seeks(format qemu.DumpGuestMemoryFormat) bool {
	return strings.HasPrefix(string(format), "kdump-raw-")
}

func dumpMemory(ctx context.Context, conn qmp.Conn, w io.Writer, opts *DumpOptions) error {
	if opts.Begin < 0 || opts.Length < 0 || opts.Begin > 0 && opts.Length == 0 { // QEMU takes some of these
		return fmt.Errorf("begin is %d and length is %d: they must not be negative, and Begin needs a Length", opts.Begin, opts.Length)
	}
	dumping := dumpLock(conn)
	if !dumping.TryLock() {
		return fmt.Errorf("%w over this connection", ErrDumping)
	}
	defer dumping.Unlock()
	d := &dump{conn: conn, opts: opts, events: conn.Events(qemu.EventDumpCompleted, qemu.EventResume)} // before the dump causes any
	defer d.events.Close()
	if !seeks(opts.Format) {
		return d.pipe(ctx, w)
	}
	file, ok := w.(*os.File)
	if !ok {
		return fmt.Errorf("format %s needs an *os.File, not a %T", opts.Format, w)
	}
	if _, err := d.start(ctx, file); err != nil {
		return err
	}
	return d.wait(ctx)
}

type dumpKey struct{}

// dumpLock returns the lock that a dump holds until QEMU is ready for the next one. QEMU 5.2 hangs and 10.0 and 11.1 terminate
// if the next one begins earlier.
func dumpLock(conn qmp.Conn) *sync.Mutex {
	server := qmp.ServerOf(conn)
	if server == nil {
		return new(sync.Mutex)
	}
	return server.Keep(dumpKey{}, func() any { return new(sync.Mutex) }).(*sync.Mutex)
}

// A dump is a dump that QEMU writes.
type dump struct {
	conn   qmp.Conn
	opts   *DumpOptions
	events qmp.EventStream
	before []string // why the machine could not be migrated before the dump
	reason string   // why it has failed
	told   bool     // the event about its end has come
}

// pipe has the dump written into a pipe, and copies it to w.
func (d *dump) pipe(ctx context.Context, w io.Writer) error {
	from, to, err := os.Pipe()
	if err != nil {
		return err
	}
	defer from.Close()
	copied := make(chan error, 1)
	go func() {
		_, err := io.Copy(w, from)
		copied <- err
		from.Close() // QEMU gives up if w has failed
	}()
	defer context.AfterFunc(ctx, func() { from.Close() })()

	begun, err := d.start(ctx, to)
	to.Close() // QEMU has its own
	lasting, cancel := wait.Outlive(ctx, cleanupLimit)
	defer cancel()
	if err != nil {
		from.Close()
		<-copied
		if begun {
			if waitErr := d.wait(lasting); !errors.Is(waitErr, ErrDumpFailed) {
				err = errors.Join(err, waitErr)
			}
		}
		return err
	}
	var copyErr error
	err = d.wait(lasting)
	if err == nil {
		copyErr = <-copied
	} else {
		select {
		case copyErr = <-copied: // perhaps why QEMU has failed
		default:
			from.Close() // ends the copy even if QEMU goes on
			<-copied
		}
	}
	switch {
	case err != nil && !errors.Is(err, ErrDumpFailed):
		return err
	case ctx.Err() != nil && (err != nil || copyErr != nil):
		return wait.Err(ctx)
	}
	return cmp.Or(copyErr, err)
}

// start starts the dump into a file. If it fails, begun reports whether QEMU may have started all the same.
func (d *dump) start(ctx context.Context, to *os.File) (begun bool, err error) {
	if err = d.ready(ctx); err != nil {
		return false, err
	}
	name := "dump-" + rand.Text()
	if err := qmpfd.Send(ctx, d.conn, name, to); err != nil {
		return false, err
	}
	request := qemu.DumpGuestMemory{
		Paging: d.opts.Paging, Protocol: "fd:" + name, Detach: new(true), Format: qmp.NonZero(d.opts.Format),
	}
	if d.opts.Length != 0 {
		request.Begin, request.Length = &d.opts.Begin, &d.opts.Length
	}
	if err = request.Do(ctx, d.conn); err == nil {
		return true, nil
	}
	undo, cancel := wait.Detach(ctx, cleanupLimit)
	defer cancel()
	return qmp.MayHaveExecuted(err), errors.Join(d.why(undo, err), qmpfd.Close(undo, d.conn, name))
}

// ready returns when QEMU has cleaned up after a dump of another connection. It does not wait for long: the machine can have
// something else that prevents a migration.
func (d *dump) ready(ctx context.Context) error {
	last, err := qemu.QueryDump{}.Do(ctx, d.conn)
	if err == nil && last.Status == qemu.DumpStatusActive {
		err = ErrDumping
	}
	for range 10 {
		if err != nil {
			return err
		}
		if d.before, err = d.blockers(ctx); err == nil && (last.Status == qemu.DumpStatusNone || len(d.before) == 0) {
			return nil
		}
		err = errors.Join(err, pause(ctx))
	}
	return err
}

// pause waits a moment.
func pause(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return wait.Err(ctx)
	case <-time.After(10 * time.Millisecond):
		return nil
	}
}

// why finds out why QEMU refused the dump.
func (d *dump) why(ctx context.Context, err error) error {
	if !refused(err) {
		return err
	}
	if result, lookErr := (qemu.QueryDump{}).Do(ctx, d.conn); lookErr == nil && result.Status == qemu.DumpStatusActive {
		return fmt.Errorf("%w: %w", ErrDumping, err)
	}
	can, lookErr := qemu.QueryDumpGuestMemoryCapability{}.Do(ctx, d.conn)
	if lookErr == nil && d.opts.Format != "" && !slices.Contains(can.Formats, d.opts.Format) {
		return fmt.Errorf("%w: QEMU has the formats %v: %w", errors.ErrUnsupported, can.Formats, err)
	}
	return err
}

// wait waits until QEMU has ended the dump, and the machine runs again. If ctx ends first, the error matches ErrDumpGoesOn.
func (d *dump) wait(ctx context.Context) error {
	result, err := d.result(ctx)
	if err == nil {
		err = d.cleanedUp(ctx)
	}
	switch {
	case err != nil && ctx.Err() != nil:
		return fmt.Errorf("%w: %w", ErrDumpGoesOn, err)
	case err == nil && result.Status != qemu.DumpStatusCompleted:
		return fmt.Errorf("%w: %s", ErrDumpFailed, cmp.Or(d.reason, "QEMU did not report a reason"))
	}
	return err
}

// result waits until QEMU has ended the dump, and the machine runs again.
func (d *dump) result(ctx context.Context) (qemu.DumpQueryResult, error) {
	for seen := false; ; {
		result, over, err := d.look(ctx)
		if err != nil || over && (result.Status == qemu.DumpStatusCompleted || d.told || seen) {
			return result, err
		}
		seen = over // QEMU reports the reason right afterwards
		if err := d.next(ctx); err != nil {
			return result, err
		}
	}
}

// blockers returns why the machine cannot be migrated. QEMU 5.2 does not report that.
func (d *dump) blockers(ctx context.Context) ([]string, error) {
	info, err := qemu.QueryMigrate{}.Do(ctx, d.conn)
	return info.BlockedReasons, err
}

// cleanedUp waits until the machine can be migrated again, but not for long: another client may have done something else that
// prevents a migration. The dump prevents it a moment longer than it pauses the machine. QEMU 11.1 terminates if the
// next dump begins in that moment.
func (d *dump) cleanedUp(ctx context.Context) error {
	for range 100 {
		now, err := d.blockers(ctx)
		if err != nil || !slices.ContainsFunc(now, func(reason string) bool { return !slices.Contains(d.before, reason) }) {
			return err
		}
		if err := pause(ctx); err != nil {
			return err
		}
	}
	return nil
}

// look asks for the state of the dump.
func (d *dump) look(ctx context.Context) (result qemu.DumpQueryResult, over bool, err error) {
	result, err = qemu.QueryDump{}.Do(ctx, d.conn)
	if err != nil {
		return result, false, err
	}
	if d.opts.Progress != nil {
		d.opts.Progress(result.Completed, result.Total)
	}
	if result.Status == qemu.DumpStatusActive {
		return result, false, nil
	}
	status, err := qemu.QueryStatus{}.Do(ctx, d.conn)
	return result, status.Status != qemu.RunStateSaveVM, err
}

const lookInterval = 500 * time.Millisecond

// next waits for an event, but not for long.
func (d *dump) next(ctx context.Context) error {
	short, cancel := context.WithTimeout(ctx, lookInterval)
	defer cancel()
	e, err := d.events.Next(short)
	switch {
	case err == nil:
	case short.Err() != nil || errors.Is(err, qmp.ErrEventsLost):
		return nil // look
	default:
		return err
	}
	completed, ok, err := qmp.EventAs[qemu.DumpCompletedEvent](e)
	if ok && err == nil {
		d.told, d.reason = true, qmp.Value(completed.Error)
	}
	return err
}
