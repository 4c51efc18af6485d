package address

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/qmp/qmplibvirt"
)

func TestSplitUser(t *testing.T) {
	for daemon, want := range map[string][2]string{
		"":                          {"", ""},
		"host1":                     {"", "host1"},
		"alice@":                    {"alice", ""},
		"alice@host1":               {"alice", "host1"},
		"alice@realm@tls:host1:99":  {"alice@realm", "tls:host1:99"},
		"alice@/run/libvirt/a@sock": {"alice", "/run/libvirt/a@sock"},
		"/run/libvirt/a@sock":       {"", "/run/libvirt/a@sock"},
	} {
		user, rest := splitUser(daemon)
		require.Equal(t, want, [2]string{user, rest}, daemon)
	}
}

func TestPasswords(t *testing.T) {
	t.Setenv(PasswordFile, "")
	for address, want := range map[string]string{
		"libvirt:alice@host1/web1":       "alice@host1",
		"agent:libvirt:alice@host1/web1": "alice@host1",
		"libvirt:alice@/web1":            "alice@",
	} {
		login, ok := NeedsPassword(address)
		require.True(t, ok, address)
		require.Equal(t, want, login)
	}
	for _, address := range []string{"libvirt:web1", "libvirt:alice@web1", "libvirt:host1/web1", "unix:/alice@host1/web1"} {
		_, ok := NeedsPassword(address)
		require.False(t, ok, address)
	}
	_, err := passwordOf("alice@host1")
	require.EqualError(t, err, "no password for alice@host1: write it to a file, and the file's name to QMPKIT_PASSWORD_FILE")

	SetPassword("alice@host1", "wonderland")
	_, ok := NeedsPassword("libvirt:alice@host1/web1")
	require.False(t, ok)
	password, err := passwordOf("alice@host1")
	require.NoError(t, err)
	require.Equal(t, "wonderland", password)
	forget("alice@host1", os.ErrNotExist)
	_, ok = NeedsPassword("libvirt:alice@host1/web1")
	require.False(t, ok)
	forget("alice@host1", &qmplibvirt.Error{Code: 45})
	_, ok = NeedsPassword("libvirt:alice@host1/web1")
	require.True(t, ok)

	file := filepath.Join(t.TempDir(), "password")
	t.Setenv(PasswordFile, file)
	_, ok = NeedsPassword("libvirt:alice@host1/web1")
	require.False(t, ok)
	_, err = passwordOf("alice@host1")
	require.ErrorIs(t, err, os.ErrNotExist)
	require.ErrorContains(t, err, PasswordFile)
	require.NoError(t, os.WriteFile(file, []byte("from a file \r\n"), 0o600))
	password, err = passwordOf("alice@host1")
	require.NoError(t, err)
	require.Equal(t, "from a file ", password)
}

func TestTLSConfig(t *testing.T) {
	home := t.TempDir()
	t.Setenv("HOME", home)
	t.Setenv("USERPROFILE", home)
	config, err := tlsConfig("host1")
	require.NoError(t, err)
	require.Equal(t, "host1", config.ServerName)

	own := filepath.Join(home, ".pki", "libvirt")
	require.NoError(t, os.MkdirAll(own, 0o700))
	write := func(name string) {
		require.NoError(t, os.WriteFile(filepath.Join(own, name), []byte("none"), 0o600))
	}
	write("clientcert.pem")
	write("clientkey.pem")
	_, err = Dial(t.Context(), "libvirt:tls:localhost/web1", nil)
	require.ErrorContains(t, err, "clientcert.pem: tls: ")
	write("cacert.pem")
	_, err = Dial(t.Context(), "libvirt:tls:localhost/web1", nil)
	require.ErrorContains(t, err, "cacert.pem: no certificate")
}
