package block

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/qmpkit/qmpkit/hotplug"
	"github.com/qmpkit/qmpkit/internal/wait"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

// ErrExportInUse means that a client is connected to an export. The export works as before.
var ErrExportInUse = errors.New("a client uses the export")

// ExportOptions configures [VM.Export].
type ExportOptions struct {
	ID   string // of the export; by default, the disk's ID and ".export"
	Name string // for clients; by default, Node or the disk's ID

	// Node is another node to export, for example a node that shows the disk as it was. By default, Export exports the node
	// that the disk uses. If the disk moves, clients then read its new node.
	Node string

	// Server starts QEMU's NBD server if it does not run, for example at a UNIX socket:
	//
	//	&qemu.NBDServerOptions{Addr: qemu.SocketAddress{Branch: &qemu.UnixSocketAddress{Path: "/run/data1.nbd"}}}
	//
	// A QEMU has one server. If it runs already, the export is at the server's address, and Server has no effect, unless
	// NewServer is set. TLSCreds names an object that the caller has added. nil means that the server runs already.
	Server *qemu.NBDServerOptions

	// NewServer makes Export fail if QEMU does not start Server, for example because a server runs already. So the export is
	// at the address of Server, or nowhere. QEMU does not report the address of its server.
	NewServer bool

	// Writable lets clients write. QEMU refuses this if a device uses the node and does not have the property share-rw. A
	// machine that waits for a migration does not use its disks yet.
	Writable bool

	// Bitmaps are names of bitmaps of the disk. Clients can read them as "qemu:dirty-bitmap:NAME". A bitmap that records
	// the guest's writes must be disabled, unless the export is Writable or of another Node.
	Bitmaps []string
}

func (o *ExportOptions) exportID(disk string) string { return cmp.Or(o.ID, disk+".export") }

// Export lets NBD clients read a disk, or also write to it. opts may be nil. [VM.Unexport] ends the export, and
// [Disk.Exports] lists those of a disk.
//
// If Export fails, everything is as before, unless the error is a [*hotplug.RollbackError]. The error matches:
//   - [ErrNoDisk]: there is no such disk, or it has no medium.
//   - [ErrBusy]: the export is Writable, and jobs run on the disk: they would miss what clients write.
//   - [hotplug.ErrExists]: there is an export with this ID.
//   - [*qmp.Error]: QEMU refused a command. If QEMU refuses to start the server, and NewServer is not set, Export tries to add the export, because the
//     server may run already. If QEMU refuses that, too, the error has both reasons.
//   - [errors.ErrUnsupported]: QEMU is older than 5.2, or is 6.0 to 8.1 and the disk has an iothread: such a QEMU can
//     terminate when a client leaves.
//
// Source: nbd-server-start, block-export-add.
func (vm *VM) Export(ctx context.Context, id string, opts *ExportOptions) error {
	if opts == nil {
		opts = &ExportOptions{}
	}
	return vm.changing(ctx, "export disk", id, func(undo *rollback) error {
		d, err := vm.look(ctx, id)
		if err != nil {
			return err
		}
		return vm.exportDisk(ctx, undo, d, opts)
	})
}

func (vm *VM) exportDisk(ctx context.Context, undo *rollback, d *Disk, opts *ExportOptions) error {
	id := d.Name
	switch {
	case len(d.Layers) == 0:
		return because(ErrNoDisk, "drive has no medium")
	case opts.Writable && opts.Node == "" && d.busy() != nil: // what clients write would not pass the filter of a job
		return d.busy()
	}
	root := d.root()
	if d.frozen() { // a second user of the filter would keep it in place
		root = d.Layers[1].Node
	}
	if err := vm.checkThread(ctx, d); err != nil {
		return err
	}
	nbd := &qemu.BlockExportOptionsNBD{Name: new(cmp.Or(opts.Name, opts.Node, id))}
	for _, name := range opts.Bitmaps {
		b := qemu.BlockDirtyBitmapOrStr{Local: new(name)}
		if opts.Node != "" { // QEMU 5.2 has only names
			b = qemu.BlockDirtyBitmapOrStr{External: &qemu.BlockDirtyBitmap{Node: d.image().Node, Name: name}}
		}
		nbd.Bitmaps = append(nbd.Bitmaps, b)
	}
	export := qemu.BlockExportAdd{
		ID: opts.exportID(id), NodeName: cmp.Or(opts.Node, root), Writable: new(opts.Writable), Branch: nbd,
	}
	if _, err := vm.findExport(ctx, export.ID); !errors.Is(err, errNoExport) {
		return cmp.Or(err, because(hotplug.ErrExists, "export ID %q is in use", export.ID))
	}
	notStarted := vm.startServer(ctx, undo, opts.Server)
	if notStarted != nil && (opts.NewServer || !refused(notStarted)) {
		return notStarted
	}
	err := undo.step(ctx, "export "+export.ID, func(ctx context.Context) error { return export.Do(ctx, vm.conn) },
		func(ctx context.Context) error {
			return vm.removeExport(ctx, export.ID, qemu.BlockExportRemoveModeHard)
		})
	if refused(err) {
		return errors.Join(notStarted, err)
	}
	return err
}

