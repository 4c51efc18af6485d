package main

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/internal/operate"
)

// TestManPage looks for everything that the help has, and for what roff would take for its own.
func TestManPage(t *testing.T) {
	t.Parallel()
	status, text, _ := runShell(t, "", "man")
	require.Zero(t, status)
	plain := strings.ReplaceAll(text, `\-`, "-")
	for _, want := range []string{".TH QMPSH 1\n", "query-status", "-timeout TIME", "agent:ADDRESS", "QMPSH_HISTORY", "qmpsh record FILE ADDRESS SOCKET"} {
		require.Contains(t, plain, want)
	}
	for _, name := range order {
		require.Contains(t, plain, `\fB`+builtins[name].usage+`\fR`)
	}
	for _, op := range operate.All() {
		require.Contains(t, plain, "\\fB"+op.Name)
	}
	for line := range strings.Lines(text) {
		require.Regexp(t, `^(\.(TH|SH|SS|TP|PP|nf|fi)( .*)?|[^.'].*)\n$`, line)
		require.NotRegexp(t, `\\[^-efB R&]`, line)
	}
	groff, err := exec.LookPath("groff")
	if err != nil {
		return
	}
	cmd := exec.Command(groff, "-man", "-Tascii", "-rLL=200n", "-ww", "-z")
	cmd.Stdin = strings.NewReader(text)
	out, err := cmd.CombinedOutput()
	require.NoError(t, err)
	require.Empty(t, string(out))
}

func TestEscaped(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"a-b": `a\-b`, `a\b`: `a\eb`, ".SH": `\&.SH`, "'x'": `\&'x'`, "ID…": "ID...",
	} {
		require.Equal(t, want, escaped(text))
	}
}
