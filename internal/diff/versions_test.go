package diff_test

import (
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/internal/diff"
	"github.com/qmpkit/qmpkit/internal/qemutest"
	"github.com/qmpkit/qmpkit/qapi"
	"github.com/qmpkit/qmpkit/qmp/introspect"
	"github.com/qmpkit/qmpkit/qmp/qmpschema"
	"github.com/qmpkit/qmpkit/testdata/schema"
)

// version is the view of a QEMU's source, with the names of types.
func version(t testing.TB, name, main string) *introspect.Schema {
	t.Helper()
	if name == "10.2" {
		s, err := qapi.LoadFS(schema.FS, name+"/"+main, nil)
		require.NoError(t, err)
		return s.Introspect(qapi.IntrospectOptions{Unmask: true})
	}
	s, err := qapi.Load(filepath.Join(qemutest.Source(t, name), main), nil)
	require.NoError(t, err)
	return s.Introspect(qapi.IntrospectOptions{Unmask: true})
}

// gone52 are the commands and events of 5.2 that 7.2 has not, gone72 those of 7.2 that 10.0 and
// its successors have not.
var (
	gone52 = []string{
		"! removed command block_passwd", "! removed command change", "! removed command migrate-set-cache-size",
		"! removed command migrate_set_downtime", "! removed command migrate_set_speed", "! removed command query-cpus",
		"! removed command query-events", "! removed command query-migrate-cache-size", "! removed command x-blockdev-reopen",
	}
	gone72 = []string{
		"! removed event MEM_UNPLUG_ERROR", "! removed event RDMA_GID_STATUS_CHANGED",
		"! removed command x-query-profile", "! removed command x-query-rdma",
	}
)

// entriesRemoved are the changes that remove a command or an event.
func entriesRemoved(changes []diff.Change) []diff.Change {
	return slices.DeleteFunc(slices.Clone(changes), func(c diff.Change) bool {
		return c.Kind != diff.Removed || c.What != diff.Command && c.What != diff.Event
	})
}

// TestVersions compares QEMU's own schemas, about which a few facts are known.
func TestVersions(t *testing.T) {
	for _, c := range []struct {
		old, new string
		gone     []string
		facts    []string
	}{
		{"5.2", "7.2", gone52, []string{
			"added event DEVICE_UNPLUG_GUEST_ERROR",
			"deprecated event MEM_UNPLUG_ERROR",
			"added command blockdev-reopen",
			"added feature device_add/$json-cli",
			"added feature device_add/$json-cli-hotplug",
			"deprecated command drive-backup",
			"added branch object-add/arg-type/+secret",
			"added branch object-add/arg-type/+iothread",
			"! added branch object-add/arg-type/+memory-backend-file", // its size and path are mandatory
			"! removed member object-add/arg-type/props",
			"! retyped member object-add/arg-type/qom-type",
			"! retyped member set_password/arg-type/protocol",
			"retyped member block-export-add/arg-type/+nbd/bitmaps",
			"! removed member query-cpus-fast/ret-type/arch",
			"! removed member query-block/ret-type/dirty-bitmaps",
			"! removed value blockdev-add/arg-type/driver/^sheepdog",
			"removed value query-status/ret-type/status/^preconfig",
			"added member query-qmp-schema/ret-type/+enum/members",
			"deprecated member query-qmp-schema/ret-type/+enum/values",
			"added member screendump/arg-type/format",
			"added feature x-blockdev-amend/$unstable",
			"added type StatsSchema",
			"removed type BlockdevCreateOptionsSheepdog",
		}},
		{"7.2", "10.0", gone72, []string{
			"! removed member migrate/arg-type/blk",
			"! removed member migrate/arg-type/inc",
			"optional member migrate/arg-type/*uri",
			"added member migrate/arg-type/channels",
			"! removed value query-migrate-capabilities/ret-type/capability/^block",
			"deprecated member chardev-add/arg-type/backend/+socket/data/reconnect",
			"added command query-migrationthreads",
			"deprecated value blockdev-add/arg-type/driver/^gluster",
			"! removed member query-status/ret-type/singlestep",
			"! removed member query-sev/ret-type/policy",
			"added branch query-sev/ret-type/+sev-snp",
			"added feature blockdev-add/arg-type/+virtio-blk-vhost-vdpa/$fdset",
			"retyped member query-block-jobs/ret-type/type",
		}},
		{"10.0", "10.2", []string{"! removed command x-query-opcount"}, []string{
			"added value MIGRATION/arg-type/status/^postcopy-device",
			"deprecated command block-job-pause",
			"! removed member chardev-add/arg-type/backend/+socket/data/reconnect",
			"! optional member query-cpu-model-expansion/ret-type/*deprecated-props",
			"mandatory member query-named-block-nodes/ret-type/*node-name",
			"added member netdev_add/arg-type/+af-xdp/map-path",
		}},
		{"7.2", "10.2", append(slices.Clone(gone72), "! removed command x-query-opcount"), []string{
			"! removed member chardev-add/arg-type/backend/+socket/data/reconnect",
		}},
	} {
		t.Run(c.old+" to "+c.new, func(t *testing.T) {
			changes := compare(t, version(t, c.old, schema.QEMU), version(t, c.new, schema.QEMU))
			require.ElementsMatch(t, c.gone, lines(entriesRemoved(changes)))
			require.Subset(t, lines(changes), c.facts)
		})
	}
}

// TestUsers checks the users of changed types.
func TestUsers(t *testing.T) {
	changes := compare(t, version(t, "5.2", schema.QEMU), version(t, "7.2", schema.QEMU))
	i := slices.IndexFunc(changes, func(c diff.Change) bool { return c.Path == "blockdev-add/arg-type/driver/^sheepdog" })
	require.Equal(t, diff.Change{
		Breaking: true, Kind: diff.Removed, What: diff.Value, Path: "blockdev-add/arg-type/driver/^sheepdog",
		Direction: diff.Both, Users: []string{"blockdev-add", "blockdev-create", "query-blockstats", "x-blockdev-amend"},
	}, changes[i])
}

// TestOtherSchemas compares those of the storage daemon and the guest agent.
func TestOtherSchemas(t *testing.T) {
	for main, want := range map[string]string{
		schema.Storage: "added command blockdev-reopen",
		schema.Guest:   "added command guest-get-diskstats",
	} {
		changes := lines(compare(t, version(t, "5.2", main), version(t, "10.2", main)))
		require.Contains(t, changes, want)
	}
}

// live asks a QEMU of a version.
func live(t *testing.T, version string) *introspect.Schema {
	t.Helper()
	q := qemutest.Get(t, version)
	if q.Release() != version {
		t.Skipf("this is QEMU %s, not %s", q.Release(), version)
	}
	s, err := qmpschema.Query(t.Context(), q.Start(t, qemutest.Config{}).Dial(t))
	require.NoError(t, err)
	return s
}

// TestServers compares two that are running, and each with its own source: a server was built
// without some of it, and has nothing more.
func TestServers(t *testing.T) {
	old, new := live(t, "7.2"), live(t, "10.0")
	changes := compare(t, old, new)
	require.ElementsMatch(t, gone72, lines(entriesRemoved(changes)))
	require.Subset(t, lines(changes), []string{
		"optional member migrate/arg-type/*uri", "added member migrate/arg-type/channels",
		"! removed member query-status/ret-type/singlestep",
	})
	for name, server := range map[string]*introspect.Schema{"7.2": old, "10.0": new} {
		for _, c := range compare(t, version(t, name, schema.QEMU), server) {
			require.Equal(t, diff.Removed, c.Kind, "%+v", c)
		}
	}
}
