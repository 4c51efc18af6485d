package qom_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
	"github.com/qmpkit/qmpkit/qmp/qmptest"
	"github.com/qmpkit/qmpkit/qom"
)

// TestDecode: a value that the type does not hold is an error, and no zero value.
func TestDecode(t *testing.T) {
	t.Parallel()
	s := qmptest.NewServer(t, nil)
	c := s.Dial()
	answer := func(text string) { s.Handle("qom-get", qmptest.Return(json.RawMessage(text))) }
	fails := func(text string, get func() error) {
		t.Helper()
		answer(text)
		var wrong *qmp.DecodeError
		require.ErrorAs(t, get(), &wrong)
		require.True(t, qmp.MayHaveExecuted(wrong), "the command succeeded")
	}
	fails(`"5"`, func() error { _, err := qom.Get[int](t.Context(), c, "/a", "b"); return err })
	fails(`256`, func() error { _, err := qom.Get[uint8](t.Context(), c, "/a", "b"); return err })
	fails(`-1`, func() error { _, err := qom.Get[uint64](t.Context(), c, "/a", "b"); return err })
	fails(`1.5`, func() error { _, err := qom.Get[int64](t.Context(), c, "/a", "b"); return err })
	fails(`null`, func() error { _, err := qom.Get[string](t.Context(), c, "/a", "b"); return err })
	fails(`[1]`, func() error { _, err := qom.Get[[]string](t.Context(), c, "/a", "b"); return err })
	fails(`true`, func() error {
		_, has, err := qom.Lookup[string](t.Context(), c, "/a", "b")
		require.True(t, has)
		return err
	})

	type pair struct {
		A int `json:"a"`
		B int `json:"b"`
	}
	answer(`{"a":1,"b":"x"}`)
	part, err := qom.Get[pair](t.Context(), c, "/a", "b")
	require.Error(t, err)
	require.Zero(t, part, "no part of a value")

	answer(`{"a":[18446744073709551615,null]}`)
	same[any](t, c, "/a", "b", qmp.Args{"a": []any{uint64(math.MaxUint64), nil}})
	same(t, c, "/a", "b", map[string]any{"a": []any{uint64(math.MaxUint64), nil}})
	fails(`[1]`, func() error { _, err := qom.Get[map[string]any](t.Context(), c, "/a", "b"); return err })
	fails(`null`, func() error { _, err := qom.Get[map[string]any](t.Context(), c, "/a", "b"); return err })
	fails(`{}`, func() error { _, err := qom.Get[[]any](t.Context(), c, "/a", "b"); return err })
	answer(`[5]`)
	same(t, c, "/a", "b", []any{5})
	answer(`null`)
	same[*string](t, c, "/a", "b", nil)
	same(t, c, "/a", "b", qmp.RawJSON("null"))
}

// TestSetEncodes: values that cannot be sent are not sent, others arrive as QEMU takes them.
func TestSetEncodes(t *testing.T) {
	t.Parallel()
	s := qmptest.NewServer(t, nil)
	c := s.Dial()
	set := func(value any) error { return qom.Set(t.Context(), c, "/a", "b", value) }
	for _, value := range []any{math.NaN(), "\xff", []byte("x"), (*int)(nil), make(chan int)} {
		err := set(value)
		var wrong *qmp.EncodeError
		require.ErrorAs(t, err, &wrong)
		require.ErrorIs(t, err, qmp.ErrNotSent)
	}
	require.Empty(t, s.Requests())

	for text, value := range map[string]any{
		`18446744073709551615`: uint64(math.MaxUint64),
		`"bind"`:               qemu.HostMemPolicyBind,
		`[0,1]`:                []uint16{0, 1},
		`{"cpus":2}`:           qemu.SMPConfiguration{CPUs: new(int64(2))},
		`"a}\"é"`:              "a}\"é",
		`{"x":1}`:              qmp.RawJSON(`{"x": 1}`),
		`null`:                 nil,
	} {
		s.Expect("qom-set").With(json.RawMessage(`{"path":"/a","property":"b","value":` + text + `}`))
		require.NoError(t, set(value), text)
	}
}

