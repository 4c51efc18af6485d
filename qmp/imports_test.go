package qmp_test

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestImports: every program that talks to QEMU links this package, and with it all that it
// imports. Each of these packages costs between 36 KB and 1 MB.
func TestImports(t *testing.T) {
	out, err := exec.CommandContext(limit(t), "go", "list", "-deps", ".").CombinedOutput()
	require.NoError(t, err, string(out))
	for dependency := range strings.Lines(string(out)) {
		switch strings.TrimSpace(dependency) {
		case "fmt", "log", "log/slog", "net/url", "encoding/json", "os/exec", "crypto/tls", "text/template":
			t.Errorf("qmp imports %s", dependency)
		}
	}
}
