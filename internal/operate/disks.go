package operate

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"path/filepath"
	"slices"
	"strings"

	"github.com/qmpkit/qmpkit/block"
	"github.com/qmpkit/qmpkit/guestagent"
	"github.com/qmpkit/qmpkit/hotplug"
	"github.com/qmpkit/qmpkit/job"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

const diskHelp = "name of the disk, from list disks: the ID of its device, or else the name of its drive"

var (
	disk        = Arg{Name: "disk", Kind: "disk", Required: true, Positional: true, Help: diskHelp}
	disks       = Arg{Name: "disk", Kind: "disk", Required: true, Positional: true, Repeated: true, Help: diskHelp}
	target      = Arg{Name: "file", Kind: "file", Required: true, Positional: true, Help: "the new image, or a block device"}
	targets     = Arg{Name: "file", Kind: "file", Required: true, Positional: true, Repeated: true, Help: "the new image of the disk before it"}
	create      = Arg{Name: "create", Kind: "bool", Default: "on", Help: "make the image; off: the file is an image of the disk's size"}
	speed       = Arg{Name: "speed", Kind: "size", Help: "limit in bytes a second"}
	blocking    = Arg{Name: "write-blocking", Kind: "bool", Default: "off", Help: "writes of the guest wait for the target; for a guest that writes faster than the copy"}
	topOnly     = Arg{Name: "top", Kind: "bool", Default: "off", Help: "only the first image; the target gets the images below it"}
	backingFile = Arg{Name: "backing-file", Kind: "text", Help: "name of the image below, for the header; needed if QEMU got a descriptor"}
	bitmap      = Arg{Name: "bitmap", Kind: "bitmap:disk", Required: true, Positional: true, Help: "name of the bitmap"}
)

