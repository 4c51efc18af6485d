package operate_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/internal/operate"
)

// TestTable: each operation has a name, a help and arguments that Parse can fill.
func TestTable(t *testing.T) {
	seen := map[string]bool{}
	for _, op := range operate.All() {
		require.False(t, seen[op.Name], op.Name)
		seen[op.Name] = true
		require.NotEmpty(t, op.Help, op.Name)
		require.False(t, strings.HasSuffix(op.Help, "."), op.Name)
		require.NotNil(t, op.Run, op.Name)
		optional, args := false, map[string]bool{}
		for _, a := range op.Args {
			require.False(t, args[a.Name], "%s: %s", op.Name, a.Name)
			args[a.Name] = true
			require.NotEmpty(t, a.Help, "%s: %s", op.Name, a.Name)
			require.NotEmpty(t, a.Kind, "%s: %s", op.Name, a.Name)
			require.False(t, a.Required && a.Default != "", "%s: %s", op.Name, a.Name)
			if a.Positional {
				require.False(t, optional && a.Required, "%s: %s is required after one that is not", op.Name, a.Name)
				optional = !a.Required
			}
		}
	}
}

func TestUsage(t *testing.T) {
	for words, want := range map[string]string{
		"remove disk": "remove disk ID [jobs=ON|OFF] [backend=ON|OFF] [timeout=DURATION]",
		"snapshot":    "snapshot (DISK FILE)… [backing-file=TEXT…] [freeze=ON|OFF] [unencrypted=ON|OFF] [drop-bitmaps=ON|OFF]",
		"agent run":   "agent run [timeout=DURATION] [stdin=ON|OFF] PROGRAM…",
	} {
		op, _ := operate.Match(strings.Fields(words))
		require.Equal(t, want, op.Usage())
	}
}

func TestParse(t *testing.T) {
	for _, test := range []struct {
		words []string
		op    string
		want  operate.Values
	}{
		{[]string{"resize", "disk", "d0", "1.5G"}, "resize disk", operate.Values{"id": {"d0"}, "size": {"1.5G"}, "shrink": {"off"}}},
		{[]string{"resize", "disk", "size=4096", "d0"}, "resize disk", operate.Values{"id": {"d0"}, "size": {"4096"}, "shrink": {"off"}}},
		{[]string{"job", "cancel", "job=j", "timeout=5"}, "job cancel", operate.Values{"job": {"j"}, "timeout": {"5s"}}},
		{[]string{"set", "cpus", "4"}, "set cpus", operate.Values{"number": {"4"}, "timeout": {"1m"}}},
		{[]string{"bitmap", "add", "d0", "b", "volatile=yes", "granularity=64KiB"}, "bitmap add",
			operate.Values{"disk": {"d0"}, "bitmap": {"b"}, "volatile": {"on"}, "disabled": {"off"}, "granularity": {"64KiB"}}},
		{[]string{"snapshot", "d0", "a", "d1", "b", "freeze=on"}, "snapshot",
			operate.Values{"disk": {"d0", "d1"}, "file": {"a", "b"}, "freeze": {"on"}, "unencrypted": {"off"}, "drop-bitmaps": {"off"}}},
		{[]string{"agent", "run", "timeout=2m", "sh", "-c", "a=b; echo $a"}, "agent run",
			operate.Values{"timeout": {"2m"}, "stdin": {"off"}, "program": {"sh", "-c", "a=b; echo $a"}}},
		{[]string{"agent", "run", "stdin=on", "--", "a=b", "--"}, "agent run",
			operate.Values{"timeout": {"30s"}, "stdin": {"on"}, "program": {"a=b", "--"}}},
		{[]string{"add", "device", "r0", "virtio-rng-pci", "prop.max-bytes=1024", "prop.x-a=b=c"}, "add device",
			operate.Values{"id": {"r0"}, "driver": {"virtio-rng-pci"}, "prop": {"max-bytes=1024", "x-a=b=c"}, "wait": {"off"}, "timeout": {"1m"}}},
		{[]string{"agent", "read", "path=a=b"}, "agent read", operate.Values{"timeout": {"30s"}, "path": {"a=b"}}},
		{[]string{"agent", "read", "/A=b"}, "agent read", operate.Values{"timeout": {"30s"}, "path": {"/A=b"}}},
	} {
		op, values, err := operate.Parse(test.words)
		require.NoError(t, err, test.words)
		require.Equal(t, test.op, op.Name)
		require.Equal(t, test.want, values, test.words)
	}
}