// TestLookFails: a refusal stays a refusal if nobody can look for its reason, and a server without the commands says so.
func TestLookFails(t *testing.T) {
	t.Parallel()
	s := qmptest.NewServer(t, nil)
	c := s.Dial()
	_, err := qom.Get[int](t.Context(), c, "/a", "b")
	require.ErrorIs(t, err, errors.ErrUnsupported)
	require.Len(t, s.Requests(), 1)

	s.Handle("qom-get", qmptest.Refuse(qmp.ErrGeneric, "no"))
	s.Handle("qom-list", qmptest.NoReply)
	ctx, cancel := context.WithCancel(t.Context())
	x := executor(func(ctx context.Context, call *qmp.Call) error {
		if call.Command == "qom-list" {
			cancel()
		}
		return c.Execute(ctx, call)
	})
	_, err = qom.Get[int](ctx, x, "/a", "b")
	var answer *qmp.Error
	require.ErrorAs(t, err, &answer)
	require.ErrorContains(t, err, "the reason is unknown")
	require.False(t, qmp.MayHaveExecuted(err))
	for _, sentinel := range []error{qom.ErrNoObject, qom.ErrNoProperty, qom.ErrRefused} {
		require.NotErrorIs(t, err, sentinel)
	}
}

// An executor is a function that executes commands, of a server that nobody knows.
type executor func(ctx context.Context, call *qmp.Call) error

func (x executor) Execute(ctx context.Context, call *qmp.Call) error { return x(ctx, call) }

// A tree is a fake of QEMU's objects: the types of children, by path. Each object also has a property "type".
type tree map[string]string

func (tree tree) serve(s *qmptest.Server, listGet bool) {
	list := func(path string) (all []qemu.ObjectPropertyValue, err error) {
		if _, ok := tree[path]; !ok {
			return nil, &qmp.Error{Class: qmp.ErrDeviceNotFound}
		}
		all = append(all, qemu.ObjectPropertyValue{Name: "type", Type: "string", Value: qmp.RawJSON(`"` + tree[path] + `"`)})
		for child, kind := range tree {
			if name, ok := strings.CutPrefix(child, path+"/"); ok && !strings.Contains(name, "/") {
				all = append(all, qemu.ObjectPropertyValue{Name: name, Type: "child<" + kind + ">", Value: qmp.RawJSON(`"` + child + `"`)})
			}
		}
		return all, nil
	}
	s.Handle("qom-list", func(r *qmptest.Request) (any, error) {
		all, err := list(argument[qemu.QOMList](r).Path)
		infos := []qemu.ObjectPropertyInfo{}
		for _, p := range all {
			infos = append(infos, qemu.ObjectPropertyInfo{Name: p.Name, Type: p.Type})
		}
		return infos, err
	})
	s.Handle("qom-get", func(r *qmptest.Request) (any, error) {
		get := argument[qemu.QOMGet](r)
		all, err := list(get.Path)
		for _, p := range all {
			if p.Name == get.Property {
				return p.Value, nil
			}
		}
		if err == nil {
			err = errors.New("no such property")
		}
		return nil, err
	})
	if listGet {
		s.Handle("qom-list-get", func(r *qmptest.Request) (any, error) {
			all, err := list(argument[qemu.QOMListGet](r).Paths[0])
			return []qemu.ObjectPropertiesValues{{Properties: all}}, err
		})
	}
}

// argument returns the arguments of a request.
func argument[T any](r *qmptest.Request) (args T) {
	if err := json.Unmarshal(r.Arguments, &args); err != nil {
		panic(err)
	}
	return args
}

