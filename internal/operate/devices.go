package operate

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/qmpkit/qmpkit/block"
	"github.com/qmpkit/qmpkit/hotplug"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

// Arguments that several operations have.
var (
	newID    = Arg{Name: "id", Kind: "text", Required: true, Positional: true, Help: "ID of the new device"}
	deviceID = Arg{Name: "id", Kind: "device", Required: true, Positional: true, Help: "ID of the device"}
	diskID   = Arg{Name: "id", Kind: "disk", Required: true, Positional: true, Help: diskHelp}
	nicID    = Arg{Name: "id", Kind: "nic", Required: true, Positional: true, Help: deviceID.Help}
	memoryID = Arg{Name: "id", Kind: "memory", Required: true, Positional: true, Help: deviceID.Help}
	driver   = Arg{Name: "driver", Kind: "driver", Help: "driver of the device; by default the usual one of virtio"}
	bus      = Arg{Name: "bus", Kind: "bus:driver", Help: "bus for the device; by default a free place is found"}
	props    = Arg{Name: "prop", Kind: "properties", Help: "property of the device, as JSON or text"}
	seen     = Arg{Name: "wait", Kind: "bool", Default: "off", Help: "wait until the guest uses the device"}
	foreign  = Arg{Name: "backend", Kind: "bool", Default: "off", Help: "also remove what other programs have added for the device"}
	format   = Arg{Name: "format", Kind: "enum:raw,qcow2", Help: "format of the image; by default qcow2 if the name of the file says so, else raw"}
	direct   = Arg{Name: "direct", Kind: "bool", Default: "off", Help: "bypass the page cache of the host"}
	discard  = Arg{Name: "discard", Kind: "bool", Default: "off", Help: "free space in the file when the guest discards blocks"}
)

