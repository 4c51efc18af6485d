package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/internal/qemutest"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/qmptest"
)

// TestMain runs the shell itself if the test of a terminal starts this program.
func TestMain(m *testing.M) {
	if os.Getenv("QMPSH_TEST_MAIN") != "" {
		main()
	}
	os.Exit(m.Run())
}

// runShell runs qmpsh with a text as its standard input.
func runShell(t *testing.T, stdin string, args ...string) (status int, stdout, stderr string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "stdin")
	require.NoError(t, os.WriteFile(file, []byte(stdin), 0o666))
	in, err := os.Open(file)
	require.NoError(t, err)
	defer in.Close()
	var out, errs bytes.Buffer
	status = run(args, in, &out, &errs)
	return status, out.String(), errs.String()
}

// TestScript runs commands on real QEMUs.
func TestScript(t *testing.T) {
	qemutest.Run(t, qemutest.Versions, func(t *testing.T, q *qemutest.QEMU) {
		vm := q.Start(t, qemutest.Config{Machine: "pc", Monitors: 2, Args: []string{
			"-S", "-name", "vm1", "-blockdev", "driver=null-co,node-name=root", "-device", "virtio-blk-pci,id=disk1,drive=root",
		}})
		a, b := vm.Sockets[0], vm.Sockets[1]

		for _, c := range []struct {
			name   string
			args   []string
			status int
			stdout string // a part
			stderr string // a part
		}{
			{"json", []string{a, "-json", "query-name"}, exitOK, `{"name": "vm1"}` + "\n", ""},
			{"flag after the command", []string{a, "query-name", "-json"}, exitOK, `{"name": "vm1"}` + "\n", ""},
			{"text", []string{a, "query-status"}, exitOK, "prelaunch", ""},
			{"arguments", []string{a, "qom-get", "path=/machine/peripheral/disk1", "property=type"}, exitOK, "virtio-blk-pci", ""},
			{"JSON", []string{a, `{"execute": "qom-get", "arguments": {"path": "/machine", "property": "type"}}`}, exitOK, "pc-i440fx", ""},
			{"a blank in a value", []string{a, "human-monitor-command", "command-line=info name"}, exitOK, "vm1", ""},
			{"jq", []string{a, "-jq", ".name", "query-name"}, exitOK, "vm1\n", ""},
			{"a line", []string{a, "query-name | jq .name"}, exitOK, "vm1\n", ""},
			{"a program", []string{a, "query-name | tr a-z A-Z"}, exitOK, "{\n  \"NAME\": \"VM1\"\n}\n", ""},
			{"pid", []string{fmt.Sprintf("pid:%d", vm.Pid()), "-json", "query-name"}, exitOK, "vm1", ""},
			{"two sessions", []string{"x=" + a + ",y=" + b, "on", "all", "query-name", "-json"}, exitOK, "{\"name\": \"vm1\"}\n{\"name\": \"vm1\"}\n", ""},
			{"another session", []string{"x=" + a + ",y=" + b, "on", "y", "query-name", "-json"}, exitOK, "{\"name\": \"vm1\"}\n", ""},
			{"sessions", []string{"x=" + a, "sessions"}, exitOK, "* x", ""},
			{"help", []string{a, "help"}, exitOK, "events [NAME|PREFIX*]", ""},
			{"help of a switch", []string{a, "help", "switches"}, exitOK, "-timeout TIME", ""},
			{"help by ?", []string{a, "?", "query-name"}, exitOK, "query-name: a command", ""},
			{"help of a pattern", []string{a, "help", "query-na*"}, exitOK, "query-name\nquery-named-block-nodes\n", ""},
			{"help of a word", []string{a, "help", "add"}, exitOK, "add disk  ", ""},
			{"help of a wish", []string{a, "help", "pause"}, exitOK, "job pause  ", ""},
			{"an operation begun", []string{a, "list"}, exitUsage, "", "did you mean list disks"},
			{"help of a busy monitor", []string{a, "help", "monitor"}, exitOK, "one more -qmp", ""},
			{"help of commands", []string{a, "help", "commands"}, exitOK, "\nquery-name\n", ""},
			{"help of events", []string{a, "help", "events"}, exitOK, "\nSHUTDOWN\n", ""},
			{"help of jq", []string{a, "help", "jq"}, exitOK, "COMMAND | jq PROGRAM", ""},
			{"help of secrets", []string{a, "help", "secret"}, exitOK, "***", ""},
			{"help of nothing", []string{a, "help", "nothing-*"}, exitUsage, "", "there is no command, event or type"},
			{"help of many", []string{a, "help", "device_add"}, exitOK, "More: help device_add driver=virtio-blk-pci", ""},
			{"human monitor", []string{a, "info", "block"}, exitUsage, "", "write hmp info"},
			{"watch", []string{a, "watch", "query-name", "-n", "2", "-interval", "10ms", "-json"}, exitOK, "{\"name\": \"vm1\"}\n{\"name\": \"vm1\"}\n", ""},
			{"progress", []string{a, "progress"}, exitOK, "no job and no migration", ""},

			{"refused", []string{a, "device_del", "id=nothing"}, exitRefused, "", "qmpsh: device_del: Device 'nothing' not found (DeviceNotFound)\n"},
			{"no command", []string{a, "query-nothing"}, exitUsage, "", "query-nothing\n^^^^^^^^^^^^^\n"},
			{"no member", []string{a, "device_del", "idd=x"}, exitUsage, "", "idd"},
			{"unknown switch", []string{a, "query-name -bogus"}, exitUsage, "", "-bogus"},
			{"unknown flag", []string{a, "-bogus", "query-name"}, exitUsage, "", "unknown flag: --bogus"},
			{"no session", []string{a, "on", "z", "query-name"}, exitUsage, "", "z: no such session; there are: "},
			{"two of one name", []string{"x=" + a + ",x=" + b, "query-name"}, exitUsage, "", "there is a session with this name"},
			{"no address", []string{}, exitUsage, "", "-help"},
			{"not an address", []string{"nothing", "query-name"}, exitUsage, "", "nothing: not the address of a server"},
			{"no server", []string{"unix:/nowhere/qmp", "query-name"}, exitNotSent, "", "no server listens there"},
			{"no event", []string{a, "events", "NOTHING", "-n", "1"}, exitUsage, "", "the server has no event NOTHING; help events lists the events"},
			{"no events in time", []string{a, "events", "SHUTDOWN", "-n", "1", "-timeout", "10ms"}, exitTimeOver, "", "0 of 1 came: the time is over"},
			{"events for a time", []string{a, "events", "-timeout", "10ms"}, exitOK, "", ""},
			{"a program that fails", []string{a, "query-name | exit 42"}, 42, "", ""},
		} {
			t.Run(c.name, func(t *testing.T) {
				status, stdout, stderr := runShell(t, "", c.args...)
				require.Equal(t, c.status, status, stdout+stderr)
				require.Contains(t, stdout, c.stdout)
				require.Contains(t, stderr, c.stderr)
				if c.status != exitOK {
					require.Empty(t, stdout)
				}
			})
		}

		t.Run("lines", func(t *testing.T) {
			status, stdout, stderr := runShell(t, "# a comment\n\nquery-name \\\n -json\nquery-name -json\nexit\nnot-executed\n", a)
			require.Equal(t, exitOK, status, stderr)
			require.Equal(t, strings.Repeat(`{"name": "vm1"}`+"\n", 2), stdout)
			status, stdout, _ = runShell(t, "nothing\nquery-name\n", a)
			require.Equal(t, exitUsage, status)
			require.Empty(t, stdout)
		})
		t.Run("events", func(t *testing.T) {
			seen, done := make(chan struct{}), make(chan struct{})
			go func() {
				defer close(done)
				for { // until the events have a reader
					select {
					case <-seen:
						return
					case <-time.After(50 * time.Millisecond):
						runShell(t, "cont\nstop\n", b)
					}
				}
			}()
			status, stdout, stderr := runShell(t, "", a, "events", "resume", "STO*", "-n", "2", "-timeout", "20s", "-json")
			close(seen)
			<-done
			require.Equal(t, exitOK, status, stderr)
			require.Contains(t, stdout, `"event":"RESUME"`)
			require.Equal(t, 2, strings.Count(stdout, "\n"))
		})
	})
}

