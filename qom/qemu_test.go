package qom_test

import (
	"context"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/qmpkit/qmpkit/internal/qemutest"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
	"github.com/qmpkit/qmpkit/qom"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// within is a context for a test on a busy machine.
func within(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// machine is a pc with devices of many kinds.
var machine = qemutest.Config{Machine: "pc", Args: []string{
	"-m", "256,slots=2,maxmem=1G",
	"-object", "iothread,id=io0",
	"-object", "memory-backend-ram,id=ram1,size=64M,host-nodes=0,policy=bind",
	"-device", "pc-dimm,id=mem1,memdev=ram1",
	"-device", "virtio-balloon-pci,id=balloon",
	"-chardev", "null,id=c0",
	"-blockdev", "null-co,node-name=d0,read-zeroes=on",
	"-device", "virtio-blk-pci,id=disk1,drive=d0,iothread=io0",
}}

// same requires that reading a property gives this value.
func same[T any](t *testing.T, c *qmp.Client, path, property string, want T) {
	t.Helper()
	got, err := qom.Get[T](within(t), c, path, property)
	require.NoError(t, err)
	require.Equal(t, want, got)
}

// TestValues reads and sets properties of every kind.
func TestValues(t *testing.T) {
	t.Parallel()
	qemutest.Run(t, qemutest.Versions, func(t *testing.T, q *qemutest.QEMU) {
		t.Parallel()
		c := q.Start(t, machine).Dial(t)
		ctx := within(t)
		disk, memory := qom.DevicePath("disk1"), qom.ObjectPath("ram1")

		same(t, c, disk, "realized", true)
		same(t, c, disk, "type", "virtio-blk-pci")
		same(t, c, disk, "drive", "d0")
		same(t, c, disk, "iothread", qom.ObjectPath("io0"))
		same(t, c, disk, "bootindex", int32(-1))
		same(t, c, memory, "size", uint64(64<<20))
		same(t, c, memory, "policy", qemu.HostMemPolicyBind)
		same(t, c, memory, "host-nodes", []uint16{0})
		same(t, c, disk, "disable-legacy", qemu.OnOffAutoOff)
		same(t, c, qom.ChardevPath("c0"), "type", "chardev-null")
		same[any](t, c, memory, "size", 64<<20)
		same(t, c, memory, "size", qmp.RawJSON("67108864"))
		clock, err := qom.Get[struct {
			Year int `json:"tm_year"`
		}](ctx, c, "/machine", "rtc-time")
		require.NoError(t, err)
		require.Greater(t, clock.Year, 120)

		require.NoError(t, qom.Set(ctx, c, disk, "bootindex", 3))
		same(t, c, disk, "bootindex", int8(3))
		require.NoError(t, qom.Set(ctx, c, qom.ObjectPath("io0"), "poll-max-ns", int64(5000)))
		same(t, c, qom.ObjectPath("io0"), "poll-max-ns", uint16(5000))
		require.NoError(t, qom.Set(ctx, c, memory, "dump", false))
		same(t, c, memory, "dump", false)
	})
}

// TestStorageDaemon: a storage daemon has objects, too.
func TestStorageDaemon(t *testing.T) {
	t.Parallel()
	qemutest.Run(t, qemutest.Versions, func(t *testing.T, q *qemutest.QEMU) {
		t.Parallel()
		ctx := within(t)
		c := q.StartStorage(t, "--object", "iothread,id=io0").Dial(t)
		same(t, c, qom.ObjectPath("io0"), "type", "iothread")
		require.NoError(t, qom.Set(ctx, c, qom.ObjectPath("io0"), "poll-max-ns", 7))
		same(t, c, qom.ObjectPath("io0"), "poll-max-ns", 7)
		require.ErrorIs(t, qom.Set(ctx, c, qom.ObjectPath("io1"), "poll-max-ns", 7), qom.ErrNoObject)
		var paths []string
		for object, err := range qom.WalkValues(ctx, c, "/objects") {
			require.NoError(t, err)
			paths = append(paths, object.Path)
		}
		require.Subset(t, paths, []string{"/objects", "/objects/io0"}) // 11.1 has its monitor there, too
	})
}

// TestRefusals: a missing object, a missing property and a refused value are told apart on all versions, even where QEMU's
// classes do not.
func TestRefusals(t *testing.T) {
	t.Parallel()
	qemutest.Run(t, qemutest.Versions, func(t *testing.T, q *qemutest.QEMU) {
		t.Parallel()
		c := q.Start(t, machine).Dial(t)
		ctx := within(t)
		disk, balloon := qom.DevicePath("disk1"), qom.DevicePath("balloon")
		get := func(path, property string) error {
			_, err := qom.Get[any](ctx, c, path, property)
			return err
		}
		set := func(path, property string, value any) error { return qom.Set(ctx, c, path, property, value) }
		list := func(path string) error {
			_, err := qom.List(ctx, c, path)
			return err
		}
		for name, refusal := range map[string]struct{ err, means error }{
			"get, no object":         {get("/nosuch", "type"), qom.ErrNoObject},
			"get, ambiguous object":  {get("virtio-backend", "type"), qom.ErrNoObject},
			"get, no property":       {get(disk, "nosuch"), qom.ErrNoProperty},
			"get, no value now":      {get("/machine/unattached/device[0]", "crash-information"), qom.ErrRefused},
			"set, no object":         {set("/nosuch", "type", 1), qom.ErrNoObject},
			"set, no property":       {set(disk, "nosuch", 1), qom.ErrNoProperty},
			"set, wrong kind":        {set(balloon, "guest-stats-polling-interval", "1"), qom.ErrRefused},
			"set, out of range":      {set(balloon, "guest-stats-polling-interval", -1), qom.ErrRefused},
			"set, not writable":      {set(disk, "type", "x"), qom.ErrRefused},
			"set, after realize":     {set(disk, "serial", "x"), qom.ErrRefused},
			"set, link to no object": {set(qom.DevicePath("mem1"), "memdev", "/objects/nosuch"), qom.ErrRefused},
			"list, no object":        {list("/nosuch"), qom.ErrNoObject},
		} {
			for _, sentinel := range []error{qom.ErrNoObject, qom.ErrNoProperty, qom.ErrRefused} {
				if sentinel == refusal.means {
					require.ErrorIs(t, refusal.err, sentinel, name)
				} else {
					require.NotErrorIs(t, refusal.err, sentinel, name)
				}
			}
			var answer *qmp.Error
			require.ErrorAs(t, refusal.err, &answer, name)
			require.False(t, qmp.MayHaveExecuted(refusal.err), name)
		}

		_, has, err := qom.Lookup[string](ctx, c, disk, "nosuch")
		require.NoError(t, err)
		require.False(t, has)
		_, _, err = qom.Lookup[string](ctx, c, "/nosuch", "type")
		require.ErrorIs(t, err, qom.ErrNoObject)
		value, has, err := qom.Lookup[bool](ctx, c, disk, "realized")
		require.NoError(t, err)
		require.True(t, has && value)

		has, err = qom.Has(ctx, c, disk, "bootindex")
		require.NoError(t, err)
		require.True(t, has)
		has, err = qom.Has(ctx, c, disk, "nosuch")
		require.NoError(t, err)
		require.False(t, has)
		_, err = qom.Has(ctx, c, "/nosuch", "type")
		require.ErrorIs(t, err, qom.ErrNoObject)
	})
}

// TestWalk compares walks with and without values, and lists of single objects.
func TestWalk(t *testing.T) {
	t.Parallel()
	qemutest.Run(t, qemutest.Versions, func(t *testing.T, q *qemutest.QEMU) {
		t.Parallel()
		c := q.Start(t, machine).Dial(t)
		ctx := within(t)

		objects := map[string]qom.Object{}
		var order []string
		for object, err := range qom.Walk(ctx, c, "/machine") {
			require.NoError(t, err)
			require.NotContains(t, objects, object.Path)
			objects[object.Path] = object
			order = append(order, object.Path)
		}
		require.Greater(t, len(objects), 250)
		require.Equal(t, "/machine", order[0])
		parents := map[string]bool{"/": true}
		for _, path := range order { // parents come first
			require.Contains(t, parents, path[:strings.LastIndex(path, "/")+1])
			parents[path+"/"] = true
		}
		disk := objects[qom.DevicePath("disk1")]
		require.Equal(t, "virtio-blk-pci", disk.Type)
		_, err := qom.Value[bool](disk, "realized")
		require.ErrorIs(t, err, qom.ErrRefused, "Walk reads no values")

		valued := map[string]qom.Object{}
		for object, err := range qom.WalkValues(ctx, c, qom.DevicePath("disk1")) {
			require.NoError(t, err)
			valued[object.Path] = object
		}
		for path, object := range valued {
			require.Equal(t, names(objects[path].Properties), names(object.Properties), path)
			kind, err := qom.Value[string](object, "type")
			require.NoError(t, err)
			require.Equal(t, objects[path].Type, kind)
		}
		realized, err := qom.Value[bool](valued[qom.DevicePath("disk1")], "realized")
		require.NoError(t, err)
		require.True(t, realized)
		_, err = qom.Value[bool](valued[qom.DevicePath("disk1")], "nosuch")
		require.ErrorIs(t, err, qom.ErrNoProperty)

		listed, err := qom.ListValues(ctx, c, qom.DevicePath("disk1"))
		require.NoError(t, err)
		require.Equal(t, names(disk.Properties), names(listed))
		commands := c.Stats().Commands
		_, err = qom.ListValues(ctx, c, qom.DevicePath("disk1"))
		require.NoError(t, err)
		if q.AtLeast(11, 1) {
			require.EqualValues(t, 1, c.Stats().Commands-commands)
		} else {
			require.EqualValues(t, 1+len(listed), c.Stats().Commands-commands, "qom-list-get is tried once")
		}

		for range qom.Walk(ctx, c, "/machine") { // a loop that ends early leaves nothing in flight
			break
		}
		for _, err := range qom.Walk(ctx, c, "/nosuch") {
			require.ErrorIs(t, err, qom.ErrNoObject)
		}
		for _, err := range qom.WalkValues(ctx, c, "/nosuch") {
			require.ErrorIs(t, err, qom.ErrNoObject)
		}
		_, err = qom.ListValues(ctx, c, "/nosuch")
		require.ErrorIs(t, err, qom.ErrNoObject)
	})
}

func names(all []qom.Property) []string {
	var names []string
	for _, p := range all {
		names = append(names, p.Name)
	}
	slices.Sort(names)
	return names
}

// TestLinks: the links of devices name what they use, on all versions.
func TestLinks(t *testing.T) {
	t.Parallel()
	qemutest.Run(t, qemutest.Versions, func(t *testing.T, q *qemutest.QEMU) {
		t.Parallel()
		c := q.Start(t, machine).Dial(t)
		links := func(path string) map[string]string {
			all, err := qom.Links(within(t), c, path)
			require.NoError(t, err)
			targets := map[string]string{}
			for _, l := range all {
				targets[l.Property] = l.Target
			}
			return targets
		}
		disk := links(qom.DevicePath("disk1"))
		require.Equal(t, qom.ObjectPath("io0"), disk["iothread"])
		require.Equal(t, "/machine/i440fx/pci.0", disk["parent_bus"])
		memory := links(qom.DevicePath("mem1"))
		require.Equal(t, qom.ObjectPath("ram1"), memory["memdev"])
		require.Contains(t, slices.Collect(maps.Keys(memory)), "parent_bus", "a link without a target")
		require.Empty(t, memory["parent_bus"])
		_, err := qom.Links(within(t), c, "/nosuch")
		require.ErrorIs(t, err, qom.ErrNoObject)
	})
}

// TestPlaces: the slots on the way to a device are known without a guest, on all versions and machines.
func TestPlaces(t *testing.T) {
	t.Parallel()
	places := map[string][]string{
		"pc": {
			"bridge1 pci.0/1e.0", "rng1 pci.0/1e.0/03.0", "e1 pxb-internal/00.0/01.0", "disk1 pci.0/05.1", "cd1 pci.0/01.1",
		},
		"q35": {
			"rng1 pcie.0/10.0/00.0", "net1 pcie.0/11.0/00.0/00.0/00.0", "e1 pxb1/00.0/00.0", "e0 pcie.0/12.0/02.0", "disk1 pcie.0/13.1",
		},
	}
	args := map[string][]string{
		"pc": {
			"-device", "pci-bridge,id=bridge1,chassis_nr=1,addr=1e", "-device", "virtio-rng-pci,bus=bridge1,addr=3,id=rng1",
			"-device", "pxb,id=pxb1,bus_nr=128,bus=pci.0", "-device", "e1000,bus=pxb1,addr=1,id=e1",
			"-drive", "if=none,id=medium", "-device", "ide-cd,id=cd1,bus=ide.0,drive=medium",
			"-device", "virtio-scsi-pci,id=scsi0,bus=pci.0,addr=5.1", "-device", "scsi-hd,bus=scsi0.0,drive=d0,id=disk1",
		},
		"q35": {
			"-device", "pcie-root-port,id=port1,chassis=11,addr=10,bus=pcie.0", "-device", "virtio-rng-pci,bus=port1,id=rng1",
			"-device", "pcie-root-port,id=port2,chassis=12,addr=11,bus=pcie.0", "-device", "x3130-upstream,bus=port2,id=up",
			"-device", "xio3130-downstream,bus=up,id=down,chassis=19", "-device", "virtio-net-pci,bus=down,id=net1",
			"-device", "pxb-pcie,bus_nr=64,id=pxb1,bus=pcie.0", "-device", "pcie-root-port,id=port3,bus=pxb1,chassis=13",
			"-device", "e1000e,bus=port3,id=e1",
			"-device", "pcie-pci-bridge,id=pci1,addr=12,bus=pcie.0", "-device", "e1000,bus=pci1,addr=2,id=e0",
			"-device", "virtio-scsi-pci,id=scsi0,bus=pcie.0,addr=13.1", "-device", "scsi-hd,bus=scsi0.0,drive=d0,id=disk1",
		},
	}
	qemutest.Run(t, qemutest.Versions, func(t *testing.T, q *qemutest.QEMU) {
		for name, want := range places {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				ctx := within(t)
				c := q.Start(t, qemutest.Config{Machine: name, Args: slices.Concat([]string{
					"-object", "memory-backend-ram,id=ram1,size=64M", "-m", "256,slots=2,maxmem=1G", "-device", "pc-dimm,id=mem1,memdev=ram1",
					"-blockdev", "null-co,node-name=d0,read-zeroes=on", "-S",
				}, args[name])}).Dial(t)
				for _, line := range want {
					id, path, _ := strings.Cut(line, " ")
					place, err := qom.FindPCI(ctx, c, qom.DevicePath(id))
					require.NoError(t, err, id)
					require.Equal(t, path, place.String(), id)
					_, numbered := place.Address()
					require.Equal(t, len(place.Steps) == 1, numbered, "%s: nothing has numbered the buses behind bridges: %+v", id, place)
				}
				_, err := qom.FindPCI(ctx, c, qom.DevicePath("mem1"))
				require.ErrorIs(t, err, qom.ErrNotPCI)
				_, err = qom.FindPCI(ctx, c, qom.DevicePath("nosuch"))
				require.ErrorIs(t, err, qom.ErrNoObject)
			})
		}
	})
}
