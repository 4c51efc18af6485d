package hotplug_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/hotplug"
	"github.com/qmpkit/qmpkit/qapi"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
	"github.com/qmpkit/qmpkit/qmp/qmptest"
	"github.com/qmpkit/qmpkit/testdata/schema"
)

// TestUserSpaceStorage has storage whose servers are not to be had here: what is sent is checked
// by QEMU's schema. There is nothing to open, whoever opens files.
func TestUserSpaceStorage(t *testing.T) {
	var open opening
	key := new(hotplug.SecretID("d", "key"))
	secrets := map[string][]byte{"key": []byte("secret")}
	for _, c := range []struct {
		name string
		disk hotplug.Disk
		node string
	}{
		{"rbd", hotplug.Disk{Backend: hotplug.Blockdev{Secrets: secrets, Options: qemu.BlockdevOptions{
			Discard: new(qemu.BlockdevDiscardOptionsUnmap),
			Branch: &qemu.BlockdevOptionsRBD{Pool: "p", Image: "i", User: new("u"), KeySecret: key,
				Server: []qemu.InetSocketAddressBase{{Host: "10.0.0.1", Port: "6789"}}}}}},
			`"driver":"rbd","discard":"unmap","pool":"p","image":"i","user":"u","key-secret":"d.secret.key","server":[{"host":"10.0.0.1","port":"6789"}]`},
		{"gluster", hotplug.Disk{Backend: hotplug.Blockdev{Options: qemu.BlockdevOptions{Branch: &qemu.BlockdevOptionsGluster{
			Volume: "v", Path: "/i", Server: []qemu.SocketAddress{{Branch: &qemu.InetSocketAddress{Host: "h", Port: "24007"}}}}}}},
			`"driver":"gluster","volume":"v","path":"/i","server":[{"type":"inet","host":"h","port":"24007"}]`},
		{"iscsi", hotplug.Disk{Backend: hotplug.Blockdev{Secrets: secrets, Options: qemu.BlockdevOptions{Branch: &qemu.BlockdevOptionsISCSI{
			Transport: qemu.ISCSITransportTCP, Portal: "h:3260", Target: "iqn.x", LUN: new(int64(2)), PasswordSecret: key}}}},
			`"driver":"iscsi","transport":"tcp","portal":"h:3260","target":"iqn.x","lun":2,"password-secret":"d.secret.key"`},
		{"vhost-user by libblkio", hotplug.Disk{Backend: hotplug.Blockdev{Options: qemu.BlockdevOptions{
			Cache:  &qemu.BlockdevCacheOptions{Direct: new(true)},
			Branch: &qemu.BlockdevOptionsVirtioBlkVhostUser{Path: "/run/s"}}}},
			`"driver":"virtio-blk-vhost-user","cache":{"direct":true},"path":"/run/s"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, opener := range []bool{false, true} { // with one the tree is a copy
				disk := c.disk
				disk.ID = "d"
				if opener {
					disk = openedBy(disk, open.open)
				}
				s := qemuOfSchema(t)
				require.NoError(t, hotplug.New(s.Dial(), nil).AddDisk(t.Context(), disk))
				for _, r := range s.Requests() {
					if r.Command == "blockdev-add" {
						require.JSONEq(t, `{"node-name":"d",`+c.node+`}`, string(r.Arguments))
					}
				}
			}
		})
	}
	require.Empty(t, open.asked)
}

// qemuOfSchema is a server that has what QEMU's schema has, and nothing else.
func qemuOfSchema(t *testing.T) *qmptest.Server {
	t.Helper()
	loaded, err := qapi.LoadFS(schema.FS, "10.2/"+schema.QEMU, nil)
	require.NoError(t, err)
	s := qmptest.NewServer(t, &qmptest.Options{Schema: loaded.Introspect(qapi.IntrospectOptions{})})
	none := qmptest.Refuse(qmp.ErrDeviceNotFound, "none")
	for command, answer := range map[string]qmptest.Handler{
		"qom-get": none, "qom-list": none, "query-blockstats": qmptest.Return([]any{}), "query-fdsets": qmptest.Return([]any{}),
		"object-add": qmptest.Return(nil), "blockdev-add": qmptest.Return(nil), "device_add": qmptest.Return(nil),
	} {
		s.Handle(command, answer)
	}
	return s
}
