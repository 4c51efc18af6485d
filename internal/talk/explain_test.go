package talk_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/internal/qemutest"
	"github.com/qmpkit/qmpkit/internal/talk"
	"github.com/qmpkit/qmpkit/qmp"
)

// explain returns the remarks about each message of a log, except those of the level note if the log has others.
func explain(t *testing.T, x *talk.Explainer, log string) (remarks []string) {
	for e, err := range talk.Join(talk.Read(strings.NewReader(log))) {
		require.NoError(t, err)
		for _, r := range x.Explain(e) {
			remarks = append(remarks, r.String())
		}
	}
	return remarks
}

func version(major, minor int) qmp.Version { return qmp.Version{Major: major, Minor: minor} }

func TestExplain(t *testing.T) {
	for _, test := range []struct {
		name    string
		version qmp.Version
		log     string
		want    []string
	}{
		{"member", version(5, 2), `{"execute":"blockdev-add","arguments":{"driver":"file","node-name":"n","filename":"x","aio":"io_uring","drop-cache":true}}`, []string{
			"blockdev-add: command of block-core, since QEMU 2.9",
			"blockdev-add/arg-type/+file/aio/^io_uring: since QEMU 5.0",
			"blockdev-add/arg-type/+file/drop-cache: since QEMU 4.0",
		}},
		{"newer member", version(7, 2), `{"execute":"block-export-add","arguments":{"type":"nbd","id":"e","node-name":"n","iothread":["a"]}}`, []string{
			"block-export-add: command of block-export, since QEMU 5.2",
			"fault: the schema of a QEMU 7.2 refuses it: Invalid parameter type for 'iothread', expected: string",
		}},
		{"newer value", version(5, 2), `{"execute":"blockdev-add","arguments":{"driver":"virtio-blk-vhost-user","node-name":"n","path":"x"}}`, []string{
			"blockdev-add: command of block-core, since QEMU 2.9",
			"fault: blockdev-add/arg-type/driver/^virtio-blk-vhost-user: QEMU 5.2 does not have it: since QEMU 7.2",
			"fault: the schema of a QEMU 5.2 refuses it: Invalid parameter 'virtio-blk-vhost-user'",
		}},
		{"missing member", version(10, 0), `{"execute":"device_del"}`, []string{
			"device_del: command of qdev, since QEMU 0.14",
			"fault: the schema of a QEMU 10.0 refuses it: Parameter 'id' is missing",
		}},
		{"unknown member", version(11, 1), `{"execute":"query-status","arguments":{"x/y":1,"verbose":true}}`, []string{
			"query-status: command of run-state, since QEMU 0.14",
			"fault: query-status/arg-type/verbose: no known version has this member",
			"fault: the schema of a QEMU 11.1 refuses it: Parameter 'x/y' is unexpected",
		}},
		{"removed command", version(7, 2), `{"execute":"change","arguments":{"device":"d","target":"t"},"id":1}{"error":{"class":"CommandNotFound","desc":"The command change has not been found"},"id":1}`, []string{
			"change: command of misc, since QEMU 0.14",
			"fault: change: QEMU 7.2 does not have it: removed in QEMU 6.0; use blockdev-change-medium",
			"fault: change: QEMU 7.2 does not have it: removed in QEMU 6.0; use blockdev-change-medium",
		}},
		{"value that was a string", version(5, 2), `{"execute":"set_password","arguments":{"protocol":"vnc","password":"x"}}`, []string{
			"set_password: command of ui, since QEMU 0.14",
		}},
		{"properties", version(10, 0), `{"execute":"device_add","arguments":{"driver":"virtio-blk","drive":"d","anything":1}}`, []string{
			"device_add: command of qdev, since QEMU 0.13",
		}},
		{"executed", version(10, 0), `{"execute":"cont","id":1}{"id":1,"error":{"class":"GenericError","desc":"x"}}`, []string{
			"cont: command of misc, since QEMU 0.14",
			"the request fits the schema: the server refused it when it executed it",
		}},
		{"hidden", version(10, 0), `{"execute":"send-key","arguments":{"keys":[{"type":"qcode","data":"a"}]}}`, []string{
			"send-key: command of ui, since QEMU 1.3",
			"the schema cannot check the request, because values are hidden",
		}},
		{"agent", qmp.Version{}, `{"execute":"guest-exec","arguments":{"path":"x","capture-output":"merged"}}`, []string{
			"guest-exec: command of the guest agent, since QEMU 2.5",
			"guest-exec/arg-type/capture-output/^merged: since QEMU 8.1",
		}},
		{"deprecated", version(10, 0), `{"execute":"block-commit","arguments":{"device":"d","base":"b"}}`, []string{
			"block-commit: command of block-core, since QEMU 1.3",
			"warning: block-commit/arg-type/base: deprecated since QEMU 3.1; use base-node",
		}},
		{"removed later", version(5, 2), `{"execute":"migrate","arguments":{"uri":"tcp:x","blk":true}}`, []string{
			"migrate: command of migration, since QEMU 0.14",
			"warning: migrate/arg-type/blk: removed in QEMU 9.1; use blockdev-mirror",
		}},
		{"not a message", qmp.Version{}, `{"exec":"stop"} [1] {"execute":stop}`, []string{
			"fault: this is not a message of the protocol: its members are exec",
			"fault: this is not a message of the protocol, but another value of JSON",
			"fault: this is not JSON: invalid character 's' looking for beginning of value",
		}},
		{"too early", version(10, 0), `{"execute":"stop"}{"error":{"class":"CommandNotFound","desc":"Expecting capabilities negotiation with 'qmp_capabilities'"}}`, []string{
			"stop: command of misc, since QEMU 0.14",
			"fault: the client must send qmp_capabilities first",
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := explain(t, &talk.Explainer{Version: test.version}, test.log)
			require.Equal(t, test.want, got)
		})
	}
}

