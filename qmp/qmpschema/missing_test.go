package qmpschema

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
	"github.com/qmpkit/qmpkit/qmp/introspect"
	"github.com/qmpkit/qmpkit/testdata/schema"
)

// captured returns what a QEMU said of its schema.
func captured(t testing.TB, version string) *introspect.Schema { return capturedOf(t, version, "qemu") }

// capturedOf is captured for another server, too: "storage".
func capturedOf(t testing.TB, version, kind string) *introspect.Schema {
	t.Helper()
	answer, err := schema.Captured.ReadFile("captured/" + version + "/" + kind + ".json")
	require.NoError(t, err)
	s, err := introspect.Read(answer)
	require.NoError(t, err)
	return s
}

// nested is a chain of images, three nodes deep.
var nested = qemu.BlockdevAdd{
	NodeName: new("top"), ReadOnly: new(false), Discard: new(qemu.BlockdevDiscardOptionsUnmap),
	Cache: &qemu.BlockdevCacheOptions{Direct: new(true)},
	Branch: &qemu.BlockdevOptionsQcow2{
		LazyRefcounts: new(true), CacheSize: new(int64(1 << 20)),
		File: qemu.BlockdevRef{Definition: &qemu.BlockdevOptions{
			Driver: qemu.BlockdevDriverFile, NodeName: new("protocol"), AutoReadOnly: new(true),
			Branch: &qemu.BlockdevOptionsFile{Filename: "/srv/top.qcow2", AIO: new(qemu.BlockdevAIOOptionsIOUring), DropCache: new(false)},
		}},
		Backing: &qemu.BlockdevRefOrNull{Definition: &qemu.BlockdevOptions{
			NodeName: new("base"),
			Branch:   &qemu.BlockdevOptionsQcow2{File: qemu.BlockdevRef{Reference: new("base-file")}},
		}},
	},
}

// TestMissing lists the parts of requests that each version lacks.
func TestMissing(t *testing.T) {
	inactive := nested
	inactive.Active = new(false)
	tcp := qemu.SocketAddress{Branch: &qemu.InetSocketAddress{Host: "h", Port: "1", MPTCP: new(true), KeepAliveIdle: new(uint32(1))}}
	type paths = map[string][]string
	for _, test := range []struct {
		name string
		need any
		want paths // by version
	}{
		{"all there", nested, nil},
		{"zero requests ask for the command", qemu.BlockdevAdd{}, nil},
		{"a command", qemu.QueryStats{}, paths{"5.2": {"query-stats"}}},
		{"a command, by a pointer", &qemu.QueryStats{}, paths{"5.2": {"query-stats"}}},
		{"a command without a type", qmp.Raw{Command: "query-cpus"}, paths{"7.2": {"query-cpus"}, "10.0": {"query-cpus"}, "11.1": {"query-cpus"}}},
		{"an event is no command", qmp.Raw{Command: "STOP"}, paths{"5.2": {"STOP"}, "7.2": {"STOP"}, "10.0": {"STOP"}, "11.1": {"STOP"}}},
		{"a path", "blockdev-add/arg-type/active", paths{"5.2": {"blockdev-add/arg-type/active"}, "7.2": {"blockdev-add/arg-type/active"}}},
		{"an event", qemu.EventDeviceUnplugGuestError, paths{"5.2": {"DEVICE_UNPLUG_GUEST_ERROR"}}},

		{"a member of a union", inactive, paths{"5.2": {"blockdev-add/arg-type/active"}, "7.2": {"blockdev-add/arg-type/active"}}},
		{"a member of a branch", qemu.NetdevAdd{ID: "n", Branch: &qemu.NetdevTapOptions{}}, nil},
		{"a value of a discriminator", qemu.NetdevAdd{ID: "n", Branch: &qemu.NetdevStreamOptions{Addr: tcp}}, paths{
			"5.2":  {"netdev_add/arg-type/type/^stream"},
			"7.2":  {"netdev_add/arg-type/+stream/addr/+inet/keep-alive-idle"},
			"10.0": {"netdev_add/arg-type/+stream/addr/+inet/keep-alive-idle"},
		}},
		{"a level of data", qemu.ChardevAdd{ID: "c", Backend: qemu.ChardevBackend{Branch: &qemu.ChardevSocket{
			ReconnectMs: new(int64(1)), Addr: qemu.SocketAddressLegacy{Branch: &qemu.UnixSocketAddress{Path: "p"}},
		}}}, paths{"5.2": {"chardev-add/arg-type/backend/+socket/data/reconnect-ms"}, "7.2": {"chardev-add/arg-type/backend/+socket/data/reconnect-ms"}}},
		{"an enum's value", qemu.Screendump{Filename: "f", Format: new(qemu.ImageFormatPNG)}, paths{"5.2": {"screendump/arg-type/format"}}},
		{"an empty enum", qemu.BlockdevMirror{Device: "d", Target: "t", TargetIsZero: new(true)}, paths{
			"5.2": {"blockdev-mirror/arg-type/target-is-zero"}, "7.2": {"blockdev-mirror/arg-type/target-is-zero"}, "10.0": {"blockdev-mirror/arg-type/target-is-zero"},
		}},
		{"another type", qmp.Raw{Command: "set_link", Args: qmp.Args{"name": 1, "up": 1.5}}, paths{
			"5.2": {"set_link/arg-type/name/!int", "set_link/arg-type/up/!number"}, "7.2": {"set_link/arg-type/name/!int", "set_link/arg-type/up/!number"},
			"10.0": {"set_link/arg-type/name/!int", "set_link/arg-type/up/!number"}, "11.1": {"set_link/arg-type/name/!int", "set_link/arg-type/up/!number"},
		}},
		{"a type that was widened", qmp.Raw{Command: "block-export-add", Args: qmp.Args{"type": "nbd", "id": "e", "node-name": "n", "iothread": []any{"a"}}}, paths{
			"5.2": {"block-export-add/arg-type/iothread/!array"}, "7.2": {"block-export-add/arg-type/iothread/!array"},
			"10.0": {"block-export-add/arg-type/iothread/!array"},
		}},
		{"properties have no schema", qemu.DeviceAdd{Driver: "x", Props: qmp.Args{"new": qmp.Args{"x": 1}}}, nil},
		{"objects have none in 5.2", qemu.ObjectAdd{ID: "o", QOMType: "new", Branch: &qemu.RawBranch{Members: qmp.Args{"x": 1}}}, paths{
			"7.2": {"object-add/arg-type/qom-type/^new"}, "10.0": {"object-add/arg-type/qom-type/^new"}, "11.1": {"object-add/arg-type/qom-type/^new"},
		}},
		{"any value", qemu.QOMSet{Path: "p", Property: "p", Value: qmp.RawJSON(`{"x":[1,"y"]}`)}, nil},
		{"many elements, one path", qmp.Raw{Command: "blockdev-reopen", Args: qmp.Args{"options": []any{
			qmp.Args{"driver": "raw", "file": "a", "9": 1}, qmp.Args{"driver": "raw", "file": "b", "9": 1},
		}}}, paths{
			"5.2": {"blockdev-reopen"}, "7.2": {"blockdev-reopen/arg-type/options/+raw/ 9"},
			"10.0": {"blockdev-reopen/arg-type/options/+raw/ 9"}, "11.1": {"blockdev-reopen/arg-type/options/+raw/ 9"},
		}},
	} {
		for _, version := range versions {
			got, err := MissingIn(captured(t, version), test.need)
			require.NoError(t, err, test.name)
			require.Equal(t, test.want[version], got, "%s, %s", test.name, version)
		}
	}
}

