package hotplug_test

import (
	"bytes"
	"encoding/base64"
	"log/slog"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/hotplug"
	"github.com/qmpkit/qmpkit/internal/fakeqemu"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
	"github.com/qmpkit/qmpkit/qmp/qmptest"
)

// encrypted is a disk with a secret, of a node without a file.
func encrypted(id string) hotplug.Disk {
	return hotplug.Disk{
		ID: id,
		Backend: hotplug.Blockdev{Options: qemu.BlockdevOptions{Branch: &qemu.BlockdevOptionsLUKS{
			KeySecret: new(hotplug.SecretID(id, "key")), File: define(nullNode())}}, Secrets: map[string][]byte{"key": []byte("a \x00 key")}},
	}
}

func TestSecret(t *testing.T) {
	m := fakeqemu.New(t)
	vm := hotplug.New(m.Dial(), nil)
	require.NoError(t, vm.AddDisk(t.Context(), encrypted("d")))
	require.Equal(t, []string{"device d", "node d", "object d.secret.key"}, m.State())
	require.JSONEq(t, `{"qom-type":"secret","id":"d.secret.key","format":"base64","data":"YSAAIGtleQ=="}`, argumentsOf(m, "object-add"))
	require.NoError(t, errorOf(vm.RemoveDisk(t.Context(), "d")))
	require.Empty(t, m.State())
}

// TestSecretsOfOthers remain, however their ids look.
func TestSecretsOfOthers(t *testing.T) {
	ctx := t.Context()
	m := fakeqemu.New(t)
	c := m.Dial()
	vm := hotplug.New(c, nil)
	for _, id := range []string{"d", "d.secret.e", "d-e", "d.secret", "a"} {
		require.NoError(t, vm.AddDisk(ctx, encrypted(id)))
	}
	require.NoError(t, qemu.ObjectAdd{ID: "d.secret.x", Branch: &qemu.MemoryBackendProperties{Size: 1}, QOMType: "memory-backend-ram"}.Do(ctx, c))
	require.NoError(t, qemu.ObjectAdd{ID: "d.secret.", Branch: &qemu.SecretProperties{}, QOMType: "secret"}.Do(ctx, c))
	require.NoError(t, errorOf(vm.RemoveDisk(ctx, "d")))
	require.Equal(t, []string{
		"device a", "device d-e", "device d.secret", "device d.secret.e",
		"node a", "node d-e", "node d.secret", "node d.secret.e",
		"object a.secret.key", "object d-e.secret.key", "object d.secret.",
		"object d.secret.e.secret.key", "object d.secret.secret.key", "object d.secret.x",
	}, m.State())
}

// TestSecretNotLogged looks for a secret in all that the client tells.
func TestSecretNotLogged(t *testing.T) {
	m := fakeqemu.New(t)
	var log bytes.Buffer
	c := pipe(t, m, &qmp.Options{
		Logger: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	})
	require.NoError(t, hotplug.New(c, nil).AddDisk(t.Context(), encrypted("d")))
	require.Contains(t, log.String(), "d.secret.key")
	require.NotContains(t, log.String(), base64.StdEncoding.EncodeToString(encrypted("d").Backend.(hotplug.Blockdev).Secrets["key"]))
}

// TestClearSecretNotLogged: what stands in a Blockdev itself is sent, with Open as members without a type, and
// not told either.
func TestClearSecretNotLogged(t *testing.T) {
	for name, open := range map[string]func(string, int) (*os.File, error){"by QEMU": nil, "by Open": new(opening).open} {
		t.Run(name, func(t *testing.T) {
			m := fakeqemu.New(t)
			log := &record{}
			c := pipe(t, m, &qmp.Options{
				Logger: slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug})),
				Trace:  func(m qmp.TraceMessage) { log.Write(append(m.Text, '\n')) },
			})
			disk := hotplug.Disk{ID: "d", Backend: hotplug.Blockdev{Open: open, Options: qemu.BlockdevOptions{Branch: &qemu.BlockdevOptionsCurlHTTPS{
				URL: "https://user:geheim-1@h/", Cookie: new("k=geheim-2"), Username: new("me"),
			}}}}
			require.NoError(t, hotplug.New(c, nil).AddDisk(t.Context(), disk))
			sent := argumentsOf(m, "blockdev-add")
			require.Contains(t, sent, "https://user:geheim-1@h/")
			require.Contains(t, sent, "k=geheim-2")
			require.NoError(t, c.Close())
			require.Contains(t, log.String(), "https://user:***@h/")
			require.NotContains(t, log.String(), "geheim")
		})
	}
}