// TestServers connects to a storage daemon and a guest agent.
func TestServers(t *testing.T) {
	q := qemutest.Get(t, "11.1")
	storage, agent := q.StartStorage(t), q.StartAgent(t)
	status, stdout, stderr := runShell(t, "", "s="+storage.Socket(), "sessions")
	require.Equal(t, exitOK, status, stderr)
	require.Contains(t, stdout, "(qemu-storage-daemon 11.1")
	status, _, stderr = runShell(t, "", storage.Socket(), "tree", "net")
	require.Equal(t, exitUsage, status)
	require.Equal(t, "qmpsh: tree: a storage daemon has no net; it has: tree block, tree qom\n", stderr)
	for _, c := range []struct{ address, topic, has, hasNot string }{
		{storage.Socket(), "", "blockdev-add driver=file", "add nic"},
		{storage.Socket(), "operations", "job list", "add disk"},
		{"agent:" + agent.Socket(), "", "guest-get-fsinfo", "tree block"},
		{"agent:" + agent.Socket(), "", "version\n", "progress ["},
		{"agent:" + agent.Socket(), "operations", "agent run", "add disk"},
		{"agent:" + agent.Socket(), "events", "a guest agent sends no events", "DEVICE_DELETED"},
	} {
		_, stdout, _ := runShell(t, "", c.address, "help", c.topic)
		require.Contains(t, stdout, c.has)
		require.NotContains(t, stdout, c.hasNot)
	}
	status, stdout, stderr = runShell(t, "sessions\nguest-get-host-name | jq .\n", "agent:"+agent.Socket())
	require.Equal(t, exitOK, status, stderr)
	require.Contains(t, stdout, "(guest agent 11.1")
	require.Contains(t, stdout, "host-name")
	status, _, stderr = runShell(t, "", "agent:"+agent.Socket(), "events")
	require.Equal(t, exitUsage, status)
	require.Contains(t, stderr, "a guest agent sends no events")
}

