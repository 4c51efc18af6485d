package qmp_test

import (
	"encoding/json"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/internal/qemutest"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
	"github.com/qmpkit/qmpkit/qmp/wire"
)

// TestArgsOnQEMU sends values of Args to commands of a QEMU that checks their types.
func TestArgsOnQEMU(t *testing.T) {
	qemutest.Run(t, []string{"5.2", "7.2", "10.0", "11.1"}, func(t *testing.T, q *qemutest.QEMU) {
		c := q.Start(t, qemutest.Config{Machine: "pc"}).Dial(t)
		execute := func(command string, args qmp.Args) error {
			_, err := qmp.Raw{Command: command, Args: args}.Do(limit(t), c)
			return err
		}

		t.Run("json.Number", func(t *testing.T) {
			backend := func(id string, size any) qmp.Args {
				return qmp.Args{"qom-type": "memory-backend-ram", "id": id, "size": size}
			}
			require.NoError(t, execute("object-add", backend("m1", json.Number("1048576"))))
			require.ErrorIs(t, execute("object-add", backend("m2", "1048576")), qmp.ErrGeneric, "a string is none")

			device := func(id string, number any) qmp.Args {
				return qmp.Args{"driver": "virtio-rng-pci", "id": id, "max-bytes": number, "period": number}
			}
			require.NoError(t, execute("device_add", device("d1", json.Number("1024"))))
			err := execute("device_add", device("d2", "1024"))
			if q.AtLeast(10, 0) {
				require.ErrorIs(t, err, qmp.ErrGeneric)
			} else {
				require.NoError(t, err, "QEMU also takes strings")
			}
			got, err := qemu.QOMGet{Path: "/machine/peripheral/d1", Property: "max-bytes"}.Do(limit(t), c)
			require.NoError(t, err)
			require.Equal(t, "1024", got.String())
		})

		t.Run("maps and slices", func(t *testing.T) {
			type format string
			require.NoError(t, execute("blockdev-add", qmp.Args{"driver": "raw", "node-name": "n",
				"file": map[string]format{"driver": "null-co"}}))
			bitmap := func(name string) json.RawMessage {
				return json.RawMessage(`{"type": "block-dirty-bitmap-add", "data": {"node": "n", "name": ` + strconv.Quote(name) + `}}`)
			}
			require.NoError(t, execute("transaction", qmp.Args{"actions": []json.RawMessage{bitmap("a"), bitmap("b")}}))
			require.NoError(t, execute("transaction", qmp.Args{"actions": []qmp.RawJSON{qmp.RawJSON(bitmap("c"))}}))
			require.NoError(t, execute("transaction", qmp.Args{"actions": []qemu.TransactionAction{
				{Branch: &qemu.BlockDirtyBitmap{Node: "n", Name: "a"}, Type: "block-dirty-bitmap-clear"},
			}}))
		})

		t.Run("nil pointer", func(t *testing.T) {
			device := func(id string, serial any) qmp.Args {
				return qmp.Args{"driver": "virtio-blk-pci", "id": id, "drive": "n", "share-rw": true, "serial": serial}
			}
			require.NoError(t, execute("device_add", device("b1", (*string)(nil))))
			if q.AtLeast(10, 0) {
				require.ErrorIs(t, execute("device_add", device("b2", nil)), qmp.ErrGeneric, "null is not nothing")
			}
		})
	})
}

// TestSecretsOnQEMU looks for secrets in logs, traces and errors of commands and of a QEMU's
// answers.
func TestSecretsOnQEMU(t *testing.T) {
	qemutest.Run(t, []string{"5.2", "7.2", "10.0", "11.1"}, func(t *testing.T, q *qemutest.QEMU) {
		var tr tracer
		ctx := limit(t)
		c, err := qmp.Dial(ctx, q.Start(t, qemutest.Config{Machine: "pc"}).Socket(), tr.options())
		require.NoError(t, err)
		defer c.Close()
		execute := func(command string, args qmp.Args) (result qmp.RawJSON, err error) {
			err = c.Execute(ctx, &qmp.Call{Command: command, Args: args, Result: func(d *wire.Decoder) { result = d.Raw() }})
			return result, err
		}

		_, err = execute("object-add", qmp.Args{"qom-type": "secret", "id": "s", "data": "geheim"})
		require.NoError(t, err)
		data, err := execute("qom-get", qmp.Args{"path": "/objects/s", "property": "data"})
		require.NoError(t, err)
		require.Equal(t, `"geheim"`, data.String())
		_, err = qemu.HumanMonitorCommand{CommandLine: "object_add secret,id=s2,data=geheim"}.Do(ctx, c)
		require.NoError(t, err)
		line, err := qemu.HumanMonitorCommand{CommandLine: "qom-get /objects/s2 data"}.Do(ctx, c)
		require.NoError(t, err)
		require.Contains(t, line, "geheim")
		_, err = execute("device_add", qmp.Args{"driver": "virtio-rng-pci", "password": "geheim"})
		require.ErrorIs(t, err, qmp.ErrGeneric)

		// A QEMU repeats the filename.
		for _, filename := range []string{"/geheim/d", `json:{"driver": "file", "filename": "/x", "cookie": "geheim"}`, "file:/x/http://u:geheim@h"} {
			_, err = execute("blockdev-snapshot-sync", qmp.Args{"node-name": "n", "snapshot-file": filename})
			require.ErrorIs(t, err, qmp.ErrGeneric)
			_, err = execute("blockdev-add", qmp.Args{"driver": "qcow2", "node-name": "o", "file": qmp.Args{"driver": "null-co"},
				"backing": qmp.Args{"driver": "file", "filename": filename}})
			require.ErrorIs(t, err, qmp.ErrGeneric)
			if filename[0] != '/' {
				require.NotContains(t, err.Error(), "geheim")
			}
		}
		for line := range strings.Lines(tr.text()) {
			if !strings.Contains(line, "/geheim/d") { // which is no secret, and shows that this can be found
				require.NotContains(t, line, "geheim")
			}
		}
		require.Contains(t, tr.text(), "/geheim/d")
	})
}