// TestWalkFaults: objects that are removed during a walk are left out, other errors end it, and so does a loop that breaks or
// a context that ends.
func TestWalkFaults(t *testing.T) {
	t.Parallel()
	all := tree{"/m": "machine", "/m/a": "x", "/m/a/1": "y", "/m/a/2": "y", "/m/b": "x"}
	for i := range 50 {
		all[fmt.Sprintf("/m/b/%d", i)] = "z"
	}
	for _, listGet := range []bool{false, true} {
		walks := map[string]func(context.Context, qmp.Executor) (int, error){
			"names": func(ctx context.Context, x qmp.Executor) (n int, err error) {
				for _, err := range qom.Walk(ctx, x, "/m") {
					if err != nil {
						return n, err
					}
					n++
				}
				return n, nil
			},
			"values": func(ctx context.Context, x qmp.Executor) (n int, err error) {
				for _, err := range qom.WalkValues(ctx, x, "/m") {
					if err != nil {
						return n, err
					}
					n++
				}
				return n, nil
			},
		}
		for name, walk := range walks {
			t.Run(fmt.Sprint(name, listGet), func(t *testing.T) {
				t.Parallel()
				s := qmptest.NewServer(t, nil)
				all.serve(s, listGet)
				c := s.Dial()
				n, err := walk(t.Context(), c)
				require.NoError(t, err)
				require.Equal(t, len(all), n)

				faulty := func(fault func(ctx context.Context, call *qmp.Call) error) qmp.Executor {
					return executor(func(ctx context.Context, call *qmp.Call) error {
						args, err := call.AppendArgs(nil)
						if err != nil {
							return err
						}
						if strings.Contains(string(args), `"/m/a/1"`) {
							return fault(ctx, call)
						}
						return c.Execute(ctx, call)
					})
				}
				n, err = walk(t.Context(), faulty(func(_ context.Context, call *qmp.Call) error {
					return &qmp.Error{Command: call.Command, Class: qmp.ErrDeviceNotFound}
				}))
				require.NoError(t, err)
				require.Equal(t, len(all)-1, n)

				_, err = walk(t.Context(), faulty(func(context.Context, *qmp.Call) error { return qmp.ErrOutcomeUnknown }))
				require.ErrorIs(t, err, qmp.ErrOutcomeUnknown)

				ctx, cancel := context.WithCancel(t.Context())
				_, err = walk(ctx, faulty(func(ctx context.Context, call *qmp.Call) error {
					cancel()
					return c.Execute(ctx, call)
				}))
				require.ErrorIs(t, err, context.Canceled)
			})
		}
	}
}

// TestListGetAnswers: a wrong number of objects is an error.
func TestListGetAnswers(t *testing.T) {
	t.Parallel()
	s := qmptest.NewServer(t, nil)
	s.Handle("qom-list-get", qmptest.Return([]qemu.ObjectPropertiesValues{}))
	_, err := qom.ListValues(t.Context(), s.Dial(), "/a")
	var wrong *qmp.DecodeError
	require.ErrorAs(t, err, &wrong)

	s = qmptest.NewServer(t, nil)
	s.Handle("qom-list-get", qmptest.Return([]qemu.ObjectPropertiesValues{{Properties: []qemu.ObjectPropertyValue{
		{Name: "bus", Type: "link<bus>", Value: qmp.RawJSON("1")},
	}}}))
	_, err = qom.Links(t.Context(), s.Dial(), "/a")
	require.ErrorAs(t, err, &wrong)
}

// TestObjectGoesWhileListed: with one command for each property, an object that is removed in between is missing.
func TestObjectGoesWhileListed(t *testing.T) {
	t.Parallel()
	s := qmptest.NewServer(t, nil)
	tree{"/m": "machine"}.serve(s, false)
	s.Handle("qom-get", qmptest.Refuse(qmp.ErrDeviceNotFound, "gone"))
	_, err := qom.ListValues(t.Context(), s.Dial(), "/m")
	require.ErrorIs(t, err, qom.ErrNoObject)
}

