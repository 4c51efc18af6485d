package migration

import (
	"context"
	"time"

	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

// resumeLimit is how long QEMU may take to connect again. QEMU 5.2 and 7.2 do not tell when they
// cannot.
const resumeLimit = 10 * time.Second

// Resume makes the source of a migration that is paused in postcopy ([ErrPaused]) connect to the
// destination again, and waits like [Wait]. The destination has to listen before, which
// [qemu.MigrateRecover] makes it do. A destination that waits for memory may answer no ordinary
// command, so that this one is best sent out of band ([qmp.Options.OOB]):
//
//	err := qemu.MigrateRecover{URI: "tcp:[::]:4445"}.Do(ctx, dst, qmp.OutOfBand())
//	…
//	_, err = migration.Resume(ctx, src, migration.TCP("host2.example.org:4445"), nil)
//
// When it does not succeed the error matches ErrPaused, with QEMU's reason from 10.0 on, and it can
// be tried again; but not with QEMU 5.2, which ends at the second attempt, and the machine with it.
// Other errors are those of [Start], which do not change where the machine is, and of Wait.
func Resume(ctx context.Context, conn Conn, to Target, opts *Options) (Progress, error) {
	if err := prepare(ctx, conn, to, "migrate"); err != nil {
		return Progress{}, unstarted(err)
	}
	w := follow(conn, opts) // before migrate causes events
	defer w.close()
	err := begin(ctx, conn, to, func(ctx context.Context, uri *string) error {
		return qemu.Migrate{URI: uri, Channels: to.channels, Resume: new(true)}.Do(ctx, conn)
	})
	if err != nil {
		return Progress{}, err
	}
	w.switched, w.resumed = true, time.Now().Add(resumeLimit)
	return w.wait(ctx)
}
