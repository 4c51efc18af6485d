package main

import (
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/internal/qemutest"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/qmptest"
	"github.com/qmpkit/qmpkit/testdata/schema"
)

// TestSourceErrors names sources that are none: the error says what to give instead.
func TestSourceErrors(t *testing.T) {
	t.Chdir(t.TempDir())
	write(t, ".", map[string]string{
		"README.md":             "Hello\n",
		"comment":               "# nothing else\n",
		"empty.json":            "",
		"main.go":               "package main\n",
		"program":               "\x7fELF\x02\x01\x00",
		"refused.json":          `{"error": {"class": "CommandNotFound", "desc": "it is not there"}}`,
		"greeting.json":         `{"QMP": {"version": {}, "capabilities": []}}`,
		"other.json":            `{"return": {}, "id": 1}`,
		"list.json":             `[{"a": 1}]`,
		"qapi/part.json":        "{ 'command': 'go', 'data': 'Place' }\n",
		"qapi/qapi-schema.json": "{ 'include': 'part.json' }\n{ 'struct': 'Place', 'data': {} }\n",
		"folder/x":              "",
	})
	for source, want := range map[string]string{
		"README.md":      "README.md: this does not look like a schema: " + wantMain,
		"comment":        "comment: this has no definitions: " + wantMain,
		"empty.json":     "empty.json: this has no definitions: " + wantMain,
		"main.go":        "main.go: this does not look like a schema: " + wantMain,
		"program":        "program: this does not look like a schema: " + wantMain,
		"refused.json":   "this is an error of a server (it is not there), not an answer: write it with qapigen capture",
		"greeting.json":  "this is a server's greeting, not an answer: write it with qapigen capture",
		"other.json":     "expected an array, found an object (at byte 11); write it with qapigen capture",
		"list.json":      "an entry has no name or no meta-type (at byte 9); write it with qapigen capture",
		"qapi/part.json": "qapi/part.json: this is a part of the schema whose main file is qapi/qapi-schema.json: give that one",
		"folder":         "folder: this is a folder: " + wantMain,
		".":              ".: this is a folder: give a main file in it, qapi/qapi-schema.json",
		"nowhere":        `nowhere: no such file or directory; ` + wantMain + `; a server's address begins with "unix:", "tcp:" or "vsock:"`,
		"comment/x":      "comment/x: not a directory",
		"":               ": the name is empty: " + wantMain,
	} {
		status, stderr := runQapigen(t, "query", source, "x")
		require.Equal(t, exitFailed, status, source)
		require.Contains(t, stderr, want)
	}
}

// TestFileErrors names what is no schema where only one will do.
func TestFileErrors(t *testing.T) {
	t.Chdir(t.TempDir())
	write(t, ".", map[string]string{"answer.json": "[]\n", "bad.json": "{ 'command': 'x', 'data': 'Nowhere' }\n"})
	for file, want := range map[string]string{
		"answer.json":         "answer.json: this is a server's answer, not a schema: " + wantMain,
		"unix:/run/qmp.sock":  "unix:/run/qmp.sock: this is a server, not the file of a schema: qapigen capture unix:/run/qmp.sock saves its schema; " + wantMain,
		"bad.json":            "bad.json:1: command 'x': command's 'data' uses unknown type 'Nowhere'\n",
		".":                   ".: this is a folder: " + wantMain,
		"nowhere/schema.json": "nowhere/schema.json: no such file or directory; " + wantMain,
	} {
		for _, args := range [][]string{{"check"}, {"introspect"}, {"print", "-out", "out"}} {
			status, stderr := runQapigen(t, append(args, file)...)
			require.Equal(t, exitFailure, status)
			require.Contains(t, stderr, want)
			require.NoDirExists(t, "out")
		}
	}
}

