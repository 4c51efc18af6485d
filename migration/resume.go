package migration

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"time"

	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

// resumeLimit is how long QEMU may take to connect again. QEMU 5.2 and 7.2 do not report a failure.
const resumeLimit = 10 * time.Second

// Resume makes the source of a paused postcopy ([ErrPaused]) connect to the destination again, and
// waits like Run. First, make the destination listen with qemu.MigrateRecover. Send this command out
// of band ([qmp.Options.OOB]), because a destination that waits for memory may not answer other
// commands:
//
//	err := qemu.MigrateRecover{URI: "tcp:[::]:4445"}.Do(ctx, dst, qmp.OutOfBand())
//	…
//	_, err = migration.Resume(ctx, src, migration.TCP("host2.example.org:4445"), nil)
//
// Resume returns an error that matches:
//   - [ErrPaused]: QEMU could not resume. QEMU 10.0 and newer give the reason. Resume can be called
//     again.
//   - [ErrNotStarted]: migrate was refused or not sent. The migration is paused as before.
//   - [ErrGoesOn]: ctx ended. Postcopy cannot be cancelled.
//   - the other errors of Run.
//
// If QEMU 5.2 could not connect, it crashes at the next attempt, and the machine is lost. So for a QEMU
// older than 7.2, Resume connects to a Unix or TCP target from this process and passes the socket to
// QEMU, as [FD] does. The connection to QEMU must be a UNIX socket then.
func Resume(ctx context.Context, conn qmp.Conn, to Target, opts *Options) (Progress, error) {
	if err := prepare(ctx, conn, to, "migrate"); err != nil {
		return Progress{}, unstarted(err)
	}
	old, err := isBefore(ctx, conn, 7, 2)
	if err != nil {
		return Progress{}, unstarted(err)
	}
	if old && to.file == nil {
		to.file, err = to.connect(ctx)
		switch {
		case err == nil:
		case ctx.Err() != nil, errors.Is(err, errors.ErrUnsupported):
			return Progress{}, unstarted(err)
		default:
			return Progress{}, end(ErrPaused, "", err)
		}
		defer to.file.Close()
	}
	w := follow(conn, opts) // before migrate causes events
	defer w.close()
	err = begin(ctx, conn, to, func(ctx context.Context, uri *string) error {
		//qmp:allow migrate/arg-type/channels prepare has asked for what the target needs
		return qemu.Migrate{URI: uri, Channels: to.channels, Resume: new(true)}.Do(ctx, conn)
	})
	if err != nil {
		return Progress{}, err
	}
	w.owns()
	w.switched, w.resumed = true, time.Now().Add(resumeLimit)
	return w.wait(ctx)
}

// connect connects to a target that listens on a socket.
func (t Target) connect(ctx context.Context) (*os.File, error) {
	network, address, _ := strings.Cut(t.uri, ":")
	if network != "unix" && network != "tcp" || strings.Contains(address, ",") {
		return nil, fmt.Errorf("QEMU before 7.2 cannot resume with this target; connect a socket and use FD: %w", errors.ErrUnsupported)
	}
	conn, err := new(net.Dialer).DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	return conn.(interface{ File() (*os.File, error) }).File()
}
