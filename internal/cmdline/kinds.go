package cmdline

import (
	"context"
	"slices"
	"strings"

	"github.com/qmpkit/qmpkit/qmp/introspect"
)

// A Kind is a kind of values that a server has. What follows a colon narrows it down: "bitmap:disk0" are the
// bitmaps of the node disk0.
//
//	node                    names of block nodes
//	block-device            names of block backends (query-block), and IDs of their devices
//	device                  IDs of devices
//	job                     IDs of jobs
//	export                  IDs of block exports
//	bitmap:NODE             dirty bitmaps of a node
//	snapshot:NODE           internal snapshots of a node; of all nodes without one
//	chardev netdev          IDs of character devices and network backends
//	object object:TYPE      IDs of objects, of a type and those derived from it
//	driver qom-type         types of devices, and of all objects
//	bus:DRIVER              names and paths of buses for a driver
//	qom-path:TYPED          paths of objects that begin with what was typed; those with children end in "/"
//	qom-property:PATH       properties of the object at a path, with types
//	device-property:DRIVER  properties of a driver, with types
//	object-property:TYPE    properties of a type, with types
//	file:TYPED              names of files; those of folders end in "/"
//	cpu fdset option        indices of CPUs, numbers of descriptor sets, groups of options
//	trace-event virtio      names of trace events, paths of virtio devices
type Kind string

// Cut returns the kind and what narrows it down.
func (k Kind) Cut() (kind, of string) {
	kind, of, _ = strings.Cut(string(k), ":")
	return kind, of
}

// words describes a value of the kind.
func (k Kind) words() string {
	kind, of := k.Cut()
	if words, ok := kindWords[kind]; ok {
		if kind == "object" && of != "" {
			return "the ID of an object (" + of + ")"
		}
		return words
	}
	return "a string"
}

var kindWords = map[string]string{
	"new":          "a new name",
	"node":         "the name of a block node",
	"block-device": "the name of a block device",
	"device":       "the ID of a device",
	"job":          "the ID of a job",
	"export":       "the ID of an export",
	"bitmap":       "the name of a bitmap",
	"snapshot":     "the name of a snapshot",
	"chardev":      "the ID of a character device",
	"netdev":       "the ID of a network backend",
	"object":       "the ID of an object",
	"driver":       "a device driver",
	"qom-type":     "a QOM type",
	"bus":          "a bus",
	"qom-path":     "a QOM path",
	"qom-property": "the name of a property",
	"file":         "the name of a file",
	"cpu":          "the index of a CPU",
	"fdset":        "the number of a descriptor set",
	"option":       "a group of command line options",
	"trace-event":  "the name of a trace event",
	"virtio":       "the path of a virtio device",
}

// A kindRow says which kinds of values a member takes.
type kindRow struct {
	commands string // with blanks between them; "" for all
	members  string // names, or the last names of a path with dots between them, with blanks between them
	kinds    string // with blanks between them; "" for text, "new" for a new name. {m} stands for the value of the member m beside it
}

