package qemu_test

import (
	"context"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/internal/qemutest"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

// TestServers decodes what servers older and newer than the package's schema answer.
func TestServers(t *testing.T) {
	qemutest.Run(t, []string{"5.2", "7.2", "10.0", "11.1"}, func(t *testing.T, q *qemutest.QEMU) {
		ctx := t.Context()
		vm := q.Start(t, qemutest.Config{Machine: "pc", Args: []string{
			"-S", "-blockdev", qemu.BlockdevOptions{
				NodeName: new("disk0"), Driver: qemu.BlockdevDriverNullCo,
				Branch: &qemu.BlockdevOptionsNull{Size: new(int64(1 << 20))},
			}.String(),
			"-device", "virtio-blk-pci,id=vd0,drive=disk0", "-device", "pci-bridge,id=bridge0,chassis_nr=1",
		}})
		c := vm.Dial(t)

		version, err := qemu.QueryVersion{}.Do(ctx, c)
		require.NoError(t, err)
		require.Equal(t, int64(q.Major), version.QEMU.Major)
		require.Equal(t, int64(q.Minor), version.QEMU.Minor)

		status, err := qemu.QueryStatus{}.Do(ctx, c)
		require.NoError(t, err)
		require.Equal(t, qemu.RunStatePrelaunch, status.Status)
		require.False(t, status.Running)

		blocks, err := qemu.QueryBlock{}.Do(ctx, c)
		require.NoError(t, err)
		i := slices.IndexFunc(blocks, func(b qemu.BlockInfo) bool {
			return b.Qdev != nil && *b.Qdev == "/machine/peripheral/vd0/virtio-backend"
		})
		require.GreaterOrEqual(t, i, 0, "%+v", blocks)
		require.Equal(t, "disk0", qmp.Value(blocks[i].Inserted.NodeName))
		require.Equal(t, int64(1<<20), blocks[i].Inserted.Image.VirtualSize)

		buses, err := qemu.QueryPCI{}.Do(ctx, c)
		require.NoError(t, err)
		require.NotNil(t, pciDevice(buses[0].Devices, "vd0"))
		require.NotNil(t, pciDevice(buses[0].Devices, "bridge0").PCIBridge)

		types, err := qemu.QOMListTypes{Implements: new("device")}.Do(ctx, c)
		require.NoError(t, err)
		require.True(t, slices.ContainsFunc(types, func(t qemu.ObjectTypeInfo) bool { return t.Name == "virtio-blk-pci" }))

		checkSchema(t, ctx, c)
	})
}

func pciDevice(devices []qemu.PCIDeviceInfo, id string) *qemu.PCIDeviceInfo {
	for i := range devices {
		if devices[i].QdevID == id {
			return &devices[i]
		}
	}
	return nil
}

// checkSchema reads the server's own schema, the longest answer that there is, of which each
// entry is a union's branch.
func checkSchema(t *testing.T, ctx context.Context, c qmp.Executor) {
	t.Helper()
	schema, err := qemu.QueryQMPSchema{}.Do(ctx, c)
	require.NoError(t, err)
	require.Greater(t, len(schema), 800)
	kinds := map[qemu.SchemaMetaType]int{}
	for _, entity := range schema {
		kinds[entity.MetaType]++
		require.NotNil(t, entity.Branch, "%+v", entity)
		switch b := entity.Branch.(type) {
		case *qemu.SchemaInfoCommand:
			require.NotEmpty(t, b.RetType)
		case *qemu.SchemaInfoObject:
			require.Equal(t, b.Tag != nil, b.Variants != nil)
		case *qemu.RawBranch:
			t.Errorf("branch of %s %s is not known", entity.MetaType, entity.Name)
		}
	}
	for _, kind := range []qemu.SchemaMetaType{
		qemu.SchemaMetaTypeBuiltin, qemu.SchemaMetaTypeEnum, qemu.SchemaMetaTypeArray, qemu.SchemaMetaTypeObject,
		qemu.SchemaMetaTypeAlternate, qemu.SchemaMetaTypeCommand, qemu.SchemaMetaTypeEvent,
	} {
		require.NotZero(t, kinds[kind], kind)
	}
}

// TestErrorsOfServers has servers refuse what they refuse, by class.
func TestErrorsOfServers(t *testing.T) {
	qemutest.Run(t, []string{"7.2", "10.0"}, func(t *testing.T, q *qemutest.QEMU) {
		ctx := t.Context()
		c := q.Start(t, qemutest.Config{}).Dial(t)
		require.ErrorIs(t, qemu.DeviceDel{ID: "nobody"}.Do(ctx, c), qmp.ErrDeviceNotFound)
		err := qemu.BlockdevDel{NodeName: "nobody"}.Do(ctx, c)
		require.ErrorIs(t, err, qmp.ErrGeneric)
		require.ErrorIs(t, qemu.BlockdevAdd{}.Do(ctx, c), qmp.ErrNotSent)

		// Branches that only another QEMU has are sent as they are given.
		err = qemu.BlockdevAdd{Driver: "teleport", NodeName: new("n"), Branch: &qemu.RawBranch{Members: qmp.Args{"to": "mars"}}}.Do(ctx, c)
		require.ErrorIs(t, err, qmp.ErrGeneric)
		require.Contains(t, err.Error(), "teleport")
	})
}

// TestEventsOfServers follows a machine through its states.
func TestEventsOfServers(t *testing.T) {
	qemutest.Run(t, []string{"7.2", "10.0"}, func(t *testing.T, q *qemutest.QEMU) {
		ctx := t.Context()
		c := q.Start(t, qemutest.Config{Args: []string{"-S"}}).Dial(t)
		resumed := qmp.Subscribe[qemu.ResumeEvent](c)
		defer resumed.Close()
		all := c.Events()
		defer all.Close()

		require.NoError(t, qemu.Cont{}.Do(ctx, c))
		event, err := resumed.Next(ctx)
		require.NoError(t, err)
		require.False(t, event.Time.IsZero())

		require.NoError(t, qemu.Stop{}.Do(ctx, c))
		for _, want := range []qmp.EventData{new(qemu.ResumeEvent), new(qemu.StopEvent)} {
			raw, err := all.Next(ctx)
			require.NoError(t, err)
			got, err := qemu.DecodeEvent(raw)
			require.NoError(t, err)
			require.Equal(t, want, got)
		}

		shutdown := qmp.Subscribe[qemu.ShutdownEvent](c)
		require.NoError(t, qemu.Quit{}.Do(ctx, c))
		last, err := shutdown.Next(ctx)
		require.NoError(t, err)
		require.Equal(t, qemu.ShutdownCauseHostQMPQuit, last.Data.Reason)
		require.False(t, last.Data.Guest)
	})
}
