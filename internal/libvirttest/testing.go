package libvirttest

import (
	"errors"
	"os"
	"testing"
)

// Versions are the versions of libvirt that scripts/get-libvirt.sh knows.
var Versions = []string{"9.0", "11.3"}

// Run runs f as a subtest, "libvirt-9.0", on a daemon of each version.
func Run(t *testing.T, cfg Config, f func(t *testing.T, d *Daemon)) {
	t.Helper()
	for _, version := range Versions {
		t.Run("libvirt-"+version, func(t *testing.T) { f(t, Start(t, version, cfg)) })
	}
}

// Start starts a daemon until the end of the test. If the variable QMPKIT_MATRIX is not "libvirt", or if this host cannot
// run the daemon, the test is skipped.
func Start(t testing.TB, version string, cfg Config) *Daemon {
	t.Helper()
	if os.Getenv("QMPKIT_MATRIX") != "libvirt" {
		t.Skip(`QMPKIT_MATRIX is not "libvirt"`)
	}
	d, err := Launch(t.Context(), version, cfg)
	if errors.Is(err, ErrMissing) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("libvirtd printed:\n%s", d.Log())
		}
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	return d
}

// Create starts a machine.
func (d *Daemon) Create(t testing.TB, m Machine) {
	t.Helper()
	if err := d.CreateMachine(t.Context(), m); err != nil {
		t.Fatalf("create machine %q: %v", m.Name, err)
	}
}

// Destroy ends a machine, as if its power failed.
func (d *Daemon) Destroy(t testing.TB, name string) {
	t.Helper()
	if err := d.DestroyMachine(t.Context(), name); err != nil {
		t.Fatalf("destroy machine %q: %v", name, err)
	}
}