// checkThread returns an error if a disk has an iothread, and QEMU would terminate when a client of its export leaves: its
// server handles that in the iothread since it closes all clients at its end (7.2.14), until 8.2.
func (vm *VM) checkThread(ctx context.Context, d *Disk) error {
	v, err := vm.version(ctx)
	if err != nil || v.Major < 6 || v.Major > 8 || v.Major == 8 && v.Minor >= 2 {
		return err
	}
	threads, err := qemu.QueryIOThreads{}.Do(ctx, vm.conn)
	if err != nil || len(threads) == 0 {
		return err
	}
	get := func(path, property string) (text string, err error) {
		value, err := vm.property(ctx, path, property)
		_ = json.Unmarshal(value, &text) // it can be no text
		return text, err
	}
	for at := d.devicePath(); at != ""; { // the device, and the adapters of its buses
		thread, err := get(at, "iothread")
		if err != nil {
			return err
		}
		if thread != "" {
			return because(errors.ErrUnsupported, "disk has an iothread, and QEMU 7.2 can terminate when a client of its export leaves")
		}
		bus, err := get(at, "parent_bus")
		if err != nil {
			return err
		}
		at = bus[:max(strings.LastIndex(bus, "/"), 0)]
	}
	return nil
}

// startServer starts the NBD server, as a step of an operation, if options is not nil.
func (vm *VM) startServer(ctx context.Context, undo *rollback, options *qemu.NBDServerOptions) error {
	if options == nil {
		return nil
	}
	branch, ok := options.Addr.Branch.(qemu.SocketAddressLegacyBranch)
	if !ok {
		return fmt.Errorf("address of the NBD server is a %T", options.Addr.Branch)
	}
	start := qemu.NBDServerStart{
		Addr:     qemu.SocketAddressLegacy{Type: options.Addr.Type, Branch: branch},
		TLSCreds: options.TLSCreds, TLSAuthZ: options.TLSAuthZ, MaxConnections: options.MaxConnections,
		HandshakeMaxSeconds: options.HandshakeMaxSeconds,
	}
	return undo.step(ctx, "NBD server", func(ctx context.Context) error { return start.Do(ctx, vm.conn) }, vm.stopServer)
}

// UnexportOptions configures [VM.Unexport].
type UnexportOptions struct {
	ID string // of the export, as in [ExportOptions]

	// Hard cuts the connections of clients. Without it, Unexport returns an error while a client is connected.
	Hard bool

	// StopServer stops the NBD server if it has no other exports. Set it if [ExportOptions.Server] has started the server.
	StopServer bool
}

// Unexport ends an export of [VM.Export], and waits until it has ended. opts may be nil. Ending an export that does not
// exist is not an error. The disk need not exist.
//
// Unexport returns an error that matches:
//   - [ErrExportInUse]: a client is connected, and opts.Hard is not set.
//   - the error of ctx: the export may still end.
//
// Source: block-export-del, nbd-server-stop, query-block-exports.
func (vm *VM) Unexport(ctx context.Context, id string, opts *UnexportOptions) error {
	if opts == nil {
		opts = &UnexportOptions{}
	}
	return vm.do(ctx, "end export of disk", id, func() error {
		mode := qemu.BlockExportRemoveModeSafe
		if opts.Hard {
			mode = qemu.BlockExportRemoveModeHard
		}
		options := ExportOptions{ID: opts.ID}
		err := vm.removeExport(ctx, options.exportID(id), mode)
		if err == nil && opts.StopServer {
			err = vm.stopServer(ctx)
		}
		return err
	})
}