var deviceOperations = []Operation{
	{
		Name: "add disk", Help: "Add a disk while the machine runs",
		Args: []Arg{newID,
			{Name: "file", Kind: "file", Positional: true, Help: "image or block device, which this program opens"},
			{Name: "node", Kind: "node", Help: "a block node that exists, instead of a file"},
			{Name: "blockdev", Kind: "json", Help: "options of blockdev-add, instead of a file"},
			format, {Name: "read-only", Kind: "bool", Default: "off", Help: "the guest cannot write"},
			direct, discard, driver, bus, props, seen, timeout("1m")},
		Run: limited(addDisk),
	},
	{
		Name: "add nic", Help: "Add a network interface while the machine runs",
		Args: []Arg{newID,
			{Name: "type", Kind: "enum:user,bridge,tap", Default: "user", Positional: true, Help: "what the interface is connected to; QEMU opens it"},
			{Name: "ifname", Kind: "text", Help: "tap device"},
			{Name: "br", Kind: "text", Help: "bridge"},
			{Name: "netdev", Kind: "json", Help: "options of netdev_add, instead of a type"},
			{Name: "mac", Kind: "text", Help: "address; by default QEMU chooses one, and every QEMU the same"},
			{Name: "link-down", Kind: "bool", Default: "off", Help: "add it as if the cable was not plugged in"},
			driver, bus, props, seen, timeout("1m")},
		Run: limited(addNIC),
	},
	{
		Name: "add device", Help: "Add any other device while the machine runs",
		Args: []Arg{newID, {Name: "driver", Kind: "driver", Required: true, Positional: true, Help: "driver of the device"},
			bus, {Name: "prop", Kind: "properties:driver", Help: props.Help}, seen, timeout("1m")},
		Run: limited(func(ctx context.Context, env *Env, v Values) error {
			d := hotplug.Device{ID: v.text("id"), Driver: v.text("driver"), Bus: v.text("bus"), Props: v.props()}
			return env.added(ctx, "device "+v.text("id"), v, env.devices().AddDevice(ctx, d))
		}),
	},
	{
		Name: "add cpu", Help: "Add virtual CPUs while the machine runs",
		Args: []Arg{{Name: "number", Kind: "int", Default: "1", Positional: true, Help: "how many CPUs"}, timeout("1m")},
		Run: limited(func(ctx context.Context, env *Env, v Values) error {
			added, err := env.devices().AddCPUs(ctx, int(v.int("number")), nil)
			for _, cpu := range added {
				env.say("added cpu %s", cpuName(cpu))
			}
			return err
		}),
	},
	{
		Name: "add memory", Help: "Add memory while the machine runs",
		Args: []Arg{newID, {Name: "size", Kind: "size", Required: true, Positional: true, Help: "bytes of memory: 512M"}, driver, bus, props, seen, timeout("1m")},
		Run: limited(func(ctx context.Context, env *Env, v Values) error {
			m := hotplug.Memory{ID: v.text("id"), Driver: v.text("driver"), Bus: v.text("bus"), Props: v.props(),
				Backend: hotplug.RAM{Size: uint64(v.size("size"))}}
			return env.added(ctx, "memory "+v.text("id"), v, env.devices().AddMemory(ctx, m))
		}),
	},

	{
		Name: "remove disk", Help: "Remove a disk when the guest has released it; files stay",
		Args: []Arg{diskID, {Name: "jobs", Kind: "bool", Default: "off", Help: "cancel the jobs on the disk first"}, foreign, timeout("1m")},
		Run:  limited(remove("disk", (*hotplug.VM).RemoveDisk)),
	},
	{
		Name: "remove nic", Help: "Remove a network interface when the guest has released it",
		Args: []Arg{nicID, foreign, timeout("1m")}, Run: limited(remove("nic", (*hotplug.VM).RemoveNIC)),
	},
	{
		Name: "remove device", Help: "Remove any device when the guest has released it",
		Args: []Arg{deviceID, foreign, timeout("1m")}, Run: limited(remove("device", (*hotplug.VM).RemoveDevice)),
	},
	{
		Name: "remove memory", Help: "Remove memory when the guest has released it",
		Args: []Arg{memoryID, foreign, timeout("1m")}, Run: limited(remove("memory", (*hotplug.VM).RemoveMemory)),
	},
	{
		Name: "remove cpu", Help: "Remove a virtual CPU when the guest has released it",
		Args: []Arg{deviceID, timeout("1m")},
		Run: limited(func(ctx context.Context, env *Env, v Values) error {
			waited := env.waiting(v)
			err := env.devices().RemoveCPU(ctx, v.text("id"))
			waited()
			return env.done(err, "removed cpu %s", v.text("id"))
		}),
	},
	{
		Name: "remove node", Help: "Remove a block node that nothing uses; files stay",
		Args: []Arg{{Name: "node", Kind: "node", Required: true, Positional: true, Help: "name of the node"}, timeout("1m")},
		Run:  limited(removePart("node", (*hotplug.VM).RemoveNode)),
	},
	{
		Name: "remove netdev", Help: "Remove a netdev that no device uses",
		Args: []Arg{{Name: "netdev", Kind: "netdev", Required: true, Positional: true, Help: "ID of the netdev"}, timeout("1m")},
		Run:  limited(removePart("netdev", (*hotplug.VM).RemoveNetdev)),
	},
	{
		Name: "remove chardev", Help: "Remove a character device that nothing uses",
		Args: []Arg{{Name: "chardev", Kind: "chardev", Required: true, Positional: true, Help: "ID of the character device"}, timeout("1m")},
		Run:  limited(removePart("chardev", (*hotplug.VM).RemoveChardev)),
	},
	{
		Name: "remove object", Help: "Remove an object that nothing uses",
		Args: []Arg{{Name: "object", Kind: "object", Required: true, Positional: true, Help: "ID of the object"}, timeout("1m")},
		Run:  limited(removePart("object", (*hotplug.VM).RemoveObject)),
	},

	{
		Name: "resize disk", Help: "Change the size of a disk",
		Args: []Arg{diskID, {Name: "size", Kind: "size", Required: true, Positional: true, Help: "new size in bytes: 20G"},
			{Name: "shrink", Kind: "bool", Default: "off", Help: "permit a smaller size; the data behind the end is lost"}},
		Run: func(ctx context.Context, env *Env, v Values) error {
			if !v.bool("shrink") {
				d, err := env.disks().Disk(ctx, v.text("id"))
				if err == nil && d.Size() > v.size("size") {
					return mistake("disk %s has %s: with shrink=on, the data behind the new end is lost", v.text("id"), bytes(d.Size()))
				}
				if err != nil && !errors.Is(err, block.ErrNoDisk) {
					return err
				}
			}
			err := env.devices().ResizeDisk(ctx, v.text("id"), v.size("size"))
			return env.done(err, "disk %s has %s", v.text("id"), bytes(v.size("size")))
		},
	},
	{
		Name: "resize memory", Help: "Change how much of a virtio-mem device the guest uses",
		Args: []Arg{memoryID, {Name: "size", Kind: "size", Required: true, Positional: true, Help: "bytes for the guest: 2G"}, timeout("1m")},
		Run: limited(func(ctx context.Context, env *Env, v Values) error {
			waited := env.waiting(v)
			err := env.devices().ResizeMemory(ctx, v.text("id"), uint64(v.size("size")))
			waited()
			return env.done(err, "memory %s has %s", v.text("id"), bytes(v.size("size")))
		}),
	},
	{
		Name: "set cpus", Help: "Set the number of virtual CPUs of the machine",
		Args: []Arg{{Name: "number", Kind: "int", Required: true, Positional: true, Help: "how many CPUs"}, timeout("1m")},
		Run: limited(func(ctx context.Context, env *Env, v Values) error {
			waited := env.waiting(v)
			change, err := env.devices().SetCPUs(ctx, int(v.int("number")), nil)
			waited()
			for _, cpu := range change.Added {
				env.say("added cpu %s", cpuName(cpu))
			}
			for _, cpu := range change.Removed {
				env.say("removed cpu %s", cpuName(cpu))
			}
			for _, kept := range change.Kept {
				env.say("the guest keeps cpu %s: %v", cpuName(kept.CPU), kept.Err)
			}
			if change.After != change.Before || err == nil {
				env.say("%d CPUs, before %d", change.After, change.Before)
			}
			return err
		}),
	},
	{
		Name: "set memory", Help: "Set the size of the guest's memory",
		Args: []Arg{{Name: "size", Kind: "size", Required: true, Positional: true, Help: "bytes of memory: 4G"}, timeout("1m")},
		Run: limited(func(ctx context.Context, env *Env, v Values) error {
			waited := env.waiting(v)
			change, err := env.devices().SetMemory(ctx, uint64(v.size("size")), nil)
			waited()
			for _, ids := range []struct {
				what string
				ids  []string
			}{{"added", change.Added}, {"removed", change.Removed}, {"resized", change.Resized}} {
				for _, id := range ids.ids {
					env.say("%s memory %s", ids.what, id)
				}
			}
			for _, kept := range change.Kept {
				env.say("the guest keeps %s of memory %s: %v", bytes(int64(kept.Size)), kept.ID, kept.Err)
			}
			if change.After != change.Before || err == nil {
				env.say("%s of memory, before %s", bytes(int64(change.After)), bytes(int64(change.Before)))
			}
			return err
		}),
	},
}

