package qemu_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/internal/qemutest"
	"github.com/qmpkit/qmpkit/qmp"
)

// TestJSONOfServers asks QEMUs everything that takes no arguments. The JSON of what is decoded is what QEMU
// said, and can be decoded again.
func TestJSONOfServers(t *testing.T) {
	qemutest.Run(t, []string{"5.2", "7.2", "10.0", "11.1"}, func(t *testing.T, q *qemutest.QEMU) {
		vm := q.Start(t, qemutest.Config{Machine: "pc", Args: []string{
			"-S", "-m", "256,slots=2,maxmem=1G", "-object", "memory-backend-ram,id=mem1,size=16M", "-device", "pc-dimm,id=dimm1,memdev=mem1",
			"-object", "iothread,id=io0", "-blockdev", "null-co,node-name=disk0", "-device", "virtio-blk-pci,id=vd0,drive=disk0,iothread=io0",
			"-netdev", "user,id=net0", "-device", "virtio-net-pci,id=nic0,netdev=net0", "-device", "pci-bridge,id=bridge0,chassis_nr=1",
			"-chardev", "null,id=c0",
		}})
		jsonOf(t, vm.Dial(t))
	})
}

// TestMachineJSON does the same on machines of other targets.
func TestMachineJSON(t *testing.T) {
	qemutest.Machines(t, func(t *testing.T, q *qemutest.QEMU) {
		for _, cfg := range qemutest.OtherMachines {
			t.Run(cfg.Name(), func(t *testing.T) {
				cfg.Args = []string{"-S", "-blockdev", "null-co,node-name=disk0", "-netdev", "user,id=net0", "-chardev", "null,id=c0",
					"-object", "iothread,id=io0", "-object", "memory-backend-ram,id=mem1,size=16M"}
				jsonOf(t, q.Start(t, cfg).Dial(t))
			})
		}
	})
}

// jsonOf asks a server everything that takes no arguments.
func jsonOf(t *testing.T, c *qmp.Client) {
	t.Helper()
	asked := 0
	for _, request := range allRequests {
		command := commandOf(request)
		if !strings.HasPrefix(command, "query-") && !slices.Contains([]string{"qom-list-types", "x-query-irq"}, command) {
			continue
		}
		var said qmp.RawJSON
		result, err := execute(request, func(call *qmp.Call) (err error) {
			if said, err = (qmp.Raw{Command: call.Command}).Do(t.Context(), c); err != nil {
				return err
			}
			return call.Decode(said)
		})
		if _, refused := err.(*qmp.Error); refused {
			continue
		}
		require.NoError(t, err, command)
		asked++
		text, err := json.Marshal(result)
		require.NoError(t, err, command)
		want := known(said, text, func(path string) {
			if !slices.ContainsFunc(gone, func(member string) bool { return strings.HasSuffix(command+path, member) }) {
				t.Errorf("%s%s is not in the JSON", command, path)
			}
		})
		if command == "query-sev" && !strings.Contains(want, "sev-type") {
			want = canonical([]byte(strings.Replace(want, "{", `{"sev-type":"sev",`, 1))) // before QEMU 9.1; see SEVInfoBranch
		}
		require.Equal(t, want, canonical(text), command)

		again := reflect.New(reflect.TypeOf(result))
		require.NoError(t, json.Unmarshal(text, again.Interface()), command)
		first := reflect.New(reflect.TypeOf(result))
		first.Elem().Set(reflect.ValueOf(result))
		compact(first)
		require.Equal(t, first.Interface(), again.Interface(), command)
	}
	require.Greater(t, asked, 30)
}

// gone are the members that QEMU 11.1 does not have any more, of which the package knows nothing.
var gone = []string{
	".encryption_key_missing", "query-cpus-fast.arch", "query-status.singlestep",
	".compress-threads", ".compress-level", ".compress-wait-thread", ".decompress-threads", ".block-incremental",
}

func commandOf(request any) (name string) {
	_, _ = execute(request, func(call *qmp.Call) error {
		name = call.Command
		return io.EOF
	})
	return name
}

// execute calls Do of a request.
func execute(request any, x executor) (result any, err error) {
	out := reflect.ValueOf(request).MethodByName("Do").Call([]reflect.Value{reflect.ValueOf(context.Background()), reflect.ValueOf(x)})
	err, _ = out[len(out)-1].Interface().(error)
	if len(out) > 1 {
		result = out[0].Interface()
	}
	return result, err
}

// known returns what a server said, without the members that are not in text, which it reports.
func known(said, text []byte, report func(path string)) string {
	var prune func(path string, v, in any) any
	prune = func(path string, v, in any) any {
		switch v := v.(type) {
		case map[string]any:
			in, _ := in.(map[string]any)
			for name := range v {
				if _, ok := in[name]; !ok {
					report(path + "." + name)
					delete(v, name)
					continue
				}
				v[name] = prune(path+"."+name, v[name], in[name])
			}
		case []any:
			in, _ := in.([]any)
			for i := range min(len(v), len(in)) {
				v[i] = prune(path, v[i], in[i])
			}
		}
		return v
	}
	return encoded(prune("", decoded(said), decoded(text)))
}

func canonical(text []byte) string { return encoded(decoded(text)) }

// decoded decodes JSON with numbers as they are written, but for those with a fraction: QEMU writes 0.0 as it
// is, and Go as 0.
func decoded(text []byte) any {
	var v any
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	if err := d.Decode(&v); err != nil {
		panic(fmt.Sprintf("%v: %s", err, text))
	}
	return plain(v)
}

func plain(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for name := range v {
			v[name] = plain(v[name])
		}
	case []any:
		for i := range v {
			v[i] = plain(v[i])
		}
	case json.Number:
		if strings.ContainsAny(v.String(), ".eE") {
			f, _ := v.Float64()
			return f
		}
	}
	return v
}

func encoded(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(text)
}

// compact removes the blanks from each RawJSON in a value.
func compact(v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		if !v.IsNil() {
			compact(v.Elem())
		}
	case reflect.Struct:
		for i := range v.NumField() {
			compact(v.Field(i))
		}
	case reflect.Slice:
		if raw, ok := v.Interface().(qmp.RawJSON); ok && raw != nil {
			var b bytes.Buffer
			_ = json.Compact(&b, raw)
			v.SetBytes(b.Bytes())
			return
		}
		for i := range v.Len() {
			compact(v.Index(i))
		}
	}
}