// TestSecretWithoutADisk was left by an operation that was cut off.
func TestSecretWithoutADisk(t *testing.T) {
	m := fakeqemu.New(t)
	c := m.Dial()
	left := qemu.ObjectAdd{ID: hotplug.SecretID("d", "key"), QOMType: "secret", Branch: &qemu.SecretProperties{Data: new("old")}}
	require.NoError(t, left.Do(t.Context(), c))
	vm := hotplug.New(c, nil)
	require.NoError(t, vm.AddDisk(t.Context(), encrypted("d")))
	require.Contains(t, argumentsOf(m, "object-add"), "YSAAIGtleQ==")

	require.NoError(t, errorOf(vm.RemoveDisk(t.Context(), "d")))
	require.NoError(t, left.Do(t.Context(), c))
	require.NoError(t, errorOf(vm.RemoveDisk(t.Context(), "d")), "nothing but a secret is there")
	require.Empty(t, m.State())
}

// TestSecretOfAnotherManager stays if that manager is adding the disk.
func TestSecretOfAnotherManager(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := fakeqemu.New(t)
		m.Intercept("blockdev-add", func(r *qmptest.Request, machine qmptest.Handler) (any, error) {
			time.Sleep(500 * time.Millisecond)
			return machine(r)
		})
		first, second := hotplug.New(pipe(t, m, nil), nil), hotplug.New(pipe(t, m, nil), nil)
		added := make(chan error)
		go func() { added <- first.AddDisk(t.Context(), encrypted("d")) }()
		synctest.Wait()
		require.ErrorIs(t, second.AddDisk(t.Context(), encrypted("d")), hotplug.ErrExists)
		require.NoError(t, <-added)
		require.Equal(t, []string{"device d", "node d", "object d.secret.key"}, m.State())
		require.Empty(t, argumentsOf(m, "object-del"))
	})
}

// TestSecretGoes while it is removed, or cannot be removed, or cannot be looked for.
func TestSecretGoes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := fakeqemu.New(t)
		vm := hotplug.New(pipe(t, m, nil), nil)
		require.NoError(t, vm.AddDisk(t.Context(), encrypted("d")))
		refusal := qmptest.Refuse(qmp.ErrGeneric, "no")
		m.Handle("object-del", refusal)
		require.ErrorIs(t, errorOf(vm.RemoveDisk(t.Context(), "d")), qmp.ErrGeneric)
		require.Equal(t, []string{"object d.secret.key"}, m.State())

		object := []qemu.ObjectPropertyInfo{{Name: "d.secret.key", Type: "child<secret>"}}
		for _, then := range []struct {
			answer qmptest.Handler
			err    error
		}{
			{qmptest.Return([]qemu.ObjectPropertyInfo{}), nil},
			{qmptest.Refuse(qmp.ErrDeviceNotFound, "no objects"), nil},
			{refusal, qmp.ErrGeneric},
		} {
			first := true
			m.Handle("qom-list", func(r *qmptest.Request) (any, error) {
				if first {
					first = false
					return object, nil
				}
				return then.answer(r)
			})
			require.ErrorIs(t, errorOf(vm.RemoveDisk(t.Context(), "d")), then.err)
		}
		require.ErrorIs(t, errorOf(vm.RemoveDisk(t.Context(), "d")), qmp.ErrGeneric, "its objects cannot be listed")
	})
}

func TestSecretFaults(t *testing.T) {
	for name, secrets := range map[string]hotplug.Disk{
		"letters and digits": {Backend: hotplug.Blockdev{Options: *nullNode(), Secrets: map[string][]byte{"a.b": nil}}},
		"at least one":       {Backend: hotplug.Blockdev{Options: *nullNode(), Secrets: map[string][]byte{"": nil}}},
	} {
		m := fakeqemu.New(t)
		secrets.ID = "d"
		require.ErrorContains(t, hotplug.New(m.Dial(), nil).AddDisk(t.Context(), secrets), name)
		require.Empty(t, m.Requests())
	}
}