// kindTable has the kinds of strings and numbers. The first row that fits counts.
var kindTable = []kindRow{
	// Bitmaps of an object in a list; these go before rows for other members named node and name.
	{"block-dirty-bitmap-merge block-export-add", "bitmaps.node", "node"},
	{"block-dirty-bitmap-merge block-export-add", "bitmaps.name", "bitmap:{node}"},
	{"block-dirty-bitmap-merge", "bitmaps", "bitmap:{node}"},
	{"block-export-add", "bitmaps", "bitmap:{node-name}"},

	// Names that a command gives.
	{"blockdev-add drive-mirror", "node-name", "new"},
	{"device_add object-add netdev_add chardev-add block-export-add announce-self", "id", "new"},
	{"block-commit block-stream blockdev-backup blockdev-mirror drive-backup drive-mirror blockdev-create x-blockdev-amend snapshot-save snapshot-load snapshot-delete", "job-id filter-node-name", "new"},
	{"block-dirty-bitmap-add blockdev-snapshot-internal-sync nbd-server-add block-export-add", "name", "new"},
	{"blockdev-snapshot-sync", "snapshot-node-name", "new"},
	{"snapshot-save", "tag", "new"},

	// Jobs.
	{"job-pause job-resume job-cancel job-complete job-dismiss job-finalize block-job-dismiss block-job-finalize block-job-change", "id", "job"},
	{"block-job-set-speed block-job-cancel block-job-pause block-job-resume block-job-complete", "device", "job"},

	// Block devices and nodes.
	{"eject blockdev-open-tray blockdev-close-tray blockdev-change-medium blockdev-insert-medium blockdev-remove-medium block_set_io_throttle block-latency-histogram-set", "id", "device"},
	{"eject blockdev-open-tray blockdev-close-tray blockdev-change-medium block_set_io_throttle change block_passwd block_resize blockdev-snapshot-sync", "device", "block-device"},
	{"block-commit block-stream blockdev-backup blockdev-mirror drive-backup drive-mirror change-backing-file nbd-server-add blockdev-snapshot-internal-sync blockdev-snapshot-delete-internal-sync", "device", "node block-device"},
	{"block-dirty-bitmap-add block-dirty-bitmap-remove block-dirty-bitmap-clear block-dirty-bitmap-enable block-dirty-bitmap-disable block-dirty-bitmap-merge x-debug-block-dirty-bitmap-sha256", "node", "node"},
	{"block-dirty-bitmap-remove block-dirty-bitmap-clear block-dirty-bitmap-enable block-dirty-bitmap-disable x-debug-block-dirty-bitmap-sha256", "name", "bitmap:{node}"},
	{"block-dirty-bitmap-merge", "target", "bitmap:{node}"},
	{"blockdev-backup drive-backup nbd-server-add", "bitmap", "bitmap:{device}"},
	{"blockdev-backup blockdev-mirror", "target", "node block-device"},
	{"drive-backup drive-mirror change", "target", "file"},
	{"blockdev-snapshot", "node overlay", "node"},
	{"blockdev-snapshot-sync", "snapshot-file", "file"},
	{"blockdev-snapshot-delete-internal-sync", "name id", "snapshot:{device}"},
	{"snapshot-load snapshot-delete", "tag", "snapshot"},
	{"snapshot-save snapshot-load snapshot-delete", "vmstate devices", "node"},
	{"nbd-server-remove", "name", "export"},
	{"block-export-del", "id", "export"},
	{"x-blockdev-change", "parent node", "node"},
	{"x-blockdev-change", "child", ""},
	{"block-commit block-stream", "base top", "file"},
	{"block-commit block-stream change-backing-file blockdev-create", "backing-file", "file"},
	{"", "node-name base-node top-node image-node-name bottom replaces top-id", "node"},
	{"", "throttle-group", "object:throttle-group"},
	{"", "pr-manager", "object:pr-manager"},
	{"", "key-secret cookie-secret password-secret proxy-password-secret old-secret new-secret keyid passwordid", "object:secret_common"},
	{"x-blockdev-amend", "secret", "object:secret_common"},
	{"", "tls-creds", "object:tls-creds"},
	{"", "tls-authz", "object:authz"},
	{"x-blockdev-set-iothread block-export-add object-add", "iothread", "object:iothread"},

	{"blockdev-add blockdev-reopen", "bitmap.node", "node"},
	{"blockdev-add blockdev-reopen", "bitmap.name", "bitmap:{node}"},

	// Devices and objects.
	{"device_add", "driver", "driver"},
	{"device_add", "bus", "bus:{driver}"},
	{"device_add", "drive", "node"},
	{"device_add", "netdev", "netdev"},
	{"device_add", "chardev", "chardev"},
	{"device_add", "iothread", "object:iothread"},
	{"device_add", "memdev hostmem", "object:memory-backend"},
	{"device_add", "failover_pair_id", "device"},
	{"device_add", "romfile", "file"},
	{"device_del device-sync-config", "id", "device"},
	{"device-list-properties", "typename", "driver"},
	{"object-del", "id", "object"},
	{"object-add", "qom-type", "qom-type"},
	{"qom-list-properties", "typename", "qom-type"},
	{"qom-list-types", "implements", "qom-type"},
	{"qom-get qom-set", "property", "qom-property:{path}"},
	{"qom-list qom-get qom-set", "path", "qom-path"},
	{"qom-list-get", "paths", "qom-path"},
	{"query-stats", "vcpus", "qom-path"},
	{"cxl-inject-general-media-event cxl-inject-dram-event cxl-inject-memory-module-event cxl-inject-poison cxl-inject-uncorrectable-errors cxl-inject-correctable-error cxl-add-dynamic-capacity cxl-release-dynamic-capacity", "path", "qom-path"},
	{"x-query-virtio-status x-query-virtio-queue-status x-query-virtio-vhost-queue-status x-query-virtio-queue-element", "path", "virtio"},
	{"screendump input-send-event", "device", "device"},
	{"set-numa-node", "memdev", "object:memory-backend"},
	{"object-add", "prealloc-context", "object:thread-context"},
	{"object-add", "canbus", "object:can-bus"},
	{"object-add", "devid pci-dev pci-bus", "device"},

	// Networks and character devices.
	{"netdev_del", "id", "netdev"},
	{"set_link", "name", "netdev device"},
	{"query-rx-filter", "name", "device"},
	{"announce-self", "interfaces", "device"},
	{"", "netdev", "netdev"},
	{"chardev-change chardev-remove chardev-send-break", "id", "chardev"},
	{"ringbuf-write ringbuf-read", "device", "chardev"},
	{"", "chardev chardevs", "chardev"},
	{"object-add", "indev outdev notify_dev primary_in secondary_in", "chardev"},
	{"yank", "instances.id", "chardev"},
	{"migrate-set-parameters", "block-bitmap-mapping.bitmaps.name", "bitmap:{node-name}"},

	// Files of the host.
	{"chardev-add chardev-change", "device in out path logfile", "file"},
	{"netdev_add", "script downscript helper tftp smb vhostdev path", "file"},
	{"object-add", "evdev mem-path dir filename sev-device session-file file", "file"},
	{"", "filename logfile mountpoint dir vdi", "file"},
	{"blockdev-add blockdev-reopen x-blockdev-reopen blockdev-create", "conf path", "file"},
	{"block-export-add nbd-server-start migrate migrate-incoming display-update", "path", "file"},

	// Others.
	{"", "cpu-index", "cpu"},
	{"", "fdset-id", "fdset"},
	{"query-command-line-options", "option", "option"},
	{"trace-event-get-state trace-event-set-state", "name", "trace-event"},
}