// done reports the end of an operation.
func (env *Env) done(err error, format string, args ...any) error {
	if err == nil {
		env.say(format, args...)
	}
	return err
}

// added waits for the guest if the caller wants that.
func (env *Env) added(ctx context.Context, what string, v Values, err error) error {
	if env.done(err, "added %s", what) != nil || !v.bool("wait") {
		return err
	}
	waited := env.waiting(v)
	err = env.devices().WaitGuest(ctx, v.text("id"))
	waited()
	return env.done(err, "the guest uses %s", v.text("id"))
}

// oneOf returns an error unless exactly one of the arguments is given.
func oneOf(v Values, names ...string) error {
	var given []string
	for _, name := range names {
		if v.has(name) {
			given = append(given, name)
		}
	}
	if len(given) != 1 {
		return mistake("give one of %s, not %d", list(names), len(given))
	}
	return nil
}

func addDisk(ctx context.Context, env *Env, v Values) error {
	if id := v.text("id"); !v.has("file") && !v.has("node") && !v.has("blockdev") {
		if _, err := os.Stat(id); err == nil {
			return mistake("the ID is missing: write add disk %s %s", strings.TrimSuffix(filepath.Base(id), filepath.Ext(id)), id)
		}
		return mistake("the file is missing: write add disk %s FILE, or node=NODE, or blockdev=JSON", id)
	}
	backend, err := storage(v)
	if err != nil {
		return err
	}
	d := hotplug.Disk{ID: v.text("id"), Backend: backend, Driver: v.text("driver"), Bus: v.text("bus"), Props: v.props()}
	what := "disk " + d.ID
	if f, ok := backend.(hotplug.File); ok {
		what += ": " + describeFile(f)
	}
	return env.added(ctx, what, v, env.devices().AddDisk(ctx, d))
}

