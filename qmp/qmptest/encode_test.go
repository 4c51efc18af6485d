package qmptest_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
	"github.com/qmpkit/qmpkit/qmp/qmptest"
)

// TestReplyWithGeneratedValues replies with values of types that a server sends only: the bytes are
// those of a server.
func TestReplyWithGeneratedValues(t *testing.T) {
	dimm := qemu.MemoryDeviceInfo{Type: "dimm", Branch: &qemu.PCDIMMDeviceInfo{ID: new("d0"), Size: 1 << 30, Memdev: "m0", Hotplugged: true}}
	const dimmText = `{"type":"dimm","data":{"id":"d0","addr":0,"size":1073741824,"slot":0,"node":0,"memdev":"m0","hotplugged":true,"hotpluggable":false}}`
	for name, test := range map[string]struct {
		value any
		want  string
	}{
		"zero":           {qemu.StatusInfo{Status: "paused"}, `{"running":false,"status":"paused"}`},
		"a union":        {dimm, dimmText},
		"in a slice":     {[]qemu.MemoryDeviceInfo{dimm}, `[` + dimmText + `]`},
		"a pointer":      {&dimm, dimmText},
		"in maps":        {map[string]any{"b": []any{dimm, 1}, "a": nil}, `{"a":null,"b":[` + dimmText + `,1]}`},
		"an empty slice": {[]qemu.MemoryDeviceInfo{}, `[]`},
		"a nil pointer":  {(*qemu.StatusInfo)(nil), `null`},
		"an unknown branch": {qemu.ImageInfoSpecific{Type: "new", Branch: &qemu.RawBranch{Members: qmp.Args{"speedy": true}}},
			`{"type":"new","speedy":true}`},
		"no branch": {qemu.SEVInfo{SEVType: "sev"},
			`{"enabled":false,"api-major":0,"api-minor":0,"build-id":0,"state":"","sev-type":"sev"}`},
		"an empty array of a mandatory member": {qemu.IOThreadInfo{}, `{"id":"","thread-id":0,"poll-max-ns":0,"poll-grow":0,"poll-shrink":0}`},
		"alternates": {[]qemu.Stats{{Name: "a", Value: qemu.StatsValue{Scalar: new(uint64(0))}}, {Name: "b", Value: qemu.StatsValue{Boolean: new(false)}},
			{Name: "c", Value: qemu.StatsValue{List: []uint64{}}}}, `[{"name":"a","value":0},{"name":"b","value":false},{"name":"c","value":[]}]`},
		"no discriminator": {qemu.SEVInfo{Branch: &qemu.RawBranch{Members: qmp.Args{"policy": 3}}},
			`{"enabled":false,"api-major":0,"api-minor":0,"build-id":0,"state":"","policy":3}`},
		"a type that is sent as well":     {qemu.SocketAddress{Type: "unix", Branch: &qemu.UnixSocketAddress{Path: "/s"}}, `{"type":"unix","path":"/s"}`},
		"a test's struct":                 {struct{ Devices []qemu.MemoryDeviceInfo }{[]qemu.MemoryDeviceInfo{dimm}}, `{"Devices":[` + dimmText + `]}`},
		"embedded":                        {struct{ qemu.StatusInfo }{}, `{"running":false,"status":""}`},
		"a mandatory array that is nil":   {qemu.FDSetInfo{}, `{"fdset-id":0,"fds":[]}`},
		"text that encoding/json escapes": {qemu.NameInfo{Name: new("<a&b>")}, `{"name":"<a&b>"}`},
	} {
		t.Run(name, func(t *testing.T) {
			s := qmptest.NewServer(t, nil)
			s.Expect("x").Reply(test.value)
			got, err := qmp.Raw{Command: "x"}.Do(t.Context(), s.Dial())
			require.NoError(t, err)
			require.Equal(t, test.want, string(got))
		})
	}
}

