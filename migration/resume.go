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

// resumeLimit is how long QEMU may take to connect again. QEMU 5.2 and 7.2 do not tell when they
// cannot.
const resumeLimit = 10 * time.Second

// Resume makes the source of a migration that is paused in postcopy ([ErrPaused]) connect to the
// destination again, and waits like [Run]. The destination must listen before: [qemu.MigrateRecover]
// makes it. A destination that waits for memory may answer no ordinary command, so send this one out of
// band ([qmp.Options.OOB]):
//
//	err := qemu.MigrateRecover{URI: "tcp:[::]:4445"}.Do(ctx, dst, qmp.OutOfBand())
//	…
//	_, err = migration.Resume(ctx, src, migration.TCP("host2.example.org:4445"), nil)
//
// If Resume does not succeed the error matches ErrPaused, with QEMU's reason from 10.0 on, and Resume can
// be called again. Other errors are those of [Start] and [Run]; [ErrNotStarted] means that the migration
// is paused as before. If ctx ends the error matches [ErrGoesOn]: postcopy cannot be cancelled.
//
// QEMU 5.2 that could not connect ends at the next attempt, and the machine with it. So for a QEMU older
// than 7.2 Resume connects by itself, from this process, and passes the socket on, as with [FD]: to
// [Unix] and [TCP] targets. The connection to QEMU must be a UNIX socket then.
func Resume(ctx context.Context, conn qmp.Conn, to Target, opts *Options) (Progress, error) {
	if err := prepare(ctx, conn, to, "migrate"); err != nil {
		return Progress{}, unstarted(err)
	}
	old, err := isBefore72(ctx, conn)
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
		return nil, fmt.Errorf("QEMU before 7.2 must not connect again by itself: connect, and use FD: %w", errors.ErrUnsupported)
	}
	conn, err := new(net.Dialer).DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	return conn.(interface{ File() (*os.File, error) }).File()
}