// kindsOf returns the kinds of a place. Where one depends on the value of a member that is not there, the part after
// the colon is empty.
func (l *Language) kindsOf(p place) (kinds []Kind) {
	if len(p.names) == 0 {
		return nil
	}
	row := rowOf(p.command, p.names)
	if row == nil {
		return nil
	}
	for kind := range strings.FieldsSeq(row.kinds) {
		if kind == "new" {
			return []Kind{newName}
		}
		if i := strings.IndexByte(kind, '{'); i >= 0 {
			member := strings.Trim(kind[i:], "{}")
			kind = kind[:i] + tagOf(member, p.siblings)
		}
		kinds = append(kinds, Kind(kind))
	}
	return kinds
}

// rowOf returns the row for a member, or nil.
func rowOf(command string, names []string) *kindRow {
	path := strings.Join(names, ".")
	for i := range kindTable {
		row := &kindTable[i]
		if row.commands != "" && !slices.Contains(strings.Fields(row.commands), command) {
			continue
		}
		for m := range strings.FieldsSeq(row.members) {
			if m == path || strings.HasSuffix(path, "."+m) {
				return row
			}
		}
	}
	return nil
}

// isReference reports whether an alternate stands for a block node: its name, or the options for a new one.
func (l *Language) isReference(t *introspect.Alternate) bool {
	hasDriver, hasName := false, false
	for _, name := range t.Types {
		switch t := l.Schema.Lookup(name).(type) {
		case *introspect.Object:
			hasDriver = hasDriver || t.Tag == "driver"
		case *introspect.Builtin:
			hasName = hasName || t.JSONType == "string"
		}
	}
	return hasDriver && hasName
}

// newName is the kind of names that a command gives. No server lists them.
const newName Kind = "new"

// values asks for the values of a kind.
func (l *Language) values(ctx context.Context, kind Kind) []Value {
	if l.Values == nil || kind == newName {
		return nil
	}
	values, err := l.Values(ctx, kind)
	if err != nil {
		return nil
	}
	return values
}