var diskOperations = []Operation{
	{
		Name: "list disks", Help: "List the disks with their images, jobs, exports and bitmaps",
		Run: listDisks,
	},
	{
		Name: "move", Help: "Move a disk to another file or device while the guest uses it; the old file stays",
		Args: []Arg{disk, target, format, create, topOnly, backingFile, direct, discard, blocking, speed},
		Run: func(ctx context.Context, env *Env, v Values) error {
			id := v.text("disk")
			kept, err := env.disks().Move(ctx, id, env.target(v, 0), &block.MoveOptions{Top: v.bool("top"),
				BackingFile: v.text("backing-file"), WriteBlocking: v.bool("write-blocking"), Speed: v.size("speed"),
				Progress: env.job("move " + id)})
			env.kept(kept, err)
			return env.done(err, "disk %s uses %s", id, v.text("file"))
		},
	},
	{
		Name: "copy", Help: "Copy a disk while the guest uses it; the guest keeps its images",
		Args: []Arg{disk, target, format, create, topOnly, backingFile, direct, blocking, speed},
		Run: func(ctx context.Context, env *Env, v Values) error {
			id := v.text("disk")
			kept, err := env.disks().Copy(ctx, id, env.target(v, 0), &block.CopyOptions{Top: v.bool("top"),
				BackingFile: v.text("backing-file"), WriteBlocking: v.bool("write-blocking"), Speed: v.size("speed"),
				Progress: env.job("copy " + id)})
			env.kept(kept, err)
			return env.done(err, "%s has a copy of disk %s", v.text("file"), id)
		},
	},
	{
		Name: "snapshot", Help: "Put new qcow2 images on top of one or several disks, at one moment; the images below keep what they have",
		Args: []Arg{disks, targets,
			{Name: "backing-file", Kind: "text", Repeated: true, Help: backingFile.Help + "; one for each disk"},
			{Name: "freeze", Kind: "bool", Default: "off", Help: "the guest agent freezes the file systems for that moment"},
			{Name: "unencrypted", Kind: "bool", Default: "off", Help: "allow an overlay on an encrypted image"},
			{Name: "drop-bitmaps", Kind: "bool", Default: "off", Help: "leave the bitmaps on the images below"}},
		Run: snapshot,
	},
	{
		Name: "commit", Help: "Merge the first image of a disk into the image below it; files stay",
		Args: []Arg{disk,
			{Name: "top", Kind: "node", Help: "node of the first image to merge; by default the one that the guest writes to"},
			{Name: "base", Kind: "node", Help: "node of the image that gets the data; by default the one below top"},
			backingFile, speed},
		Run: func(ctx context.Context, env *Env, v Values) error {
			id := v.text("disk")
			kept, err := env.disks().Commit(ctx, id, &block.CommitOptions{Top: v.text("top"), Base: v.text("base"),
				BackingFile: v.text("backing-file"), Speed: v.size("speed"), Progress: env.job("commit " + id)})
			env.kept(kept, err)
			return env.done(err, "disk %s is merged", id)
		},
	},
	{
		Name: "stream", Help: "Copy the data of the images below into the first image of a disk; files stay",
		Args: []Arg{disk,
			{Name: "top", Kind: "node", Help: "node of the image that gets the data; by default the one that the guest writes to"},
			{Name: "base", Kind: "node", Help: "node of an image that stays below; by default none stays"},
			backingFile, speed},
		Run: func(ctx context.Context, env *Env, v Values) error {
			id := v.text("disk")
			kept, err := env.disks().Stream(ctx, id, &block.StreamOptions{Top: v.text("top"), Base: v.text("base"),
				BackingFile: v.text("backing-file"), Speed: v.size("speed"), Progress: env.job("stream " + id)})
			env.kept(kept, err)
			return env.done(err, "disk %s no longer uses the images below", id)
		},
	},
	{
		Name: "backup", Help: "Copy disks as they are at one moment, all data or what has changed since the last backup",
		Args: []Arg{disks, targets,
			{Name: "bitmap", Kind: "bitmap:disk", Help: "bitmap that connects a full backup with its increments; a full backup makes it"},
			{Name: "incremental", Kind: "bool", Default: "off", Help: "only what has changed since the last backup with the bitmap"},
			{Name: "format", Kind: format.Kind, Help: format.Help}, create,
			{Name: "scratch-dir", Kind: "file", Help: "folder on a local disk for what the guest overwrites; by default that for temporary files"},
			{Name: "direct", Kind: "bool", Default: "off", Help: "without a scratch image: a slow target makes the guest slow. QEMU before 7.1 has only that"},
			speed},
		Run: backup,
	},
	{
		Name: "abort backup", Help: "End the backups and frozen views of disks, also of another program",
		Args: []Arg{disks},
		Run: func(ctx context.Context, env *Env, v Values) error {
			before, err := job.List(ctx, env.conn())
			if err != nil {
				return err
			}
			kept, err := env.disks().AbortBackups(ctx, v["disk"]...)
			env.kept(kept, err)
			if err != nil || env.dry {
				return err
			}
			after, err := job.List(ctx, env.conn())
			if err != nil {
				return err
			}
			for _, j := range before {
				isOf := func(id string) bool { return job.IsOf(j.ID, id) }
				if slices.ContainsFunc(v["disk"], isOf) && !slices.ContainsFunc(after, func(other qemu.JobInfo) bool { return other.ID == j.ID }) {
					env.say("job %s has ended", j.ID)
				}
			}
			return env.done(nil, "no backup of %s is left", strings.Join(v["disk"], ", "))
		},
	},
	{
		Name: "clean disk", Help: "Remove nodes and jobs that interrupted operations on a disk have left",
		Args: []Arg{disk},
		Run: func(ctx context.Context, env *Env, v Values) error {
			kept, err := env.disks().Clean(ctx, v.text("disk"))
			env.kept(kept, err)
			switch {
			case err != nil || len(kept) == 0:
				return env.done(err, "disk %s is clean", v.text("disk"))
			case slices.ContainsFunc(kept, func(k hotplug.Kept) bool { return errors.Is(k.Err, hotplug.ErrDescriptorsKept) }):
				return fmt.Errorf("disk %s is not clean: QEMU keeps descriptors while the machine is stopped; when it runs, repeat clean disk %[1]s", v.text("disk"))
			}
			return fmt.Errorf("disk %s is not clean: what is listed is in use", v.text("disk"))
		},
	},
	{
		Name: "create image", Help: "Make an image, which QEMU writes",
		Args: []Arg{{Name: "file", Kind: "file", Required: true, Positional: true, Help: "the new image, or a block device"},
			{Name: "size", Kind: "size", Required: true, Positional: true, Help: "bytes of the disk: 20G"}, format,
			{Name: "backing-file", Kind: "file", Help: "the image below a qcow2 image"},
			{Name: "backing-format", Kind: format.Kind, Help: "format of the image below"}},
		Run: func(ctx context.Context, env *Env, v Values) error {
			path := v.text("file")
			err := env.disks().CreateImage(ctx, "image", block.Image{
				Backend: hotplug.File{Path: path, Format: formatOf(v, path), Open: env.image()}, Size: v.size("size"),
				BackingFile: v.text("backing-file"), BackingFormat: qemu.BlockdevDriver(v.text("backing-format")),
			})
			return env.done(err, "made %s, a %s image of %s", path, formatOf(v, path), bytes(v.size("size")))
		},
	},

	bitmapOperation("clear", "Make a bitmap empty", (*block.VM).ClearBitmap),
	bitmapOperation("remove", "Remove a bitmap; the next backup with it must be a full one", (*block.VM).RemoveBitmap),
	bitmapOperation("enable", "Make a bitmap record what the guest writes", (*block.VM).EnableBitmap),
	bitmapOperation("disable", "Make a bitmap record no more", (*block.VM).DisableBitmap),
	{
		Name: "bitmap add", Help: "Add a bitmap, which records what the guest writes",
		Args: []Arg{disk, {Name: "bitmap", Kind: "text", Required: true, Positional: true, Help: "name of the new bitmap"},
			{Name: "granularity", Kind: "size", Help: "bytes of the disk for each bit; by default 64K"},
			{Name: "volatile", Kind: "bool", Default: "off", Help: "QEMU does not store it in the image"},
			{Name: "disabled", Kind: "bool", Default: "off", Help: "it does not record yet"}},
		Run: func(ctx context.Context, env *Env, v Values) error {
			err := env.disks().AddBitmap(ctx, v.text("disk"), v.text("bitmap"), &block.BitmapOptions{
				Granularity: uint32(v.size("granularity")), Volatile: v.bool("volatile"), Disabled: v.bool("disabled")})
			return env.done(err, "disk %s has bitmap %s", v.text("disk"), v.text("bitmap"))
		},
	},
	{
		Name: "bitmap list", Help: "List the bitmaps of a disk",
		Args: []Arg{disk},
		Run: func(ctx context.Context, env *Env, v Values) error {
			d, err := env.disks().Disk(ctx, v.text("disk"))
			if err != nil {
				return err
			}
			lines := []string{}
			for _, b := range d.Bitmaps {
				lines = append(lines, bitmapLine(b))
			}
			return env.result(list0(d.Bitmaps), lines...)
		},
	},

	{
		Name: "change medium", Help: "Put another medium into a CD-ROM drive",
		Args: []Arg{disk, {Name: "file", Kind: "file", Positional: true, Help: "image of the medium"},
			{Name: "node", Kind: "node", Help: "a block node that exists, instead of a file"},
			{Name: "blockdev", Kind: "json", Help: "options of blockdev-add, instead of a file"},
			format, {Name: "force", Kind: "bool", Default: "off", Help: "open the tray even if the guest has locked it"}, timeout("30s")},
		Run: limited(func(ctx context.Context, env *Env, v Values) error {
			medium, err := storage(v)
			if err != nil {
				return err
			}
			kept, err := env.disks().ChangeMedium(ctx, v.text("disk"), medium, &block.MediumOptions{Force: v.bool("force")})
			env.kept(kept, err)
			return env.done(err, "drive %s has the new medium", v.text("disk"))
		}),
	},
	{
		Name: "eject medium", Help: "Take the medium out of a CD-ROM drive, and leave the tray open",
		Args: []Arg{disk, {Name: "force", Kind: "bool", Default: "off", Help: "open the tray even if the guest has locked it"}, timeout("30s")},
		Run: limited(func(ctx context.Context, env *Env, v Values) error {
			kept, err := env.disks().ChangeMedium(ctx, v.text("disk"), nil, &block.MediumOptions{Force: v.bool("force")})
			env.kept(kept, err)
			return env.done(err, "drive %s is empty", v.text("disk"))
		}),
	},
	{
		Name: "throttle", Help: "Limit the I/O of a disk, or show the limits; the new limits replace all old ones",
		Args: []Arg{disk,
			{Name: "bytes", Kind: "size", Help: "bytes a second"},
			{Name: "read-bytes", Kind: "size", Help: "bytes read a second"},
			{Name: "write-bytes", Kind: "size", Help: "bytes written a second"},
			{Name: "iops", Kind: "int", Help: "requests a second"},
			{Name: "read-iops", Kind: "int", Help: "read requests a second"},
			{Name: "write-iops", Kind: "int", Help: "write requests a second"},
			{Name: "group", Kind: "text", Help: "name of a group of disks that share the limits"},
			{Name: "off", Kind: "bool", Default: "off", Help: "no limits"}},
		Run: throttle,
	},
	{
		Name: "export", Help: "Let NBD clients read a disk, or write to it",
		Args: []Arg{disk,
			{Name: "socket", Kind: "file", Help: "UNIX socket at which QEMU's NBD server listens, which this starts"},
			{Name: "address", Kind: "text", Help: "HOST:PORT at which QEMU's NBD server listens, which this starts"},
			{Name: "name", Kind: "text", Help: "name for clients; by default that of the disk"},
			{Name: "writable", Kind: "bool", Default: "off", Help: "clients can write"},
			{Name: "bitmap", Kind: "bitmap:disk", Repeated: true, Help: "bitmap that clients can read"}},
		Run: export,
	},
	{
		Name: "unexport", Help: "End the export of a disk, and the NBD server if it has no other exports",
		Args: []Arg{disk, {Name: "hard", Kind: "bool", Default: "off", Help: "cut the connections of clients"}},
		Run: func(ctx context.Context, env *Env, v Values) error {
			all, err := qemu.QueryBlockExports{}.Do(ctx, env.conn())
			if err != nil {
				return err
			}
			state := "was not exported"
			if slices.ContainsFunc(all, func(e qemu.BlockExportInfo) bool { return e.ID == v.text("disk")+".export" }) {
				state = "is no longer exported"
			}
			err = env.disks().Unexport(ctx, v.text("disk"), &block.UnexportOptions{Hard: v.bool("hard"), StopServer: true})
			return env.done(err, "disk %s %s", v.text("disk"), state)
		},
	},

	machineSnapshot("save machine", "Take a snapshot of the memory and the disks inside the qcow2 images; the guest stops while QEMU saves",
		"saved the machine as %s", (*block.VM).SaveMachine),
	machineSnapshot("load machine", "Take the machine back to a snapshot that was saved",
		"the machine is that of %s", (*block.VM).LoadMachine),
	machineSnapshot("delete machine", "Delete a saved snapshot of the machine",
		"deleted snapshot %s of the machine", (*block.VM).DeleteSavedMachine),
}