// storage returns the backend in the arguments file, node or blockdev.
func storage(v Values) (hotplug.DiskBackend, error) {
	if err := oneOf(v, "file", "node", "blockdev"); err != nil {
		return nil, err
	}
	switch {
	case v.has("node"):
		return hotplug.Node{Name: v.text("node")}, nil
	case v.has("blockdev"):
		var b hotplug.Blockdev
		if err := qmp.Unmarshal([]byte(v.text("blockdev")), &b.Options); err != nil {
			return nil, mistake("blockdev: %w", err)
		}
		return b, nil
	}
	f := hotplug.File{Path: v.text("file"), Format: formatOf(v, v.text("file")), Direct: v.bool("direct"),
		Discard: v.bool("discard"), ReadOnly: v.bool("read-only")}
	if v.has("format") {
		return f, nil
	}
	return f, checkFormat(f)
}

// formatOf returns the format of an image. The content of the file does not decide: a guest can write the header of
// another format.
func formatOf(v Values, path string) qemu.BlockdevDriver {
	switch {
	case v.has("format"):
		return qemu.BlockdevDriver(v.text("format"))
	case strings.EqualFold(filepath.Ext(path), ".qcow2"):
		return qemu.BlockdevDriverQcow2
	}
	return qemu.BlockdevDriverRaw
}

func addNIC(ctx context.Context, env *Env, v Values) error {
	n := hotplug.NIC{ID: v.text("id"), MAC: v.text("mac"), LinkDown: v.bool("link-down"), Driver: v.text("driver"),
		Bus: v.text("bus"), Props: v.props()}
	var netdev qemu.Netdev
	switch {
	case v.has("netdev"):
		if err := qmp.Unmarshal([]byte(v.text("netdev")), &netdev); err != nil {
			return mistake("netdev: %w", err)
		}
	case v.text("type") == "user":
		netdev.Branch = &qemu.NetdevUserOptions{}
	case v.text("type") == "bridge":
		netdev.Branch = &qemu.NetdevBridgeOptions{Br: qmp.NonZero(v.text("br"))}
	default:
		tap := &qemu.NetdevTapOptions{Ifname: qmp.NonZero(v.text("ifname")), Br: qmp.NonZero(v.text("br"))}
		if v.has("ifname") {
			tap.Script, tap.Downscript = new("no"), new("no")
		}
		netdev.Branch = tap
	}
	n.Backend = hotplug.Netdev{Options: netdev}
	err := env.devices().AddNIC(ctx, n)
	if _, refused := errors.AsType[*qmp.Error](err); refused && v.text("type") == "tap" && !v.has("ifname") && !v.has("netdev") {
		err = fmt.Errorf("%w; a tap that exists needs ifname=NAME", err)
	}
	return env.added(ctx, fmt.Sprintf("nic %s (%s)", n.ID, network(v, netdev)), v, err)
}

