package qmptest_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"flag"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/qapi"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/guest"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
	"github.com/qmpkit/qmpkit/qmp/qmptest"
	"github.com/qmpkit/qmpkit/testdata/schema"
)

var update = flag.Bool("update", false, "write the schemas of the bindings")

// TestSchemasOfBindings: the schemas that servers have by default are those of the committed bindings.
func TestSchemasOfBindings(t *testing.T) {
	for name, main := range map[string]string{
		"schemas/qemu.json.gz":  schema.NewestQEMU,
		"schemas/guest.json.gz": schema.NewestGuest,
	} {
		loaded, err := qapi.LoadFS(schema.FS, main, nil)
		require.NoError(t, err)
		want, err := json.Marshal(loaded.Introspect(qapi.IntrospectOptions{}))
		require.NoError(t, err)
		if *update {
			var b bytes.Buffer
			z, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
			require.NoError(t, err)
			_, err = z.Write(want)
			require.NoError(t, err)
			require.NoError(t, z.Close())
			require.NoError(t, os.WriteFile(name, b.Bytes(), 0o644))
		}
		f, err := os.Open(name)
		require.NoError(t, err)
		defer f.Close()
		z, err := gzip.NewReader(f)
		require.NoError(t, err)
		got, err := io.ReadAll(z)
		require.NoError(t, err)
		if !bytes.Equal(want, got) {
			t.Errorf("%s is not current: make generate", name)
		}
	}
}

// TestVersionOfBindings: the version that servers greet with by default is that of the committed bindings.
func TestVersionOfBindings(t *testing.T) {
	want, err := schema.FS.ReadFile(schema.Newest + "/VERSION")
	require.NoError(t, err)
	if *update {
		require.NoError(t, os.WriteFile("schemas/VERSION", want, 0o644))
	}
	got, err := os.ReadFile("schemas/VERSION")
	require.NoError(t, err)
	require.Equal(t, string(want), string(got), "schemas/VERSION is not current: make generate")

	c, err := qmp.NewClient(t.Context(), qmptest.NewServer(t, nil).Pipe(), nil)
	require.NoError(t, err)
	defer c.Close()
	require.Equal(t, strings.TrimSpace(string(want)), c.Version().String())
}

// TestDefaultSchema: without a schema the server has that of the bindings, and leaves commands alone
// that the schema does not have.
func TestDefaultSchema(t *testing.T) {
	refused := func(opts *qmptest.Options, command string, args qmp.Args) error {
		s := qmptest.NewServer(t, opts)
		s.Handle(command, qmptest.Return(nil))
		c, err := qmp.NewClient(t.Context(), s.Pipe(), nil)
		require.NoError(t, err)
		defer c.Close()
		_, err = qmp.Raw{Command: command, Args: args}.Do(t.Context(), c)
		return err
	}
	wrong := qmp.Args{"id": 1}
	require.EqualError(t, refused(nil, "device_del", wrong), "qmp: device_del: Invalid parameter type for 'id', expected: string")
	require.EqualError(t, refused(nil, "stop", wrong), "qmp: stop: Parameter 'id' is unexpected")
	require.NoError(t, refused(nil, "device_del", qmp.Args{"id": "a"}))
	require.NoError(t, refused(nil, "x-newer", wrong))
	require.NoError(t, refused(&qmptest.Options{Unchecked: true}, "device_del", wrong))

	s := qmptest.NewServer(t, &qmptest.Options{Guest: true})
	s.Handle("guest-ping", qmptest.Return(nil))
	g, err := qmp.NewGuestClient(t.Context(), s.Pipe(), nil)
	require.NoError(t, err)
	defer g.Close()
	require.NoError(t, guest.GuestPing{}.Do(t.Context(), g))
	_, err = qmp.Raw{Command: "guest-ping", Args: wrong}.Do(t.Context(), g)
	require.EqualError(t, err, "qmp: guest-ping: Parameter 'id' is unexpected")
	require.ErrorIs(t, qemu.Stop{}.Do(t.Context(), g), qmp.ErrCommandNotFound)
}