// target returns the target in the argument file.
func (env *Env) target(v Values, i int) block.Target {
	path := v["file"][i]
	f := hotplug.File{Path: path, Format: formatOf(v, path), Direct: v.bool("direct"), Discard: v.bool("discard")}
	if v.bool("create") {
		f.Open = env.image()
	}
	return block.Target{Backend: f, Create: v.bool("create")}
}

func snapshot(ctx context.Context, env *Env, v Values) error {
	take := func(freezer block.Freezer) error {
		var overlays []block.Overlay
		for i, id := range v["disk"] {
			o := block.Overlay{Disk: id, Unencrypted: v.bool("unencrypted"), Target: block.Target{
				Backend: hotplug.File{Path: v["file"][i], Format: qemu.BlockdevDriverQcow2, Open: env.image()}}}
			if names := v["backing-file"]; len(names) > 0 {
				o.BackingFile = names[i]
			}
			overlays = append(overlays, o)
		}
		err := env.disks().Snapshot(ctx, overlays, &block.SnapshotOptions{Freezer: freezer, DropBitmaps: v.bool("drop-bitmaps")})
		for i, o := range overlays {
			if env.done(err, "disk %s writes to %s", o.Disk, v["file"][i]) != nil {
				break
			}
		}
		return err
	}
	if n := len(v["backing-file"]); n != 0 && n != len(v["disk"]) {
		return mistake("as many of backing-file as of disk expected, not %d", n)
	}
	if !v.bool("freeze") {
		return take(nil)
	}
	return env.withAgent(func(agent *guestagent.Agent) error { return take(agent.Freezer(nil)) })
}

