package main

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
	"github.com/stretchr/testify/require"
)

// runs are modules to be tested, with the end of what is to be printed and the exit status.
var runs = map[string]struct {
	module string
	status int
	want   string
}{
	"passes": {
		module: `
-- go.mod --
module example.org/m
-- untested/a.go --
package untested
-- m_test.go --
package m

import "testing"

func TestOne(t *testing.T) { t.Log("not to be seen") }
func TestMany(t *testing.T) {
	t.Run("a", func(t *testing.T) {})
	t.Run("b", func(t *testing.T) { t.Skip("nothing to test it with: set B") })
}
func TestMute(t *testing.T) { t.SkipNow() }
`,
		want: `ok  	example.org/m	0.1s

Skipped:
  example.org/m TestMany/b: nothing to test it with: set B
  example.org/m TestMute: no reason given

3 passed, 0 failed, 2 skipped
`,
	},
	"fails": {
		module: `
-- go.mod --
module example.org/m
-- m_test.go --
package m

import (
	"os"
	"testing"
)

func TestGood(t *testing.T) {}
func TestBad(t *testing.T) {
	t.Run("part", func(t *testing.T) { t.Error("wrong") })
}
func TestExit(t *testing.T) {
	t.Log("here")
	os.Exit(3)
}
`,
		status: 1,
		want: `=== RUN   TestBad/part
    m_test.go:10: wrong
--- FAIL: TestBad/part (0.1s)
=== RUN   TestBad
--- FAIL: TestBad (0.1s)
FAIL	example.org/m	0.1s
=== RUN   TestExit
    m_test.go:13: here

Failed:
  example.org/m TestBad/part
  example.org/m TestBad
  example.org/m TestExit

1 passed, 3 failed, 0 skipped
`,
	},
	"does not compile": {
		module: `
-- go.mod --
module example.org/m
-- m_test.go --
package m

func f() int { return "" }
`,
		status: 1,
		want: `# example.org/m [example.org/m.test]
./m_test.go:3:23: cannot use "" (untyped string constant) as int value in return statement
FAIL	example.org/m [build failed]

Failed:
  example.org/m

0 passed, 1 failed, 0 skipped
`,
	},
	"no such package": {
		module: `
-- go.mod --
module example.org/m
-- m.go --
package m

import _ "gone"
`,
		status: 1,
		want: `# example.org/m
m.go:3:8: package gone is not in std (GOROOT/src/gone)
FAIL	example.org/m [setup failed]

Failed:
  example.org/m

0 passed, 1 failed, 0 skipped
`,
	},
}

var (
	seconds = regexp.MustCompile(`\d+\.\d+s`)
	goroot  = regexp.MustCompile(`\(\S+/src/`)
)

func TestRun(t *testing.T) {
	for name, tt := range runs {
		t.Run(name, func(t *testing.T) {
			t.Chdir(t.TempDir())
			for _, f := range txtar.Parse([]byte(tt.module)).Files {
				require.NoError(t, os.MkdirAll(filepath.Dir(f.Name), 0o755))
				require.NoError(t, os.WriteFile(f.Name, f.Data, 0o644))
			}

			var out, stderr bytes.Buffer
			err := run([]string{"-count=1", "./..."}, &out, &stderr)
			if exit, ok := errors.AsType[*exec.ExitError](err); ok {
				require.Equal(t, tt.status, exit.ExitCode())
			} else {
				require.NoError(t, err)
				require.Zero(t, tt.status)
			}
			require.Empty(t, stderr.String())
			got := seconds.ReplaceAllString(out.String(), "0.1s")
			got = goroot.ReplaceAllString(got, "(GOROOT/src/")
			require.Equal(t, tt.want, got)
		})
	}
}

func TestLinesThatAreNoEvents(t *testing.T) {
	var out bytes.Buffer
	s := &summary{w: &out, output: map[string][]byte{}, proofs: proofs{}}
	require.NoError(t, s.read(strings.NewReader("no event\n{}\n{\"Action\":\"pass\",\"Test\":\"T\"}")))
	s.print()
	require.Equal(t, "no event\n{}\n\n1 passed, 0 failed, 0 skipped\n", out.String())
}