// TestParseErrors: an error is at the word, and at the bytes of it that are wrong.
func TestParseErrors(t *testing.T) {
	for words, want := range map[string]operate.Error{
		"":                                   {0, 0, 0, "name of an operation expected"},
		"snapshto d0 f":                      {0, 0, 8, `no operation "snapshto"; did you mean snapshot?`},
		"frobnicate":                         {0, 0, 10, `no operation "frobnicate"`},
		"set":                                {1, 0, 0, "set what? balloon, cpus or memory"},
		"set cpu 4":                          {1, 0, 3, `no operation "set cpu"; did you mean cpus?`},
		"set house 4":                        {1, 0, 5, `no operation "set house": it is balloon, cpus or memory`},
		"resize disk":                        {2, 0, 0, "id is missing: name of the disk, from list disks: the ID of its device, or else the name of its drive; want resize disk ID SIZE"},
		"resize disk d0":                     {3, 0, 0, "size is missing: new size in bytes: 20G; want resize disk ID SIZE"},
		"resize disk d0 10Q":                 {3, 0, 3, `size: a number of bytes expected, for example 512M or 10G, not "10Q"`},
		"resize disk d0 +1G":                 {3, 0, 3, `size: a number of bytes expected, for example 512M or 10G, not "+1G"`},
		"resize disk d0 -1":                  {3, 0, 2, `size: a number of bytes expected, for example 512M or 10G, not "-1"`},
		"resize disk d0 9999999T":            {3, 0, 8, `size: a number of bytes expected, for example 512M or 10G, not "9999999T"`},
		"resize disk d0 1G 2G":               {4, 0, 2, "2G is one word too many; want resize disk ID SIZE"},
		"resize disk d0 id=d1 1G":            {3, 0, 2, "id is given twice"},
		"remove disk d0 jbos=on":             {3, 0, 4, `"remove disk" has no argument "jbos"; did you mean jobs?`},
		"remove disk d0 house=on":            {3, 0, 5, `"remove disk" has no argument "house": it has id, jobs, backend or timeout`},
		"remove disk d0 jobs=maybe":          {3, 5, 10, `jobs: on or off expected, not "maybe"`},
		"remove disk d0 jobs":                {3, 0, 4, "write jobs=on"},
		"remove disk d0 timeout=soon":        {3, 8, 12, `timeout: a duration expected, for example 30s or 5m, not "soon"`},
		"add disk d0 f format=qcow":          {4, 7, 11, `format: raw or qcow2 expected, not "qcow"; did you mean qcow2?`},
		"add disk d0 blockdev={":             {3, 9, 10, `blockdev: JSON expected, not "{"`},
		"add disk d0 node=":                  {3, 5, 5, "node: it is empty"},
		"add cpu two":                        {2, 0, 3, `number: a number expected, not "two"`},
		"throttle d0 10M":                    {2, 0, 3, "10M needs a name: write bytes=10M, read-bytes=10M or write-bytes=10M"},
		"throttle d0 off":                    {2, 0, 3, "write off=on"},
		"add disk d0 f raw":                  {4, 0, 3, "raw needs a name: write format=raw"},
		"snapshot d0 a d1":                   {4, 0, 0, "as many of file as of disk expected; want snapshot (DISK FILE)…"},
		"add device r0 virtio-rng-pci prop=": {4, 0, 4, `"add device" has no argument "prop": it has id, driver, bus, prop.NAME, wait or timeout`},
	} {
		op, _, err := operate.Parse(strings.Fields(words))
		require.Equal(t, &want, err, words)
		require.Equal(t, want.Word >= 2, op != nil, words)
	}
}

// TestHomeFolder: "~/" is the home folder in the names of files of this machine, also behind "=".
func TestHomeFolder(t *testing.T) {
	t.Setenv("HOME", "/home/me")
	for words, want := range map[string]string{
		"add disk d0 ~/x.img": "/home/me/x.img", "add disk d0 file=~/x.img": "/home/me/x.img", "add disk d0 ./~/x.img": "./~/x.img",
		"add disk d0 /a~/x": "/a~/x", "move d0 ~/x": "/home/me/x", "add disk d0 ~you/x": "~you/x",
	} {
		_, values, err := operate.Parse(strings.Fields(words))
		require.NoError(t, err)
		require.Equal(t, []string{want}, values["file"], words)
	}
	_, values, err := operate.Parse([]string{"agent", "read", "~/x", "~/y"})
	require.NoError(t, err)
	require.Equal(t, operate.Values{"timeout": {"30s"}, "path": {"~/x"}, "to": {"/home/me/y"}}, values, "path is a file of the guest")
}