func backup(ctx context.Context, env *Env, v Values) error {
	if v.bool("incremental") && !v.has("bitmap") {
		return mistake("an incremental backup needs bitmap=NAME, that of the last backup")
	}
	var all []block.BackupDisk
	for i, id := range v["disk"] {
		all = append(all, block.BackupDisk{ID: id, Target: env.target(Values{"file": v["file"], "create": v["create"], "format": v["format"]}, i),
			Bitmap: v.text("bitmap"), Incremental: v.bool("incremental")})
	}
	kept, err := env.disks().Backup(ctx, all, &block.BackupOptions{ScratchDir: v.text("scratch-dir"), Direct: v.bool("direct"), Speed: v.size("speed"),
		Progress: func(disk string, p job.Progress) { env.progress("backup "+disk, p.Current, p.Total) }})
	env.kept(kept, err)
	for i, id := range v["disk"] {
		if env.done(err, "%s has a backup of disk %s", v["file"][i], id) != nil {
			break
		}
	}
	return err
}

func bitmapOperation(verb, help string, f func(*block.VM, context.Context, string, string) error) Operation {
	return Operation{Name: "bitmap " + verb, Help: help, Args: []Arg{disk, bitmap}, Run: func(ctx context.Context, env *Env, v Values) error {
		past := map[string]string{"clear": "cleared", "remove": "removed", "enable": "enabled", "disable": "disabled"}[verb]
		return env.done(f(env.disks(), ctx, v.text("disk"), v.text("bitmap")), "%s bitmap %s of disk %s", past, v.text("bitmap"), v.text("disk"))
	}}
}

