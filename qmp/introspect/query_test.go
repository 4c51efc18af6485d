package introspect_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/qapi"
	"github.com/qmpkit/qmpkit/qmp/introspect"
	"github.com/qmpkit/qmpkit/testdata/schema"
)

// newest is the view of the newest schema that the project holds.
func newest(t testing.TB) *introspect.Schema {
	t.Helper()
	s, err := qapi.LoadFS(schema.FS, "10.2/"+schema.QEMU, nil)
	require.NoError(t, err)
	return s.Introspect(qapi.IntrospectOptions{})
}

// TestHas asks for parts that exist and for parts that do not.
func TestHas(t *testing.T) {
	s := newest(t)
	for path, want := range map[string]bool{
		"blockdev-backup": true,
		"no-such-command": false,
		"0":               true,
		"str":             true, // a type
		"DEVICE_DELETED":  true,

		"DEVICE_DELETED/arg-type/device":  true,
		"DEVICE_DELETED/arg-type/*device": true,
		"DEVICE_DELETED/arg-type/*path":   false, // it is mandatory
		"DEVICE_DELETED/ret-type":         false,
		"DEVICE_DELETED/name":             false,

		// A modifier does not fit a command or an event.
		"blockdev-add/ arg-type":          true,
		"blockdev-add/*arg-type":          false,
		"blockdev-add/^arg-type":          false,
		"blockdev-add/+arg-type":          false,
		"blockdev-add/!ret-type":          false,
		"DEVICE_DELETED/+arg-type/device": false,
		"blockdev-add/*arg-type/$x/x":     false, // nothing is behind it, not even a mistake
		"query-block/meta-type":           false,

		"query-block":          true,
		"query-block/ret-type": true,
		"query-block/ret-type/inserted/image/filename":                           true, // through an array
		"query-block/ret-type/inserted/no-such":                                  false,
		"blockdev-add/arg-type/+file/$dynamic-auto-read-only":                    true,
		"blockdev-add/arg-type/+file/$no-such-feature":                           false,
		"blockdev-add/arg-type/+file/aio/^io_uring":                              true,
		"blockdev-add/arg-type/+file/aio/^no-such":                               false,
		"blockdev-add/arg-type/+file/aio/io_uring":                               false, // no modifier
		"blockdev-add/arg-type/+no-such":                                         false,
		"blockdev-add/arg-type/+qcow2/encrypt/+luks/key-secret":                  true,
		"blockdev-add/arg-type/+virtio-blk-vhost-vdpa/$fdset":                    true,
		"blockdev-add/arg-type/discard":                                          true,
		"blockdev-add/arg-type/^discard":                                         false, // for an enum
		"blockdev-add/arg-type/!string":                                          false, // for a built-in type
		"blockdev-snapshot/$allow-write-only-overlay":                            true,
		"block-commit/arg-type/*top":                                             true,
		"block-commit/arg-type/*device":                                          false,
		"chardev-add/arg-type/backend/+socket/data/reconnect-ms":                 true,
		"device_add/$json-cli-hotplug":                                           true,
		"human-monitor-command/$savevm-monitor-nodes":                            true,
		"migrate-set-parameters/arg-type/block-bitmap-mapping/bitmaps/transform": true,
		"netdev_add/arg-type/type/^dgram":                                        true,
		"netdev_add/arg-type/id/!string":                                         true,
		"netdev_add/arg-type/id/!int":                                            false,
		"netdev_add/arg-type/id/string":                                          false,
		"netdev_add/arg-type/type/!string":                                       true, // an enum
		"blockdev-add/arg-type/file/!string":                                     false,
		"blockdev-add/arg-type/+qcow2/file/!object":                              true,
		"blockdev-add/arg-type/+qcow2/file/!array":                               false,
		"blockdev-reopen/arg-type/options/!array":                                true,
		"blockdev-reopen/arg-type/options/!object":                               true, // of an element
		"blockdev-reopen/arg-type/options/!object/x":                             false,
		"object-add/arg-type/qom-type/^secret":                                   true,
		"query-hotpluggable-cpus/ret-type/props/die-id":                          true,
		"screendump/arg-type/format/^png":                                        true,

		// Of an alternate the types are tried one after the other.
		"blockdev-add/arg-type/+qcow2/file/driver":  true,
		"blockdev-add/arg-type/+qcow2/file/!string": true,
		"blockdev-add/arg-type/+qcow2/file/!int":    false,

		// A member's own features, which libvirt's grammar does not reach.
		"block-commit/arg-type/base/$$deprecated":    true,
		"block-commit/arg-type/*base/$$deprecated":   true,
		"block-commit/arg-type/device/$$deprecated":  false,
		"block-commit/arg-type/no-such/$$deprecated": false,

		// And a value's.
		"blockdev-add/arg-type/driver/^gluster/$deprecated": true,
		"blockdev-add/arg-type/driver/^qcow2/$deprecated":   false,
		"blockdev-add/arg-type/driver/^no-such/$deprecated": false,
	} {
		has, err := s.Has(path)
		require.NoError(t, err, path)
		require.Equal(t, want, has, path)
	}
}