// TestBalloonInTime: Balloon turns the polling on, waits for a new report, and takes the last one if QEMU polls already.
func TestBalloonInTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var interval, updated atomic.Int64
		updated.Store(1000)
		s := qmptest.NewServer(t, nil)
		s.Handle("qom-list", qmptest.Return([]qemu.ObjectPropertyInfo{{Name: "guest-stats-polling-interval", Type: "int"}}))
		s.Handle("qom-get", func(r *qmptest.Request) (any, error) {
			if argument[qemu.QOMGet](r).Property == "guest-stats-polling-interval" {
				return interval.Load(), nil
			}
			return map[string]any{"last-update": updated.Load(), "stats": map[string]uint64{
				"stat-free-memory": 7, "stat-swap-in": math.MaxUint64, "stat-of-tomorrow": 3, "stat-oom-kills": 0,
			}}, nil
		})
		s.Handle("qom-set", func(r *qmptest.Request) (any, error) {
			if interval.Store(10); string(argument[qemu.QOMSet](r).Value) != "10" {
				return nil, errors.New("want 10")
			}
			time.AfterFunc(time.Minute, func() { updated.Add(1) })
			return nil, nil
		})
		c, err := qmp.NewClient(t.Context(), s.Pipe(), nil)
		require.NoError(t, err)
		defer c.Close()

		begun := time.Now()
		stats, err := qom.Balloon(t.Context(), c, "/b", 10*time.Second)
		require.NoError(t, err)
		require.InDelta(t, time.Minute, time.Since(begun), float64(time.Second))
		require.Equal(t, time.Unix(1001, 0), stats.Updated)
		require.Equal(t, map[string]uint64{"stat-free-memory": 7, "stat-of-tomorrow": 3, "stat-oom-kills": 0}, stats.Reported)
		require.EqualValues(t, 7, *stats.Free)
		require.Nil(t, stats.SwapIn)
		require.EqualValues(t, 0, *stats.OOMKills)

		begun = time.Now()
		_, err = qom.Balloon(t.Context(), c, "/b", time.Second)
		require.NoError(t, err)
		require.Zero(t, time.Since(begun))

		updated.Store(0) // a new guest, which never reports
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Hour, errors.New("too slow"))
		defer cancel()
		_, err = qom.Balloon(ctx, c, "/b", time.Second)
		require.ErrorIs(t, err, qom.ErrNoStats)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.ErrorContains(t, err, "too slow")

		for _, wrong := range []time.Duration{0, -time.Second, 1500 * time.Millisecond} {
			_, err = qom.Balloon(t.Context(), c, "/b", wrong)
			require.ErrorContains(t, err, "whole seconds")
		}
		s.Handle("qom-get", qmptest.Refuse(qmp.ErrGeneric, "no property"))
		_, err = qom.Balloon(t.Context(), c, "/b", time.Second)
		require.ErrorIs(t, err, qom.ErrRefused)
		s.Handle("qom-get", qmptest.Return(0))
		_, err = qom.Balloon(t.Context(), c, "/b", time.Second)
		var undecoded *qmp.DecodeError
		require.ErrorAs(t, err, &undecoded)
	})
}

// TestPlaceFaults: FindPCI returns the error of each of its commands, and leaves numbers out that are not certain.
func TestPlaceFaults(t *testing.T) {
	t.Parallel()
	properties := map[string]any{
		"/machine/peripheral/d type": "rng", "/machine/peripheral/d parent_bus": "/u/b", "/machine/peripheral/d addr": 8,
		"/u/b type": "PCI", "/u parent_bus": "/h/pci.0", "/u addr": 0, "/h/pci.0 type": "PCI", "/h parent_bus": "",
	}
	device := qemu.PCIDeviceInfo{Bus: 5, Slot: 1, QdevID: "other"}
	roots := []qemu.PCIInfo{
		{Devices: []qemu.PCIDeviceInfo{{Bus: 0, PCIBridge: &qemu.PCIBridgeInfo{Devices: []qemu.PCIDeviceInfo{device}}}}},
		{Devices: []qemu.PCIDeviceInfo{{Bus: 4}}},
	}
	s := qmptest.NewServer(t, nil)
	s.Handle("qom-get", func(r *qmptest.Request) (any, error) {
		get := argument[qemu.QOMGet](r)
		if value, ok := properties[get.Path+" "+get.Property]; ok {
			return value, nil
		}
		return nil, errors.New("no such property")
	})
	s.Handle("qom-list-types", qmptest.Return([]qemu.ObjectTypeInfo{{Name: "PCI"}}))
	s.Handle("query-pci", qmptest.Return(roots))
	c := s.Dial()

	place, err := qom.FindPCI(t.Context(), c, qom.DevicePath("d"))
	require.NoError(t, err)
	require.Equal(t, "pci.0/00.0/01.0", place.String())
	_, ok := place.Sysfs()
	require.False(t, ok, "both roots have the bridge, and neither the device")
	_, ok = place.Address()
	require.False(t, ok)
	device.QdevID = "d"
	roots[0].Devices[0].PCIBridge.Devices[0] = device
	s.Handle("query-pci", qmptest.Return(roots))
	place, err = qom.FindPCI(t.Context(), c, qom.DevicePath("d"))
	require.NoError(t, err)
	address, ok := place.Address()
	require.True(t, ok)
	require.Equal(t, "0000:05:01.0", address)

	for n := 0; ; n++ { // each command in turn gets no reply
		commands := 0
		_, err := qom.FindPCI(t.Context(), executor(func(ctx context.Context, call *qmp.Call) error {
			if commands++; commands == n+1 {
				return qmp.ErrOutcomeUnknown
			}
			return c.Execute(ctx, call)
		}), qom.DevicePath("d"))
		if commands <= n {
			require.NoError(t, err)
			require.Greater(t, n, 8)
			return
		}
		require.ErrorIs(t, err, qmp.ErrOutcomeUnknown)
	}
}