func throttle(ctx context.Context, env *Env, v Values) error {
	limits := []struct {
		name  string
		limit func(t *block.Throttle) *block.Limit
	}{
		{"bytes", func(t *block.Throttle) *block.Limit { return &t.Bytes }},
		{"read-bytes", func(t *block.Throttle) *block.Limit { return &t.ReadBytes }},
		{"write-bytes", func(t *block.Throttle) *block.Limit { return &t.WriteBytes }},
		{"iops", func(t *block.Throttle) *block.Limit { return &t.Requests }},
		{"read-iops", func(t *block.Throttle) *block.Limit { return &t.ReadRequests }},
		{"write-iops", func(t *block.Throttle) *block.Limit { return &t.WriteRequests }},
	}
	t, set := block.Throttle{Group: v.text("group")}, v.bool("off")
	for _, l := range limits {
		if v.has(l.name) {
			if v.bool("off") {
				return mistake("off=on and %s exclude each other", l.name)
			}
			l.limit(&t).Rate, set = v.size(l.name), true
		}
	}
	none := block.Limit{}
	switch {
	case t.Bytes != none && (t.ReadBytes != none || t.WriteBytes != none):
		return mistake("bytes is the sum of both directions: leave it out, or leave out read-bytes and write-bytes")
	case t.Requests != none && (t.ReadRequests != none || t.WriteRequests != none):
		return mistake("iops is the sum of both directions: leave it out, or leave out read-iops and write-iops")
	}
	if set {
		if err := env.disks().SetThrottle(ctx, v.text("disk"), t); err != nil || env.dry {
			return err
		}
	}
	t, err := env.disks().Throttle(ctx, v.text("disk"))
	if err != nil {
		return err
	}
	value, lines := map[string]int64{}, []string{}
	for _, l := range limits {
		if rate := l.limit(&t).Rate; rate != 0 {
			value[l.name] = rate
			amount := fmt.Sprint(rate, " requests")
			if strings.HasSuffix(l.name, "bytes") {
				amount = bytes(rate)
			}
			lines = append(lines, fmt.Sprintf("%s: at most %s a second", l.name, amount))
		}
	}
	switch {
	case len(lines) == 0:
		lines = []string{"disk " + v.text("disk") + " has no limits"}
	case t.Group != "" && t.Group != v.text("disk"):
		lines = append(lines, "all disks of the group "+t.Group+" share the limits")
	}
	return env.result(value, lines...)
}