func TestMissingOfMany(t *testing.T) {
	got, err := MissingIn(captured(t, "5.2"), qemu.QueryStats{}, nested, "query-stats", qemu.BlockdevReopen{}, qemu.QueryStats{})
	require.NoError(t, err)
	require.Equal(t, []string{"query-stats", "blockdev-reopen"}, got)
}

func TestInvalidNeeds(t *testing.T) {
	s := captured(t, "11.1")
	for text, need := range map[string]any{
		"qmpschema: the need is a nil <nil>":                                      nil,
		"qmpschema: the need is a nil *qemu.Stop":                                 (*qemu.Stop)(nil),
		"qmpschema: the need is a int: want a request or a path":                  7,
		"qmpschema: the need is a qemu.BlockdevOptions: want a request or a path": qemu.BlockdevOptions{},
		"qmpschema: the need is a *introspect.Schema: want a request or a path":   s,
		"qmpschema: the need is a qmp.Raw without a command":                      qmp.Raw{},
		"introspect: malformed path 'stop/': a component is empty":                "stop/",
		"qmp: netdev_add: not sent: type: discriminator is empty":                 qemu.NetdevAdd{ID: "n"},
	} {
		_, err := MissingIn(s, qemu.Stop{}, need)
		require.EqualError(t, err, text)
	}
}

// TestPathsOfRequests makes requests with everything that the newest version has. The newest version has the
// paths that are reported for older ones.
func TestPathsOfRequests(t *testing.T) {
	newest, older := captured(t, "11.1"), map[string]*introspect.Schema{}
	for _, version := range versions {
		older[version] = captured(t, version)
	}
	m := newMaker(newest, 1)
	found := 0
	for name, request := range map[string]func([]byte) (any, error){
		"blockdev-add": into[qemu.BlockdevAdd], "blockdev-reopen": into[qemu.BlockdevReopen], "chardev-add": into[qemu.ChardevAdd],
		"netdev_add": into[qemu.NetdevAdd], "object-add": into[qemu.ObjectAdd], "block-export-add": into[qemu.BlockExportAdd],
		"transaction": into[qemu.Transaction], "migrate": into[qemu.Migrate], "nbd-server-start": into[qemu.NBDServerStart],
		"blockdev-create": into[qemu.BlockdevCreate], "migrate-set-parameters": into[qemu.MigrateSetParameters],
		"query-stats": into[qemu.QueryStats], "x-blockdev-amend": into[qemu.XBlockdevAmend],
	} {
		command := newest.Lookup(name).(*introspect.Command)
		for range 300 {
			text, err := m.arguments(command).MarshalJSON()
			require.NoError(t, err)
			r, err := request(text)
			require.NoError(t, err, "%s %s", name, text)
			for _, old := range older {
				missing, err := MissingIn(old, r)
				require.NoError(t, err, "%s %s", name, text)
				for _, path := range missing {
					requireHas(t, old, path, false)
					requireHas(t, newest, path, true)
					found++
				}
			}
		}
	}
	require.Greater(t, found, 1000)
}

func into[T any](text []byte) (any, error) {
	var request T
	err := json.Unmarshal(text, &request)
	return request, err
}

func requireHas(t *testing.T, s *introspect.Schema, path string, want bool) {
	t.Helper()
	has, err := s.Has(path)
	require.NoError(t, err)
	require.Equal(t, want, has, path)
}