// TestAddressErrors gives addresses where there is no QMP server: the error says what to do.
func TestAddressErrors(t *testing.T) {
	hmp := filepath.Join(shortDir(t), "hmp")
	vm := qemutest.Get(t, "").Start(t, qemutest.Config{Args: []string{"-monitor", "unix:" + hmp + ",server=on,wait=off"}})
	vm.Dial(t).Close() // both sockets are there
	closing := listen(t, func(c net.Conn) { c.Close() })
	refused := qmptest.NewServer(t, nil)
	refused.Handle("query-qmp-schema", func(*qmptest.Request) (any, error) {
		return nil, &qmp.Error{Class: qmp.ErrCommandNotFound, Desc: "not here"}
	})
	strange := qmptest.NewServer(t, nil)
	strange.Handle("query-qmp-schema", func(*qmptest.Request) (any, error) { return []int{1}, nil })
	for address, want := range map[string]string{
		"unix:":                  "write the path of the socket after unix:; in a go:generate line, is the variable set?",
		"unix:/nowhere/qmp":      "no server listens there: start QEMU with -qmp unix:/nowhere/qmp,server=on,wait=off, or give the address that it was started with",
		"@qmpkit-nowhere":        "start QEMU with -qmp unix:qmpkit-nowhere,abstract=on,server=on,wait=off",
		"tcp:127.0.0.1:1":        "start QEMU with -qmp tcp:127.0.0.1:1,server=on,wait=off",
		"127.0.0.1:1":            "start QEMU with -qmp tcp:127.0.0.1:1,server=on,wait=off",
		"localhost:1":            "start QEMU with -qmp tcp:localhost:1,server=on,wait=off",
		"tcp:nowhere":            "missing port in address; an address is unix:PATH, tcp:HOST:PORT or vsock:CID:PORT",
		"vsock:x":                `not a vsock address: write "vsock:CID:PORT"`,
		hmp:                      "this is not a QMP monitor; perhaps it is a human monitor (-monitor): give the socket of -qmp",
		"unix:" + closing:        "this is not a QMP monitor",
		refused.Addr():           "not here (CommandNotFound); the server has no introspection: generate from the schema in its source",
		"unix:" + strange.Addr(): "qapigen does not know this kind of server",
	} {
		for _, args := range [][]string{{"capture", address}, {"query", address, "x"}} {
			status, stderr := runQapigen(t, args...)
			require.NotZero(t, status)
			require.Contains(t, stderr, want)
		}
	}
	status, stderr := runQapigen(t, "capture", "/nowhere/qmp")
	require.Equal(t, exitFailure, status)
	require.Contains(t, stderr, "there is no socket with this name; the address of a server begins with unix:, tcp: or vsock:")
	status, stderr = runQapigen(t, "capture", t.TempDir())
	require.Equal(t, exitFailure, status)
	require.Contains(t, stderr, "this is not a socket: capture takes the address of a server")
}

// TestAddresses asks one server by all of the addresses that it has.
func TestAddresses(t *testing.T) {
	s := qmptest.NewServer(t, nil)
	s.Handle("query-qmp-schema", func(*qmptest.Request) (any, error) {
		return []any{map[string]any{"name": "1", "meta-type": "builtin", "json-type": "int"}}, nil
	})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	go forward(l, s.Addr())
	t.Chdir(filepath.Dir(s.Addr()))
	_, port, err := net.SplitHostPort(l.Addr().String())
	require.NoError(t, err)
	for _, address := range []string{
		s.Addr(), "unix:" + s.Addr(), filepath.Base(s.Addr()), "tcp:127.0.0.1:" + port, "127.0.0.1:" + port,
		"localhost:" + port, "tcp:localhost:" + port,
	} {
		var out, errs strings.Builder
		require.Equal(t, exitHasNot, run([]string{"query", address, "stop"}, &out, &errs), errs.String())
		require.Equal(t, "false\n", out.String())
	}
}