// TestReplyThatNoServerSends: Reply refuses values that would arrive as another value, and gives
// the reason.
func TestReplyThatNoServerSends(t *testing.T) {
	cycle := []any{qemu.StatusInfo{}, nil}
	cycle[1] = cycle
	for name, test := range map[string]struct {
		value any
		want  string
	}{
		"no discriminator": {[]qemu.MemoryDeviceInfo{{Branch: &qemu.PCDIMMDeviceInfo{}}},
			"discriminator is empty; the branch is for \"dimm\" or \"nvdimm\""},
		"nothing": {qemu.MemoryDeviceInfo{}, "discriminator is empty"},
		"another branch": {qemu.MemoryDeviceInfo{Type: "virtio-mem", Branch: &qemu.PCDIMMDeviceInfo{}},
			`discriminator "virtio-mem" disagrees with the branch, which is for "dimm" or "nvdimm"`},
		"a nil branch":   {qemu.MemoryDeviceInfo{Type: "dimm", Branch: (*qemu.PCDIMMDeviceInfo)(nil)}, "Branch holds a nil pointer"},
		"no alternative": {[]qemu.Stats{{Name: "a"}}, "exactly one of Scalar, Boolean, List, Other must be set"},
		"two alternatives": {qemu.Stats{Value: qemu.StatsValue{Scalar: new(uint64(1)), List: []uint64{1}}},
			"exactly one of Scalar, Boolean, List, Other must be set"},
		"no UTF-8": {qemu.MemoryDeviceInfo{Type: "dimm", Branch: &qemu.PCDIMMDeviceInfo{Memdev: "\xff"}},
			"data.memdev: string is not valid UTF-8"},
		"a cycle": {cycle, "encountered a cycle"},
	} {
		t.Run(name, func(t *testing.T) {
			for _, event := range []bool{false, true} {
				f := newFakeTest(t)
				s := qmptest.NewServer(f, nil)
				s.Handle("x", qmptest.Return(test.value))
				c := s.Dial()
				if event {
					s.Event("X", test.value)
				} else {
					_, err := qmp.Raw{Command: "x"}.Do(t.Context(), c)
					require.Error(t, err)
				}
				errs := f.end()
				require.Len(t, errs, 1)
				require.Contains(t, errs[0], test.want)
			}
		})
	}
}

// TestEventWithGeneratedValue sends an event with a union.
func TestEventWithGeneratedValue(t *testing.T) {
	want := qemu.GuestPanickedEvent{Action: "pause", Info: &qemu.GuestPanicInformation{
		Type: "hyper-v", Branch: &qemu.GuestPanicInformationHyperV{Arg1: 7},
	}}
	s := qmptest.NewServer(t, nil)
	panicked := qmp.Subscribe[qemu.GuestPanickedEvent](s.Dial())
	defer panicked.Close()
	s.Event(qemu.EventGuestPanicked, want)
	got, err := panicked.Next(t.Context())
	require.NoError(t, err)
	require.Equal(t, want, got.Data)
}

// TestDecodeGenerated decodes arguments into requests. Unknown arguments at any depth are an error.
func TestDecodeGenerated(t *testing.T) {
	for args, want := range map[string]string{
		`{"driver":"qcow2","node-name":"n","file":{"driver":"file","filename":"/a"}}`:                          "",
		`{"driver":"qcow2","node-name":"n","file":{"driver":"file","filename":"/a","speed":9}}`:                `unknown argument "speed"`,
		`{"driver":"qcow2","node-name":"n","file":{"driver":"file","filename":"/a"},"new":null}`:               `unknown argument "new"`,
		`{"driver":"file","filename":"/a","filename":"/b"}`:                                                    "repeated member",
		`{"driver":"quorum","vote-threshold":1,"children":["a",{"driver":"null-co","latency-ns":1,"x":[{}]}]}`: `unknown argument "x"`,
	} {
		var got qemu.BlockdevAdd
		err := (&qmptest.Request{Arguments: []byte(args)}).Decode(&got)
		if want == "" {
			require.NoError(t, err, args)
			require.Equal(t, "/a", got.Branch.(*qemu.BlockdevOptionsQcow2).File.Definition.Branch.(*qemu.BlockdevOptionsFile).Filename)
		} else {
			require.ErrorContains(t, err, want, args)
		}
	}
}