func export(ctx context.Context, env *Env, v Values) error {
	id := v.text("disk")
	opts := &block.ExportOptions{Name: v.text("name"), Writable: v.bool("writable"), Bitmaps: v["bitmap"],
		NewServer: v.has("socket") || v.has("address")}
	at := "at the address of the NBD server, which ran already"
	uri := url.URL{Path: "/" + cmp.Or(opts.Name, id)}
	switch {
	case v.has("socket") && v.has("address"):
		return mistake("socket and address exclude each other")
	case v.has("socket"):
		uri.Scheme, uri.RawQuery = "nbd+unix", url.Values{"socket": {v.path("socket")}}.Encode()
		opts.Server = &qemu.NBDServerOptions{Addr: qemu.SocketAddress{Branch: &qemu.UnixSocketAddress{Path: v.path("socket")}}}
	case v.has("address"):
		host, port, err := net.SplitHostPort(v.text("address"))
		if err != nil {
			return mistake("address: HOST:PORT expected, not %q", v.text("address"))
		}
		if port == "" || port == "0" {
			return mistake("address: a port expected: QEMU does not report which one it would choose")
		}
		uri.Scheme, uri.Host = "nbd", net.JoinHostPort(host, port)
		opts.Server = &qemu.NBDServerOptions{Addr: qemu.SocketAddress{Branch: &qemu.InetSocketAddress{Host: host, Port: port}}}
	}
	if uri.Scheme != "" {
		at = "at " + uri.String()
	}
	err := env.disks().Export(ctx, id, opts)
	if _, refused := errors.AsType[*qmp.Error](err); refused && opts.NewServer {
		return fmt.Errorf("%w; if QEMU's NBD server runs already, leave socket and address out: QEMU has one server", err)
	}
	return env.done(err, "disk %s is exported as %s.export, %s", id, id, at)
}

func machineSnapshot(name, help, done string, f func(*block.VM, context.Context, string, *block.MachineOptions) error) Operation {
	return Operation{
		Name: name, Help: help,
		Args: []Arg{{Name: "name", Kind: "snapshot", Required: true, Positional: true, Help: "name of the snapshot"},
			{Name: "disk", Kind: "disk", Repeated: true, Help: "name of a disk with the snapshot; by default all disks that the guest can write to"}},
		Run: func(ctx context.Context, env *Env, v Values) error {
			err := f(env.disks(), ctx, v.text("name"), &block.MachineOptions{Disks: v["disk"], Progress: env.job(name)})
			return env.done(err, done, v.text("name"))
		},
	}
}

// absolute returns the name of a file for a program with another working folder.
func absolute(path string) string {
	if abs, err := filepath.Abs(path); err == nil {
		return abs
	}
	return path
}
