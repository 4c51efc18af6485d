package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/internal/libvirttest"
)

// TestLibvirt captures the schema of a machine of a real daemon; see package libvirttest. It is the schema that the
// machine's own monitor gives.
func TestLibvirt(t *testing.T) {
	libvirttest.Run(t, libvirttest.Config{}, func(t *testing.T, d *libvirttest.Daemon) {
		d.Create(t, libvirttest.Machine{Name: "web1"})
		dir := t.TempDir()
		var captured []string
		for i, server := range []string{"libvirt:" + d.Socket() + "/web1", d.Monitor("web1")} {
			file := filepath.Join(dir, []string{"libvirt.json", "direct.json"}[i])
			status, out := runQapigen(t, "capture", "-out", file, server)
			require.Zero(t, status, out)
			text, err := os.ReadFile(file)
			require.NoError(t, err)
			captured = append(captured, string(text))
		}
		require.Equal(t, captured[1], captured[0])

		status, out := runQapigen(t, "capture", "libvirt:"+d.Socket()+"/none")
		require.NotZero(t, status)
		require.Contains(t, out, "no machine with the name none runs there")
	})
}
