package cmdline

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/internal/qemutest"
	"github.com/qmpkit/qmpkit/qapi/facts"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/introspect"
	"github.com/qmpkit/qmpkit/qmp/qmpschema"
)

// propertiesFrom asks a server for properties, as a shell does.
func propertiesFrom(client *qmp.Client) func(context.Context, Kind) ([]Value, error) {
	return func(ctx context.Context, kind Kind) ([]Value, error) {
		name, of := kind.Cut()
		command, ok := map[string]qmp.Raw{
			"device-property": {Command: "device-list-properties", Args: qmp.Args{"typename": of}},
			"object-property": {Command: "qom-list-properties", Args: qmp.Args{"typename": of}},
			"qom-property":    {Command: "qom-list", Args: qmp.Args{"path": of}},
		}[name]
		if !ok {
			return nil, nil
		}
		answer, err := command.Do(ctx, client)
		if err != nil {
			return nil, err
		}
		var properties []struct{ Name, Type, Description string }
		if err := json.Unmarshal(answer, &properties); err != nil {
			return nil, err
		}
		var values []Value
		for _, p := range properties {
			values = append(values, Value{Text: p.Name, Type: p.Type, Help: p.Description})
		}
		return values, nil
	}
}

// TestServers: QEMUs execute what a person types, and the properties get the values that were meant.
func TestServers(t *testing.T) {
	qemutest.Run(t, versions, func(t *testing.T, q *qemutest.QEMU) {
		client := q.Start(t, qemutest.Config{Machine: "pc", Args: []string{"-S"}}).Dial(t)
		s, err := qmpschema.Query(t.Context(), client)
		require.NoError(t, err)
		l := &Language{Schema: s, Facts: facts.QEMU(), Values: propertiesFrom(client)}
		do := func(line string) string {
			command, err := l.Parse(t.Context(), line)
			require.NoError(t, err, line)
			answer, err := command.Raw().Do(t.Context(), client)
			require.NoError(t, err, "%s: %s", line, command.Arguments())
			return answer.String()
		}
		do("object-add qom-type=iothread id=io")
		if q.AtLeast(6, 0) {
			do("object-add qom-type=memory-backend-ram id=m size=2M share=on")
		} else {
			do("object-add qom-type=memory-backend-ram id=m props.size=2M props.share=on")
		}
		do("blockdev-add driver=raw node-name=d size=512K file={driver: null-co, size: 1M}")
		do("block-dirty-bitmap-add node=d name=b granularity=64K")
		do("device_add driver=virtio-blk-pci id=v drive=d iothread=io addr=5 share-rw=on serial=123 bootindex=1 write-cache=auto disable-legacy=on logical_block_size=4K physical_block_size=4096")
		for property, want := range map[string]string{"addr": "40", "share-rw": "true", "serial": `"123"`, "bootindex": "1", "logical_block_size": "4096", "disable-legacy": `"on"`} {
			if property == "share-rw" || property == "serial" || property == "logical_block_size" {
				require.Equal(t, want, do("qom-get path=/machine/peripheral/v/virtio-backend property="+property), property)
				continue
			}
			require.Equal(t, want, do("qom-get path=/machine/peripheral/v property="+property), property)
		}
		do("qom-set path=/objects/io property=poll-max-ns value=0x10")
		require.Equal(t, "16", do("qom-get path=/objects/io property=poll-max-ns"))
		do("qom-set path=/machine/peripheral/v property=bootindex value=-1")
		do("device_add driver=virtio-net-pci id=n mac=52:54:00:00:00:01 mq=off addr=0x6.1 multifunction=off mrg_rxbuf=off")
		require.Equal(t, "49", do("qom-get path=/machine/peripheral/n property=addr"))
		require.Equal(t, "false", do("qom-get path=/machine/peripheral/n property=mrg_rxbuf"))

		_, err = l.Parse(t.Context(), "device_add driver=virtio-blk-pci drvie=d")
		require.EqualError(t, err, "column 34: virtio-blk-pci has no property drvie; did you mean drive?")
	})
}

// poison is a member that no command has. QEMU looks for such members last: it does not execute the request, and
// refuses it for whatever else is wrong first.
const poison = "zz-poison"

// TestServersTake: real servers find nothing wrong in what Parse takes.
func TestServersTake(t *testing.T) {
	qemutest.Run(t, versions, func(t *testing.T, q *qemutest.QEMU) {
		for name, client := range map[string]*qmp.Client{
			"qemu":    q.Start(t, qemutest.Config{}).Dial(t),
			"storage": q.StartStorage(t).Dial(t),
		} {
			s, err := qmpschema.Query(t.Context(), client)
			require.NoError(t, err)
			typist := &typist{Rand: rand.New(rand.NewPCG(20, 2)), Language: &Language{Schema: s, Values: someValues}}
			sent := 0
			for command := range s.Commands() {
				arguments, ok := s.Lookup(command.ArgType).(*introspect.Object)
				if !ok || (command.Name == "device_add" || command.Name == "object-add" || command.Name == "query-qmp-schema") && arguments.Tag == "" {
					continue // it takes any member
				}
				for range 4 {
					line := typist.line(t, command.Name)
					c, err := typist.Parse(t.Context(), line)
					if err != nil {
						continue
					}
					raw := c.Raw()
					raw.Args = maps.Clone(raw.Args)
					if raw.Args == nil {
						raw.Args = qmp.Args{}
					}
					raw.Args[poison] = 1
					_, err = raw.Do(t.Context(), client)
					refusal, ok := errors.AsType[*qmp.Error](err)
					require.True(t, ok, "%s: %v", line, err)
					sent++
					assert.Equal(t, "Parameter '"+poison+"' is unexpected", refusal.Desc, "%s\n%s", line, c.Arguments())
				}
			}
			t.Logf("%s: %d commands", name, sent)
		}
	})
}
