package qemu_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/internal/qemutest"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

// TestNewest uses what QEMU 11.1 brought: a member, and a value with its branch. Older ones refuse
// both, and say which it is.
func TestNewest(t *testing.T) {
	qemutest.Run(t, []string{"5.2", "7.2", "10.0", "11.1"}, func(t *testing.T, q *qemutest.QEMU) {
		ctx := t.Context()
		c := q.Start(t, qemutest.Config{Machine: "none"}).Dial(t)
		_, flat := qemu.QueryBlock{Flat: new(true)}.Do(ctx, c)
		_, err := qemu.ChardevAdd{ID: "chardev", Backend: qemu.ChardevBackend{
			Type: qemu.ChardevBackendKindNull, Branch: &qemu.ChardevCommon{},
		}}.Do(ctx, c)
		require.NoError(t, err)
		added := qemu.ObjectAdd{
			QOMType: qemu.ObjectTypeMonitorHMP, ID: "monitor",
			Branch: &qemu.ObjectOptionsMonitorHMP{Chardev: "chardev"},
		}.Do(ctx, c)
		if !q.AtLeast(11, 1) {
			require.ErrorIs(t, flat, qmp.ErrGeneric)
			require.ErrorContains(t, flat, "flat")
			require.ErrorContains(t, added, "monitor-hmp")
			return
		}
		require.NoError(t, flat)
		require.NoError(t, added)
		objects, err := qemu.QOMList{Path: "/objects"}.Do(ctx, c)
		require.NoError(t, err)
		require.Contains(t, objects, qemu.ObjectPropertyInfo{Name: "monitor", Type: "child<monitor-hmp>"})
	})
}

// TestMembersThatOlderServersLack tells a member that a server did not send from one that is false or
// empty.
func TestMembersThatOlderServersLack(t *testing.T) {
	qemutest.Run(t, []string{"5.2", "7.2", "10.0", "11.1"}, func(t *testing.T, q *qemutest.QEMU) {
		ctx := t.Context()
		c := q.Start(t, qemutest.Config{Machine: "pc", Args: []string{"-blockdev", "null-co,node-name=n"}}).Dial(t)
		nodes, err := qemu.QueryNamedBlockNodes{}.Do(ctx, c)
		require.NoError(t, err)
		require.Len(t, nodes, 1)
		require.Equal(t, "n", qmp.Value(nodes[0].NodeName))
		if q.AtLeast(10, 0) {
			require.Equal(t, new(true), nodes[0].Active)
		} else {
			require.Nil(t, nodes[0].Active)
		}
		cpus, err := qemu.QueryCPUsFast{}.Do(ctx, c)
		require.NoError(t, err)
		require.Equal(t, q.AtLeast(11, 1), cpus[0].QOMType != nil)
	})
}

// TestLooserMember decodes a member that is a string up to QEMU 11.0, and null too from then on.
func TestLooserMember(t *testing.T) {
	qemutest.Run(t, []string{"5.2", "7.2", "10.0", "11.1"}, func(t *testing.T, q *qemutest.QEMU) {
		c := q.Start(t, qemutest.Config{}).Dial(t)
		require.NoError(t, qemu.MigrateSetParameters{TLSHostname: &qemu.StrOrNull{S: new("host")}}.Do(t.Context(), c))
		parameters, err := qemu.QueryMigrateParameters{}.Do(t.Context(), c)
		require.NoError(t, err)
		require.Equal(t, &qemu.StrOrNull{S: new("host")}, parameters.TLSHostname)
	})
}