// sample has what QEMU's schema does not.
const sample = `[
	{"name": "c", "meta-type": "command", "arg-type": "0", "ret-type": "9", "features": ["f"]},
	{"name": "e", "meta-type": "event", "arg-type": "c"},
	{"name": "0", "meta-type": "object", "members": [
		{"name": "9lives", "type": "int"}, {"name": "_x", "type": "int", "default": null},
		{"name": "loop", "type": "[1]"}, {"name": "gone", "type": "9"},
		{"name": "alt", "type": "2"}, {"name": "new", "type": "3"}]},
	{"name": "[1]", "meta-type": "array", "element-type": "[1]"},
	{"name": "2", "meta-type": "alternate", "members": [{"type": "2"}]},
	{"name": "3", "meta-type": "hologram", "depth": 3},
	{"name": "int", "meta-type": "builtin", "json-type": "int"}
]`

func TestHasOutsideQEMU(t *testing.T) {
	s, err := introspect.Read([]byte(sample))
	require.NoError(t, err)
	for path, want := range map[string]bool{
		"c/arg-type/ 9lives":      true, // a blank before what is no letter
		"c/arg-type/ _x":          true,
		"c/arg-type/*_x":          true,
		"c/arg-type/_x":           false,
		"c/$f":                    true,
		"e/$f":                    false,
		"c/arg-type/ 9lives/!int": true,
		"c/ arg-type/ 9lives":     true,
		"c/name":                  false, // libvirt would go on with the entry of that name
		"int/!int":                true,  // of a type by its name, or number
		"0/*_x":                   true,
		"0/!int":                  false,
		"c/arg-type/new":          true,
		"c/arg-type/new/x":        false, // who knows
		"3":                       true,  // like any entry, as in libvirt
		"3/x":                     false,
	} {
		has, err := s.Has(path)
		require.NoError(t, err, path)
		require.Equal(t, want, has, path)
	}
	for _, path := range []string{"", "/", "c/", "c//x", "/c", "c/$f/x", "c/arg-type/ 9lives/!int/x",
		"c/arg-type/$f/x", "c/arg-type/loop/$$f/x"} {
		_, err := s.Has(path)
		require.ErrorIs(t, err, introspect.ErrQuery, path)
	}
	for _, path := range []string{"c/ret-type", "c/arg-type/gone", "c/arg-type/loop/x", "c/arg-type/alt/x",
		"e/arg-type/x"} {
		_, err := s.Has(path)
		require.ErrorIs(t, err, introspect.ErrSchema, path)
		require.ErrorContains(t, err, path)
	}
}

// TestHasInManyAlternates: each of a row of alternates has the next one twice.
func TestHasInManyAlternates(t *testing.T) {
	text := `[{"name": "c", "meta-type": "command", "arg-type": "0", "ret-type": "0"}`
	for i := range 100 {
		text += fmt.Sprintf(`, {"name": "%d", "meta-type": "alternate", "members": [{"type": "%d"}, {"type": "%[2]d"}]}`, i, i+1)
	}
	s, err := introspect.Read([]byte(text + `, {"name": "100", "meta-type": "enum", "values": ["a"]}]`))
	require.NoError(t, err)
	has, err := s.Has("c/arg-type/^a")
	require.NoError(t, err)
	require.True(t, has)
	_, err = s.Has("c/arg-type/^b")
	require.ErrorIs(t, err, introspect.ErrSchema)
}

func TestHasOfEnumValues(t *testing.T) {
	s := newest(t)
	for _, path := range []string{"blockdev-add/arg-type/driver/^qcow2/x", "blockdev-add/arg-type/driver/^qcow2/$f/x"} {
		_, err := s.Has(path)
		require.ErrorIs(t, err, introspect.ErrQuery, path)
	}
	old, err := introspect.Read([]byte(`[{"name":"c","meta-type":"command","arg-type":"0","ret-type":"0"},
		{"name":"0","meta-type":"enum","values":["a","b"]}]`))
	require.NoError(t, err)
	has, err := old.Has("c/arg-type/^b")
	require.NoError(t, err)
	require.True(t, has)
	has, err = old.Has("c/arg-type/^b/$deprecated")
	require.NoError(t, err)
	require.False(t, has)
}

func TestJSONType(t *testing.T) {
	for want, infos := range map[string][]introspect.Info{
		"int":    {&introspect.Builtin{JSONType: "int"}},
		"string": {&introspect.Builtin{JSONType: "string"}, &introspect.Enum{}},
		"array":  {&introspect.Array{}},
		"object": {&introspect.Object{}},
		"value":  {&introspect.Alternate{}, &introspect.Command{}, &introspect.Unknown{}, nil},
	} {
		for _, info := range infos {
			require.Equal(t, want, introspect.JSONType(info))
		}
	}
}