// network says what a NIC is connected to: "user network".
func network(v Values, netdev qemu.Netdev) string {
	text, _ := netdev.MarshalJSON()
	var options struct{ Type string }
	_ = json.Unmarshal(text, &options)
	switch {
	case v.has("ifname"):
		return "tap " + v.text("ifname")
	case v.has("br"):
		return "bridge " + v.text("br")
	case options.Type == "user":
		return "user network"
	}
	return options.Type
}

// waitNote is how long an operation waits for the guest before it says so.
const waitNote = time.Second

// waiting notes that the operation waits for the guest, if it takes a while. The caller calls the result when the wait is
// over.
func (env *Env) waiting(v Values) (end func()) {
	if env.dry {
		return func() {}
	}
	ended := make(chan struct{})
	var noting sync.WaitGroup
	noting.Go(func() {
		select {
		case <-time.After(waitNote):
			env.note("waiting for the guest, up to %s", v.text("timeout"))
		case <-ended:
		}
	})
	return func() { close(ended); noting.Wait() }
}

// remove returns the Run of an operation that removes a device.
func remove(what string, f func(*hotplug.VM, context.Context, string, ...hotplug.RemoveOption) ([]hotplug.Kept, error)) func(context.Context, *Env, Values) error {
	return func(ctx context.Context, env *Env, v Values) error {
		var opts []hotplug.RemoveOption
		if v.bool("backend") {
			opts = append(opts, hotplug.WithBackend())
		}
		if v.bool("jobs") {
			opts = append(opts, hotplug.WithJobs())
		}
		there, err := env.devices().HasDevice(ctx, v.text("id"))
		if err != nil {
			return err
		}
		waited := env.waiting(v)
		kept, err := f(env.devices(), ctx, v.text("id"), opts...)
		waited()
		switch {
		case err == nil && !there:
			env.say("there is no device %s; nothing of it is left", v.text("id"))
		case err == nil:
			env.say("removed %s %s", what, v.text("id"))
		}
		env.kept(kept, err)
		return err
	}
}

// removePart returns the Run of an operation that removes a part of a device.
func removePart(what string, f func(*hotplug.VM, context.Context, string) (bool, error)) func(context.Context, *Env, Values) error {
	return func(ctx context.Context, env *Env, v Values) error {
		removed, err := f(env.devices(), ctx, v.text(what))
		if err == nil && !removed {
			err = fmt.Errorf("there is no %s %q", what, v.text(what))
		}
		return env.done(err, "removed %s %s", what, v.text(what))
	}
}

// cpuName describes a CPU by its place: "socket 1, core 0".
func cpuName(cpu qemu.HotpluggableCPU) string {
	var words []string
	for _, part := range []struct {
		name string
		n    *int64
	}{
		{"socket", cpu.Props.SocketID}, {"die", cpu.Props.DieID}, {"cluster", cpu.Props.ClusterID}, {"core", cpu.Props.CoreID},
		{"thread", cpu.Props.ThreadID},
	} {
		if part.n != nil {
			words = append(words, fmt.Sprint(part.name, " ", *part.n))
		}
	}
	return strings.Join(words, ", ")
}

// bytes returns a size in people's units, exactly: "20 GiB", "1000 bytes".
func bytes(n int64) string {
	if n == 1 {
		return "1 byte"
	}
	unit := "bytes"
	for _, next := range []string{"KiB", "MiB", "GiB", "TiB"} {
		if n == 0 || n%1024 != 0 {
			break
		}
		n, unit = n/1024, next
	}
	return fmt.Sprint(n, " ", unit)
}