// errNoExport means that there is no export with an ID.
var errNoExport = errors.New("no such export")

// findExport asks for an export.
func (vm *VM) findExport(ctx context.Context, id string) (*qemu.BlockExportInfo, error) {
	all, err := qemu.QueryBlockExports{}.Do(ctx, vm.conn)
	if err != nil {
		return nil, err
	}
	if i := slices.IndexFunc(all, func(e qemu.BlockExportInfo) bool { return e.ID == id }); i >= 0 {
		return &all[i], nil
	}
	return nil, errNoExport
}

// removeExport ends an export and waits until it is gone.
func (vm *VM) removeExport(ctx context.Context, id string, mode qemu.BlockExportRemoveMode) error {
	deleted := qmp.Subscribe[qemu.BlockExportDeletedEvent](vm.conn)
	defer deleted.Close()
	err := qemu.BlockExportDel{ID: id, Mode: &mode}.Do(ctx, vm.conn)
	if err != nil && !refused(err) {
		return err
	}
	for {
		export, lookErr := vm.findExport(ctx, id)
		switch {
		case errors.Is(lookErr, errNoExport):
			return nil
		case lookErr != nil:
			return errors.Join(err, lookErr)
		case err != nil && !export.ShuttingDown && mode == qemu.BlockExportRemoveModeSafe:
			return fmt.Errorf("%w: %w", ErrExportInUse, err)
		case err != nil && !export.ShuttingDown:
			return err
		}
		if err := next(ctx, deleted); err != nil {
			return err
		}
	}
}

// removeExportAfter ends an export whose clients are about to leave. If a client does not leave soon, it cuts the connection.
func (vm *VM) removeExportAfter(ctx context.Context, id string) error {
	for begun := time.Now(); time.Since(begun) < leaveLimit; {
		err := vm.removeExport(ctx, id, qemu.BlockExportRemoveModeSafe)
		if !errors.Is(err, ErrExportInUse) {
			return err
		}
		if err := sleep(ctx, leaveInterval); err != nil {
			return err
		}
	}
	return vm.removeExport(ctx, id, qemu.BlockExportRemoveModeHard)
}

const (
	leaveLimit    = 2 * time.Second
	leaveInterval = 10 * time.Millisecond
)

// forgetTime is how long QEMU 5.2 can take to forget a client that has left. If the server stops in this time, QEMU ends.
// It does not tell when the time is over: 100 ms were enough in 450 tries, and without them every 15th try ended QEMU.
const forgetTime = 200 * time.Millisecond

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return wait.Err(ctx)
	}
}

// stopServer stops the NBD server, unless it has exports.
func (vm *VM) stopServer(ctx context.Context) error {
	all, err := qemu.QueryBlockExports{}.Do(ctx, vm.conn)
	if err != nil || slices.ContainsFunc(all, func(e qemu.BlockExportInfo) bool { return e.Type == qemu.BlockExportTypeNBD }) {
		return err
	}
	version, err := vm.version(ctx)
	if err != nil {
		return err
	}
	if version.Major < 6 {
		if err := sleep(ctx, forgetTime); err != nil {
			return err
		}
	}
	err = qemu.NBDServerStop{}.Do(ctx, vm.conn)
	if refused(err) { // it does not run
		return nil
	}
	return err
}

// pollInterval is the time between two queries if no event comes.
const pollInterval = time.Second

// next waits for an event, or until it is time to query again.
func next[T any](ctx context.Context, events *qmp.Subscription[T]) error {
	tick, cancel := context.WithTimeout(ctx, pollInterval)
	defer cancel()
	_, err := events.Next(tick)
	switch {
	case ctx.Err() != nil:
		return wait.Err(ctx)
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, qmp.ErrEventsLost):
		return nil
	}
	return err
}

// refused reports whether QEMU answered a command with an error.
func refused(err error) bool {
	_, ok := errors.AsType[*qmp.Error](err)
	return ok
}