// TestOutErrors gives places that nothing can be written to.
func TestOutErrors(t *testing.T) {
	main := filepath.Join(mustAbs(t, snapshots), "10.2", schema.Guest)
	qemuMain := filepath.Join(mustAbs(t, snapshots), "10.2", schema.QEMU)
	vm := qemutest.Get(t, "").Start(t, qemutest.Config{})
	t.Chdir(t.TempDir())
	write(t, ".", map[string]string{"file": "x"})
	for _, args := range [][]string{
		{"generate", "-schema", main, "-package", "p"},
		{"print", main},
		{"capture", vm.Socket()},
		{"join", "-schema", qemuMain, vm.Socket()},
	} {
		status, stderr := runQapigen(t, append([]string{args[0], "-out="}, args[1:]...)...)
		require.Equal(t, exitUsage, status)
		require.Contains(t, stderr, "-out is empty: want the `")
		status, stderr = runQapigen(t, append([]string{args[0], "-out=file/out"}, args[1:]...)...)
		require.Equal(t, exitFailure, status)
		require.Contains(t, stderr, "not a directory; give -out a folder or file that you may write to")
		require.Len(t, readTree(t, "."), 1)
	}
	for _, empty := range []string{"-schema=", "-package=", "-names="} {
		status, stderr := runQapigen(t, "generate", "-schema", main, "-package", "p", "-out", "out", empty)
		require.Equal(t, exitUsage, status)
		require.Contains(t, stderr, strings.TrimSuffix(empty, "=")+" is empty: want the ")
	}
}

// TestUsageErrors types what is not there, or too much of it.
func TestUsageErrors(t *testing.T) {
	for args, want := range map[string]string{
		"generate -shema x":   "unknown flag: -shema: did you mean -schema?",
		"diff -jso a b":       "unknown flag: -jso: did you mean -json?",
		"diff -xyzzy a b":     "unknown flag: -xyzzy\n",
		"diff a":              "diff takes OLD and NEW; given: a",
		"generate schema=x":   `not the argument "schema=x": did you mean -schema?`,
		"queyr x y":           `unknown command "queyr": did you mean query?`,
		"completion tcsh":     "unknown shell tcsh: want one of bash, zsh, fish, powershell",
		"completion":          "completion takes the name of a shell",
		"help nothing":        `unknown command "nothing"`,
		"help generat":        `unknown command "generat": did you mean generate?`,
		"version more":        "version takes only flags",
		"":                    "no command given: generate makes a Go package",
		"generate -package":   "flag needs an argument: --package",
		"check -dialect 9 x":  "want one of any, 5.2",
		"query -only x a b":   "unknown flag: -only",
		"generate -modules x": `required flag(s) "out", "package", "schema" not set`,
	} {
		status, stderr := runQapigen(t, strings.Fields(args)...)
		require.Equal(t, exitUsage, status, args)
		require.Contains(t, stderr, want)
	}
	status, stderr := runQapigen(t, "query", filepath.Join(snapshots, "10.2", schema.Guest), "a//b")
	require.Equal(t, exitFailed, status)
	require.Contains(t, stderr, "a component is empty; qapigen help query has the grammar")
}

// shortDir is a folder for sockets, whose paths have to be short.
func shortDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "qapigen")
	require.NoError(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// listen serves each connection to a new socket, whose path it returns.
func listen(t *testing.T, serve func(net.Conn)) string {
	t.Helper()
	path := filepath.Join(shortDir(t), "socket")
	l, err := net.Listen("unix", path)
	require.NoError(t, err)
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go serve(c)
		}
	}()
	return path
}

// forward joins each connection with one to a socket.
func forward(l net.Listener, socket string) {
	for {
		in, err := l.Accept()
		if err != nil {
			return
		}
		go join(in, socket)
	}
}

// join joins a connection with one to a socket, until one of them ends.
func join(in net.Conn, socket string) {
	defer in.Close()
	out, err := net.Dial("unix", socket)
	if err != nil {
		return
	}
	go func() {
		_, _ = io.Copy(out, in)
		out.Close()
	}()
	_, _ = io.Copy(in, out)
}

func mustAbs(t *testing.T, path string) string {
	t.Helper()
	abs, err := filepath.Abs(path)
	require.NoError(t, err)
	return abs
}
