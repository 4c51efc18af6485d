package qemu_test

import (
	"cmp"
	"context"
	"encoding/json"
	"math"
	"reflect"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

// requests holds the arguments of commands beside the bytes that go over the wire, written by
// hand.
var requests = []struct {
	name    string
	request any
	wire    string
}{
	{"one member", qemu.DeviceDel{ID: "disk1"}, `{"id":"disk1"}`},
	{"empty string is sent", qemu.DeviceDel{}, `{"id":""}`},
	{"escapes", qemu.DeviceDel{ID: "a\"b\\c\n\x01é€😀"}, `{"id":"a\"b\\c\n\u0001é€😀"}`},
	{"optional absent", qemu.Eject{}, `{}`},
	{"optional present", qemu.Eject{ID: new("cd0"), Force: new(false)}, `{"id":"cd0","force":false}`},
	{"integer", qemu.BlockResize{NodeName: new("disk1"), Size: 1 << 40}, `{"node-name":"disk1","size":1099511627776}`},
	{"negative integer", qemu.BlockResize{Size: -1}, `{"size":-1}`},
	{"least integer", qemu.BlockResize{Size: math.MinInt64}, `{"size":-9223372036854775808}`},
	{"greatest unsigned", qemu.SEVInjectLaunchSecret{PacketHeader: "aA==", Secret: "cw==", GPA: new(uint64(math.MaxUint64))},
		`{"packet-header":"aA==","secret":"cw==","gpa":18446744073709551615}`},
	{"enum", qemu.SetAction{Reboot: new(qemu.RebootActionShutdown)}, `{"reboot":"shutdown"}`},
	{"unknown enum value", qemu.SetAction{Panic: new(qemu.PanicAction("dance"))}, `{"panic":"dance"}`},
	{"getfd", qemu.GetFD{FDName: "tap0"}, `{"fdname":"tap0"}`},
	{"add-fd", qemu.AddFD{FDSetID: new(int64(0)), Opaque: new("disk")}, `{"fdset-id":0,"opaque":"disk"}`},
	{"device_add", qemu.DeviceAdd{
		Driver: "virtio-net-pci", ID: new("net1"), Bus: new("pci.0"),
		Props: qmp.Args{"netdev": "n1", "mq": true, "vectors": 10, "mac": "52:54:00:12:34:56", "romfile": ""},
	}, `{"driver":"virtio-net-pci","bus":"pci.0","id":"net1","mac":"52:54:00:12:34:56","mq":true,"netdev":"n1","romfile":"","vectors":10}`},
	{"device_add with values of every sort", qemu.DeviceAdd{Driver: "x", Props: qmp.Args{
		"a": qemu.RunStatePaused, "b": uint8(7), "c": 1.5, "d": []string{"x", "y"}, "e": qmp.Args{"k": nil},
		"f": []qmp.Args{{"queue": 1}}, "g": qmp.RawJSON(`[1]`), "h": qemu.UnixSocketAddress{Path: "/s"},
	}}, `{"driver":"x","a":"paused","b":7,"c":1.5,"d":["x","y"],"e":{"k":null},"f":[{"queue":1}],"g":[1],"h":{"path":"/s"}}`},
	{"blockdev-add of a file", qemu.BlockdevAdd{
		Driver: qemu.BlockdevDriverFile, NodeName: new("d0"),
		Cache:  &qemu.BlockdevCacheOptions{Direct: new(true)},
		Branch: &qemu.BlockdevOptionsFile{Filename: "/dev/fdset/0", AIO: new(qemu.BlockdevAIOOptionsNative)},
	}, `{"driver":"file","node-name":"d0","cache":{"direct":true},"filename":"/dev/fdset/0","aio":"native"}`},
	{"the type that serves several drivers", qemu.BlockdevAdd{
		Driver: qemu.BlockdevDriverHostDevice,
		Branch: &qemu.BlockdevOptionsFile{Filename: "/dev/sda"},
	}, `{"driver":"host_device","filename":"/dev/sda"}`},
	{"discriminator filled in", qemu.BlockdevAdd{
		NodeName: new("d1"),
		Branch: &qemu.BlockdevOptionsQcow2{File: qemu.BlockdevRef{Definition: &qemu.BlockdevOptions{
			Driver: qemu.BlockdevDriverFile, Branch: &qemu.BlockdevOptionsFile{Filename: "/a.qcow2"},
		}}},
	}, `{"driver":"qcow2","node-name":"d1","file":{"driver":"file","filename":"/a.qcow2"}}`},
	{"alternate by name, and null", qemu.BlockdevAdd{
		Branch: &qemu.BlockdevOptionsQcow2{
			File:    qemu.BlockdevRef{Reference: new("proto")},
			Backing: &qemu.BlockdevRefOrNull{Null: &qmp.Null{}},
		},
	}, `{"driver":"qcow2","file":"proto","backing":null}`},
	{"branch that is not known", qemu.BlockdevAdd{
		Driver: "teleport", Branch: &qemu.RawBranch{Members: qmp.Args{"to": "mars", "depth": 3}},
	}, `{"driver":"teleport","depth":3,"to":"mars"}`},
	{"nil branch", qemu.BlockdevAdd{Driver: qemu.BlockdevDriverFile}, `{"driver":"file"}`},
	{"conversion from the argument's type", qemu.BlockdevAdd(qemu.BlockdevOptions{Driver: "null-co",
		Branch: &qemu.BlockdevOptionsNull{Size: new(int64(512))}}), `{"driver":"null-co","size":512}`},
	{"netdev_add", qemu.NetdevAdd{ID: "n0", Branch: &qemu.NetdevTapOptions{FDs: new("a:b"), Vhost: new(true)}},
		`{"id":"n0","type":"tap","fds":"a:b","vhost":true}`},
	{"object-add", qemu.ObjectAdd{ID: "s0", Branch: &qemu.SecretProperties{Data: new("geheim")}},
		`{"qom-type":"secret","id":"s0","data":"geheim"}`},
	{"branch that is a union", qemu.Migrate{Channels: []qemu.MigrationChannel{{
		ChannelType: qemu.MigrationChannelTypeMain,
		Addr: qemu.MigrationAddress{Transport: qemu.MigrationAddressTypeSocket, Branch: &qemu.SocketAddress{
			Branch: &qemu.UnixSocketAddress{Path: "/m.sock"},
		}},
	}}}, `{"channels":[{"channel-type":"main","addr":{"transport":"socket","type":"unix","path":"/m.sock"}}]}`},
	{"empty optional array", qemu.Migrate{Channels: []qemu.MigrationChannel{}}, `{"channels":[]}`},
	{"absent array that is not optional", qemu.MigrateSetCapabilities{}, `{"capabilities":[]}`},
	{"one type for type and command", qemu.MigrateSetParameters{MaxBandwidth: new(uint64(1 << 30)), TLSCreds: &qemu.StrOrNull{N: &qmp.Null{}}},
		`{"tls-creds":null,"max-bandwidth":1073741824}`},
	{"any", qemu.QOMSet{Path: "/objects/x", Property: "size", Value: qmp.RawJSON(`{"a":[1,null]}`)},
		`{"path":"/objects/x","property":"size","value":{"a":[1,null]}}`},
	{"any left zero", qemu.QOMSet{}, `{"path":"","property":"","value":null}`},
	{"set_password", qemu.SetPassword{Protocol: qemu.DisplayProtocolVNC, Password: "geheim"},
		`{"protocol":"vnc","password":"geheim"}`},
	{"transaction", qemu.Transaction{Actions: []qemu.TransactionAction{
		{Branch: &qemu.BlockdevSnapshot{Node: "a", Overlay: "b"}},
		{Type: qemu.TransactionActionKindAbort, Branch: &qemu.Abort{}},
	}}, `{"actions":[{"type":"blockdev-snapshot","data":{"node":"a","overlay":"b"}},{"type":"abort","data":{}}]}`},
	{"send-key", qemu.SendKey{Keys: []qemu.KeyValue{{Branch: new(qemu.QKeyCodeCtrl)}}},
		`{"keys":[{"type":"qcode","data":"ctrl"}]}`},
	{"float", qemu.InputSendEvent{Events: []qemu.InputEvent{}}, `{"events":[]}`},
	{"qmp_capabilities", qemu.QMPCapabilities{Enable: []qemu.QMPCapability{qemu.QMPCapabilityOOB}}, `{"enable":["oob"]}`},
	{"human monitor", qemu.HumanMonitorCommand{CommandLine: "info version"}, `{"command-line":"info version"}`},
	{"block-commit", qemu.BlockCommit{Device: "d", Speed: new(int64(0)), OnError: new(qemu.BlockdevOnErrorStop)},
		`{"device":"d","speed":0,"on-error":"stop"}`},
}

func TestRequestBytes(t *testing.T) {
	for _, r := range requests {
		t.Run(r.name, func(t *testing.T) {
			got, err := sent(r.request)
			require.NoError(t, err)
			require.Equal(t, r.wire, cmp.Or(string(got), "{}"))

			// The same is its JSON, and that of what is decoded from it.
			if r.name == "nil branch" {
				return // it is decoded with a branch, of which no member is there
			}
			text, err := json.Marshal(r.request)
			require.NoError(t, err)
			require.JSONEq(t, r.wire, string(text))
			again := reflect.New(reflect.TypeOf(r.request))
			require.NoError(t, json.Unmarshal(text, again.Interface()))
			got, err = sent(again.Elem().Interface())
			require.NoError(t, err)
			require.Equal(t, r.wire, cmp.Or(string(got), "{}"))
		})
	}
}

// sent returns the arguments that a request sends.
func sent(request any) (arguments []byte, err error) {
	out := reflect.ValueOf(request).MethodByName("Do").Call([]reflect.Value{
		reflect.ValueOf(context.Background()), reflect.ValueOf(executor(func(call *qmp.Call) (err error) {
			arguments, err = call.AppendArgs(nil)
			return err
		})),
	})
	err, _ = out[len(out)-1].Interface().(error)
	return arguments, err
}

// executor is a qmp.Executor.
type executor func(call *qmp.Call) error

func (x executor) Execute(_ context.Context, call *qmp.Call) error { return x(call) }

// TestSecretsAreHidden looks at what logs print.
func TestSecretsAreHidden(t *testing.T) {
	require.Equal(t, `{"protocol":"vnc","password":"***"}`,
		qemu.SetPassword{Protocol: qemu.DisplayProtocolVNC, Password: "geheim"}.String())
	require.Equal(t, `{"qom-type":"secret","id":"s0","data":"***"}`,
		qemu.ObjectAdd{ID: "s0", Branch: &qemu.SecretProperties{Data: new("geheim")}}.String())
}

func TestEncodeErrors(t *testing.T) {
	for _, c := range []struct {
		name    string
		request any
		path    string
	}{
		{"discriminator empty", qemu.BlockdevAdd{}, "driver"},
		{"discriminator empty and branch of several", qemu.BlockdevAdd{Branch: &qemu.BlockdevOptionsFile{}}, ""},
		{"discriminator disagrees", qemu.BlockdevAdd{Driver: "qcow2", Branch: &qemu.BlockdevOptionsFile{}}, ""},
		{"typed nil branch", qemu.BlockdevAdd{Driver: "file", Branch: (*qemu.BlockdevOptionsFile)(nil)}, ""},
		{"typed nil raw branch", qemu.BlockdevAdd{Driver: "new", Branch: (*qemu.RawBranch)(nil)}, ""},
		{"alternate with nothing set", qemu.BlockdevAdd{Branch: &qemu.BlockdevOptionsQcow2{}}, "file"},
		{"alternate with two set", qemu.BlockdevAdd{Branch: &qemu.BlockdevOptionsQcow2{File: qemu.BlockdevRef{
			Reference: new("a"), Definition: &qemu.BlockdevOptions{}}}}, "file"},
		{"not UTF-8, deep", qemu.BlockdevAdd{Branch: &qemu.BlockdevOptionsQcow2{File: qemu.BlockdevRef{
			Definition: &qemu.BlockdevOptions{Driver: "file", Branch: &qemu.BlockdevOptionsFile{Filename: "\xff"}}}}}, "file.filename"},
		{"property that is a member", qemu.DeviceAdd{Driver: "x", Props: qmp.Args{"driver": "y"}}, "driver"},
		{"property that is NaN", qemu.DeviceAdd{Driver: "x", Props: qmp.Args{"f": math.NaN()}}, "f"},
		{"raw branch repeats a member", qemu.BlockdevAdd{Driver: "new", Branch: &qemu.RawBranch{Members: qmp.Args{"driver": "x"}}}, "driver"},
		{"any that is not JSON", qemu.QOMSet{Value: qmp.RawJSON("{")}, "value"},
		{"in an array", qemu.Migrate{Channels: []qemu.MigrationChannel{{Addr: qemu.MigrationAddress{Transport: "exec"}}, {}}}, "channels[1].addr.transport"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := sent(c.request)
			var encode *qmp.EncodeError
			require.ErrorAs(t, err, &encode)
			require.ErrorIs(t, err, qmp.ErrNotSent)
			require.Equal(t, c.path, encode.Path, encode.Reason)
		})
	}
}