// TestExplainAsServed records requests that each QEMU refuses. The schema, captured and that of the server, refuses them
// with the same words.
func TestExplainAsServed(t *testing.T) {
	requests := []qmp.Raw{
		{Command: "device_del"},
		{Command: "nope"},
		{Command: "query-status", Args: qmp.Args{"x": 1}},
		{Command: "blockdev-add", Args: qmp.Args{"driver": "file", "node-name": 1}},
		{Command: "blockdev-add", Args: qmp.Args{"driver": "no-such"}},
		{Command: "screendump", Args: qmp.Args{"filename": 3}},
	}
	qemutest.Run(t, qemutest.Versions, func(t *testing.T, q *qemutest.QEMU) {
		vm := q.Start(t, qemutest.Config{})
		var f file
		r := talk.NewRecorder(&f)
		conn, err := r.Conn(dial(t, vm.Sockets[0]))
		require.NoError(t, err)
		c, err := qmp.NewClient(t.Context(), conn, nil)
		require.NoError(t, err)
		for range 2 {
			for _, request := range requests {
				_, err := request.Do(t.Context(), c)
				var refused *qmp.Error
				require.ErrorAs(t, err, &refused)
			}
			_, err = qmp.Raw{Command: "query-qmp-schema"}.Do(t.Context(), c)
			require.NoError(t, err)
		}
		require.NoError(t, c.Close())
		require.NoError(t, r.Close())

		var x talk.Explainer
		refusals := 0
		for _, e := range f.entries(t) {
			remarks := x.Explain(e)
			if e.Kind != talk.Refusal {
				continue
			}
			var b bytes.Buffer
			for _, r := range remarks {
				b.WriteString(r.String() + "\n")
			}
			schema := "the schema of a QEMU " + q.Release()
			if refusals >= len(requests) {
				schema = "the server's schema"
			}
			require.Contains(t, b.String(), schema+" refuses it: "+e.Desc)
			refusals++
		}
		require.Equal(t, 2*len(requests), refusals)
	})
}