// server returns a server with the schema of a QEMU.
func server(t *testing.T) *qmptest.Server {
	answer, err := os.ReadFile("../../testdata/schema/captured/11.1/qemu.json")
	require.NoError(t, err)
	s := qmptest.NewServer(t, nil)
	s.Handle("query-qmp-schema", func(*qmptest.Request) (any, error) { return qmp.RawJSON(answer), nil })
	return s
}

// named returns a server whose query-name answers with a name.
func named(t *testing.T, name string) *qmptest.Server {
	s := server(t)
	s.Handle("query-name", qmptest.Return(map[string]string{"name": name}))
	s.Handle("query-version", qmptest.Return(map[string]any{"qemu": map[string]any{"major": 11, "minor": 1, "micro": 0}, "package": ""}))
	return s
}

// requestsOf returns the requests of a command that a server got.
func requestsOf(s *qmptest.Server, command string) (all []*qmptest.Request) {
	for _, r := range s.Requests() {
		if r.Command == command {
			all = append(all, r)
		}
	}
	return all
}

// TestNoAnswer sends commands to a server that does not answer, and to one that ends.
func TestNoAnswer(t *testing.T) {
	s := server(t)
	s.Handle("stop", func(*qmptest.Request) (any, error) { return nil, qmptest.ErrNoReply })
	status, _, stderr := runShell(t, "", s.Addr(), "stop", "-timeout", "50ms")
	require.Equal(t, exitUnknown, status)
	require.Equal(t, "qmpsh: no answer in the time of -timeout; the command was sent, and the server may still execute it\n", stderr)

	s.Handle("cont", func(r *qmptest.Request) (any, error) {
		r.Disconnect()
		return nil, qmptest.ErrNoReply
	})
	status, _, stderr = runShell(t, "", s.Addr(), "cont")
	require.Equal(t, exitUnknown, status, stderr)
}

