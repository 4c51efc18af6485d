// Backup backs up the disks of a running virtual machine to a folder, by the machine's QMP socket, and restores them. The
// machine goes on running.
//
//	go run ./examples/backup full -qmp /run/vm1/qmp.sock -dir /backup/vm1 data1 data2
//	go run ./examples/backup inc -qmp /run/vm1/qmp.sock -dir /backup/vm1 data1 data2
//	go run ./examples/backup list -dir /backup/vm1
//	go run ./examples/backup restore -dir /backup/vm1 -to /srv/restored.img data1
//
// "full" copies everything and begins a chain; "inc" copies what the guest has written since the last backup. The disks of
// one backup have the content of one moment. Each folder has its own chain.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"hash/fnv"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"

	"github.com/qmpkit/qmpkit/block"
	"github.com/qmpkit/qmpkit/hotplug"
	"github.com/qmpkit/qmpkit/job"
	"github.com/qmpkit/qmpkit/qmp"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	err := run(ctx, os.Args[1:], os.Stdout)
	switch {
	case errors.Is(err, flag.ErrHelp):
	case err != nil:
		fmt.Fprintln(os.Stderr, "backup:", err)
		os.Exit(1)
	}
}

const usage = `usage:
  backup full    -qmp SOCKET -dir FOLDER DISK...   copy all data of the disks
  backup inc     -qmp SOCKET -dir FOLDER DISK...   copy what the guest has written since the last backup
  backup list    -dir FOLDER                       list the backups
  backup restore -dir FOLDER -to FILE DISK         write what a disk held to a new image
  backup abort   -qmp SOCKET DISK...               end a backup whose program has ended

DISK is the ID of a device of the machine.
`

// options are the flags of all commands.
type options struct {
	socket, dir, scratch, to, format, image string
	at                                      int
}

func run(ctx context.Context, args []string, out io.Writer) error {
	if len(args) == 0 {
		fmt.Fprint(out, usage)
		return flag.ErrHelp
	}
	var o options
	set := flag.NewFlagSet("backup "+args[0], flag.ContinueOnError)
	set.SetOutput(out)
	set.StringVar(&o.socket, "qmp", "", "the machine's QMP `SOCKET`")
	set.StringVar(&o.dir, "dir", "", "the `FOLDER` with the backups")
	set.StringVar(&o.scratch, "scratch", "", "a `FOLDER` on a local disk for what the guest overwrites during a backup")
	set.StringVar(&o.to, "to", "", "the new `FILE` for the restored image")
	set.StringVar(&o.format, "format", "raw", "the `FORMAT` of the restored image")
	set.StringVar(&o.image, "qemu-img", "qemu-img", "the `PROGRAM` qemu-img, which restores")
	set.IntVar(&o.at, "at", 0, "restore the backup with this `NUMBER` instead of the last one")
	if err := set.Parse(args[1:]); err != nil {
		return err
	}
	disks := set.Args()
	switch command := args[0]; command {
	case "full", "inc":
		return o.backUp(ctx, disks, command == "inc", out)
	case "list":
		return o.list(out)
	case "restore":
		return o.restore(ctx, disks, out)
	case "abort":
		return o.abort(ctx, disks)
	default:
		return fmt.Errorf("unknown command %q\n%s", command, usage)
	}
}

// connect connects to the machine.
func (o *options) connect(ctx context.Context) (*qmp.Client, error) {
	if o.socket == "" {
		return nil, errors.New("-qmp is missing")
	}
	return qmp.Dial(ctx, o.socket, nil)
}

// bitmap returns the name of the bitmaps of a folder's chains.
func (o *options) bitmap() (string, error) {
	path, err := filepath.Abs(o.dir)
	h := fnv.New64a()
	_, _ = io.WriteString(h, path) // returns nil
	return fmt.Sprintf("backup-%016x", h.Sum64()), err
}

func (o *options) backUp(ctx context.Context, ids []string, incremental bool, out io.Writer) error {
	if len(ids) == 0 {
		return errors.New("no DISK is given")
	}
	client, err := o.connect(ctx)
	if err != nil {
		return err
	}
	defer client.Close()
	have, err := openFolder(o.dir)
	if err != nil {
		return err
	}
	bitmap, err := o.bitmap()
	if err != nil {
		return err
	}
	var disks []block.BackupDisk
	var files []backup
	for _, id := range ids {
		b, err := have.next(id, incremental)
		if err != nil {
			return err
		}
		target := hotplug.File{Path: have.part(b), Format: "qcow2"}
		files = append(files, b)
		disks = append(disks, block.BackupDisk{
			ID: id, Target: block.Target{Backend: target, Create: true}, Bitmap: bitmap, Incremental: incremental,
		})
	}
	kept, err := block.New(client).Backup(ctx, disks, &block.BackupOptions{
		ScratchDir: o.scratch,
		Progress: func(disk string, p job.Progress) {
			fmt.Fprintf(out, "%s: %d of %d MiB\n", disk, p.Current>>20, p.Total>>20)
		},
	})
	switch {
	case errors.Is(err, block.ErrBitmapsUnknown): // it is complete
		fmt.Fprintln(out, err)
	case err != nil:
		for _, b := range files {
			err = errors.Join(err, have.remove(b))
		}
		return err
	}
	for _, k := range kept {
		fmt.Fprintln(out, "still in QEMU:", k)
	}
	for _, b := range files {
		if err := have.keep(b); err != nil {
			return err
		}
		fmt.Fprintln(out, b.path(o.dir))
	}
	if !incremental { // the new chains need nothing of an interrupted backup
		for _, id := range ids {
			if err := have.removeParts(id); err != nil {
				return err
			}
		}
	}
	return nil
}

func (o *options) list(out io.Writer) error {
	have, err := openFolder(o.dir)
	if err != nil {
		return err
	}
	for _, b := range have.all {
		kind := "full"
		if b.after > 0 {
			kind = fmt.Sprintf("after %d", b.after)
		}
		fmt.Fprintf(out, "%4d %-12s %s\n", b.number, kind, b.disk)
	}
	return nil
}

// restore writes a chain to a new image. qemu-img reads it as one image: each increment above the backup before.
func (o *options) restore(ctx context.Context, ids []string, out io.Writer) error {
	if len(ids) != 1 || o.to == "" {
		return errors.New("restore needs one disk, and -to")
	}
	have, err := openFolder(o.dir)
	if err != nil {
		return err
	}
	chain, err := have.chain(ids[0], o.at)
	if err != nil {
		return err
	}
	if _, err := os.Lstat(o.to); !errors.Is(err, os.ErrNotExist) {
		return errors.Join(fmt.Errorf("%s exists", o.to), err)
	}
	image, err := imageOf(o.dir, chain)
	if err != nil {
		return err
	}
	text, err := exec.CommandContext(ctx, o.image, "convert", "-O", o.format, image, o.to).CombinedOutput()
	if err != nil {
		return fmt.Errorf("qemu-img: %w: %s", err, strings.TrimSpace(string(text)))
	}
	fmt.Fprintf(out, "%s is %s as it was at backup %d\n", o.to, ids[0], chain[len(chain)-1].number)
	return nil
}

func (o *options) abort(ctx context.Context, ids []string) error {
	client, err := o.connect(ctx)
	if err != nil {
		return err
	}
	defer client.Close()
	_, err = block.New(client).AbortBackups(ctx, ids...)
	return err
}