func TestScan(t *testing.T) {
	for line, want := range map[string]string{
		`a b=1  c='x y'`:            `a/b=1/c='x y'`,
		`a {"x": [1, 2]} [1, 2]`:    `a/{"x": [1, 2]}/[1, 2]`,
		`a 'x | y' "z\" |" | jq .a`: `a/'x | y'/"z\" |"|jq .a`,
		`a 'x\' | jq .a`:            `a/'x\'|jq .a`,
		`a b|c`:                     `a/b|c`,
		`a x=\' | b`:                `a/x=\'|b`,
		``:                          ``,
	} {
		words, filter := scan(line)
		var parts []string
		for _, w := range words {
			require.Equal(t, w.text, line[w.from:w.to])
			parts = append(parts, w.text)
		}
		got := strings.Join(parts, "/")
		if filter != nil {
			got += "|" + *filter
		}
		require.Equal(t, want, got)
	}
	require.Equal(t, `a k='x y' n=1 o={"a": 1} "it's" k='\'`, joinWords([]string{"a", "k=x y", "n=1", `o={"a": 1}`, "it's", `k=\`}))
	for _, text := range []string{"x y", `it's`, `\`} {
		require.Equal(t, text, unquote(joinWords([]string{text})))
	}
}

func TestNames(t *testing.T) {
	for text, want := range map[string][2]string{
		"vm=/run/x":               {"vm", "/run/x"},
		"/run/vm1/qmp.sock":       {"vm1", "/run/vm1/qmp.sock"},
		"unix:/run/vm1.sock":      {"vm1", "unix:/run/vm1.sock"},
		"agent:/run/vm1/qga.sock": {"vm1-agent", "agent:/run/vm1/qga.sock"},
		"pid:12":                  {"pid:12", "pid:12"},
		"tcp:h:1":                 {"tcp:h:1", "tcp:h:1"},
		"unix:/run/a=b/vm2":       {"vm2", "unix:/run/a=b/vm2"},
	} {
		name, address := splitName(text)
		require.Equal(t, want, [2]string{name, address})
	}
}

// TestVersion: the version is there without a server, and in the shell.
func TestVersion(t *testing.T) {
	s := named(t, "vm")
	for _, args := range [][]string{{"-version"}, {"--version"}, {s.Addr(), "version"}} {
		status, stdout, stderr := runShell(t, "", args...)
		require.Equal(t, exitOK, status, stderr)
		require.Regexp(t, `^qmpsh \S+.*, built with go1\..*\nit knows QEMU 5.2 to \d+\.\d+\n$`, stdout)
	}
}

func TestMarkChange(t *testing.T) {
	require.Equal(t, "same", markChange("same", "same"))
	require.Equal(t, "count \x1b[7m2\x1b[0m of 3", markChange("count 1 of 3", "count 2 of 3"))
	require.Equal(t, "a\x1b[7m\x1b[0mb", markChange("axb", "ab"))
	require.Equal(t, "\x1b[7mnew\x1b[0m", markChange("", "new"))
}

func TestWork(t *testing.T) {
	require.Equal(t, "mirror j1                running    [##########----------]  50%  1.0 GiB of 2.0 GiB  256.0 MiB/s  4s left",
		work{name: "mirror j1", status: "running", done: 1 << 30, total: 2 << 30}.line(256<<20, 0))
	require.Equal(t, "migration                failed      no route", work{name: "migration", status: "failed", note: "no route", ended: true}.line(0, 0))
	var m meter
	start := time.Unix(0, 0)
	m.add(start, 0)
	require.Zero(t, m.rate())
	m.add(start.Add(2*time.Second), 100)
	require.Equal(t, 50.0, m.rate())
}

func TestEventFilter(t *testing.T) {
	require.True(t, eventFilter{}.matches("STOP"))
	require.False(t, eventFilter{off: true}.matches("STOP"))
	f := eventFilter{patterns: []string{"DEVICE_*", "STOP"}}
	require.True(t, f.matches("STOP"))
	require.True(t, f.matches("DEVICE_DELETED"))
	require.False(t, f.matches("RESUME"))
}

// TestValues lists what real QEMUs have, for completion.
func TestValues(t *testing.T) {
	qemutest.Run(t, qemutest.Versions, func(t *testing.T, q *qemutest.QEMU) {
		vm := q.Start(t, qemutest.Config{Machine: "pc", Args: []string{
			"-S", "-blockdev", "driver=null-co,node-name=root", "-device", "virtio-blk-pci,id=disk1,drive=root",
			"-netdev", "user,id=n1", "-device", "virtio-net-pci,id=nic1,netdev=n1", "-object", "iothread,id=io1", "-object", "secret,id=s1,data=x",
			"-drive", "if=virtio,format=raw,file.driver=null-co", "-device", "virtio-scsi-pci", "-blockdev", "driver=null-co,node-name=n2", "-device", "scsi-hd,id=sd0,drive=n2",
		}})
		c := vm.Dial(t)
		_, err := qmp.Raw{Command: "block-dirty-bitmap-add", Args: qmp.Args{"node": "root", "name": "b1"}}.Do(t.Context(), c)
		require.NoError(t, err)
		s := &session{conn: c, static: map[string][]value{}}
		file := filepath.Join(t.TempDir(), "disk.img")
		require.NoError(t, os.WriteFile(file, nil, 0o666))
		for kind, want := range map[string]string{
			"node": "root", "block-device": "disk1", "device": "nic1", "disk": "disk1", "nic": "nic1", "hmp": "info", "hmp:info": "block", "bitmap:root": "b1", "chardev": "compat_monitor0", "netdev": "n1",
			"object": "io1", "object:secret_common": "s1", "driver": "virtio-blk-pci", "qom-type": "iothread", "bus": "pci.0", "bus:virtio-net-pci": "pci.0",
			"qom-path:/mach": "/machine/", "qom-path:/machine/peripheral/d": "/machine/peripheral/disk1/", "qom-property:/machine": "type", "device-property:virtio-blk-pci": "drive",
			"object-property:iothread": "poll-max-ns", "cpu": "0", "option": "drive", "trace-event": "qmp_job_cancel",
			"file:" + filepath.Dir(file) + "/": file, "file:" + filepath.Dir(filepath.Dir(file)) + "/": filepath.Dir(file) + "/",
		} {
			if kind == "chardev" {
				want = "" // the name depends on how the test starts QEMU
			}
			values, err := s.values(t.Context(), kind)
			require.NoError(t, err, kind)
			var texts []string
			for _, v := range values {
				texts = append(texts, v.text)
			}
			if want != "" {
				require.Contains(t, texts, want, kind)
			} else {
				require.NotEmpty(t, texts, kind)
			}
		}
		t.Setenv("HOME", filepath.Dir(filepath.Dir(file)))
		home, err := s.values(t.Context(), "file:~/")
		require.NoError(t, err)
		require.Contains(t, home, value{text: "~/" + filepath.Base(filepath.Dir(file)) + "/"})
		disks, err := s.values(t.Context(), "disk") // also those whose devices have no ID
		require.NoError(t, err)
		require.Equal(t, []string{"disk1 null-co", "sd0 null-co", "virtio0 raw"}, []string{
			disks[0].text + " " + strings.Fields(disks[0].help)[0], disks[1].text + " " + strings.Fields(disks[1].help)[0], disks[2].text + " " + strings.Fields(disks[2].help)[0]})
		for _, kind := range []string{"job", "export", "snapshot", "memory", "fdset", "bitmap:other", "nothing"} {
			values, err := s.values(t.Context(), kind)
			require.NoError(t, err, kind)
			require.Empty(t, values, kind)
		}
	})
}

// TestBuses: completion offers each device the bus that it is on, and no bus of another type.
func TestBuses(t *testing.T) {
	qemutest.Run(t, qemutest.Versions, func(t *testing.T, q *qemutest.QEMU) {
		vm := q.Start(t, qemutest.Config{Machine: "q35", Args: []string{"-S", "-device", "virtio-scsi-pci,id=scsi0", "-device", "pcie-root-port,id=port0",
			"-device", "qemu-xhci,id=usb0", "-device", "usb-tablet,id=tablet0", "-device", "virtio-serial-pci,id=serial0",
			"-device", "virtserialport,id=port1", "-blockdev", "null-co,node-name=n",
			"-device", "scsi-hd,drive=n"}})
		c := vm.Dial(t)
		tree, err := ask[string](t.Context(), c, "human-monitor-command", qmp.Args{"command-line": "info qtree"})
		require.NoError(t, err)
		names := func(driver string) (names []string) {
			found, err := buses(t.Context(), c, driver)
			require.NoError(t, err)
			for _, v := range found {
				names = append(names, v.text)
			}
			return names
		}
		at := map[int]string{} // the buses above a line, by indentation
		devices := 0
		for line := range strings.Lines(tree) {
			text := strings.TrimLeft(line, " ")
			indent := len(line) - len(text)
			if name, ok := strings.CutPrefix(text, "bus: "); ok {
				at[indent] = strings.TrimSpace(name)
			} else if driver, ok := strings.CutPrefix(text, "dev: "); ok {
				driver, _, _ = strings.Cut(driver, ",")
				require.Contains(t, names(driver), at[indent-2], driver)
				devices++
			}
		}
		require.Greater(t, devices, 20)
		require.Subset(t, names("virtio-net-pci"), []string{"pcie.0", "port0"})
		require.NotContains(t, names("virtio-net-pci"), "scsi0.0")
		require.Equal(t, []string{"scsi0.0"}, names("scsi-hd"))
		require.Equal(t, []string{"usb0.0"}, names("usb-tablet"))
		require.NotContains(t, names(""), "main-system-bus")
	})
}

// TestCompleteLine completes what only the shell has: operations, what follows a bar, and the human monitor.
func TestCompleteLine(t *testing.T) {
	vm := qemutest.Get(t, "11.1").Start(t, qemutest.Config{Machine: "q35", Args: []string{"-S", "-device", "pcie-root-port,id=port0",
		"-blockdev", "driver=null-co,node-name=root", "-device", "virtio-blk-pci,id=disk1,drive=root"}})
	sh := newShell(io.Discard, io.Discard)
	defer sh.close()
	require.NoError(t, sh.open(t.Context(), vm.Socket()))
	_, once := sh.complete(t.Context(), "ballo", len("ballo"))
	require.Len(t, once, 1)
	for line, want := range map[string]string{
		"remove disk ": "disk1", "move ": "disk1", "remove device p": "port0", "query-block | ": "jq", "query-block | j": "jq",
		"query-block | s": "sh", "query-block | jq . | g": "grep", "query-block | jq main_te": "main_test.go", "hmp inf": "info", "hmp info bloc": "block",
		"query-block | jq '.[] | ": "", "help comm": "commands", "hmp info block ": "",
	} {
		_, candidates := sh.complete(t.Context(), line, len(line))
		var texts []string
		for _, c := range candidates {
			texts = append(texts, c.text)
		}
		if want == "disk1" {
			require.NotContains(t, texts, "port0", line)
		}
		if want == "" {
			require.Empty(t, texts, line)
			continue
		}
		require.Contains(t, texts, want, line)
	}
}
