package cmdline

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestParse(t *testing.T) {
	for _, test := range []struct{ line, command, arguments string }{
		{"query-status", "query-status", `{}`},
		{"  query-status\n", "query-status", `{}`},
		{"block_resize node-name=data size=10G", "block_resize", `{"node-name":"data","size":10737418240}`},
		{"block_resize node-name=data size=1.5KiB", "block_resize", `{"node-name":"data","size":1536}`},
		{"block_resize node-name=data size=0xff", "block_resize", `{"node-name":"data","size":255}`},
		{"block_resize node-name=7 size=18446744073709551615", "block_resize", `{"node-name":"7","size":18446744073709551615}`},
		{"query-block flat=on", "query-block", `{"flat":true}`},
		{"query-block flat=false", "query-block", `{"flat":false}`},

		// Objects in parts, in braces, as JSON, and the discriminator behind the members of its branch.
		{"blockdev-add driver=qcow2 node-name=data file.driver=file file.filename='/srv/my data'", "blockdev-add",
			`{"driver":"qcow2","file":{"driver":"file","filename":"/srv/my data"},"node-name":"data"}`},
		{"blockdev-add file={filename: /x, driver: file, cache={direct=on}} node-name=d driver=qcow2 backing=null", "blockdev-add",
			`{"backing":null,"driver":"qcow2","file":{"cache":{"direct":true},"driver":"file","filename":"/x"},"node-name":"d"}`},
		{"blockdev-add file={driver: file} file.filename=/x driver=raw", "blockdev-add", `{"driver":"raw","file":{"driver":"file","filename":"/x"}}`},
		{`blockdev-add {"driver": "null-co", "node-name": "n"} read-only=on`, "blockdev-add", `{"driver":"null-co","node-name":"n","read-only":true}`},
		{"blockdev-add driver=raw file=below", "blockdev-add", `{"driver":"raw","file":"below"}`},
		{`blockdev-add driver=qcow2 file=f backing="null"`, "blockdev-add", `{"backing":"null","driver":"qcow2","file":"f"}`},
		{`{"execute": "block_resize", "arguments": {"node-name": "x", "size": 1024}, "id": 7}`, "block_resize", `{"node-name":"x","size":1024}`},
		{"{execute: query-status}", "query-status", `{}`},
		{"{\"execute\": \"query-block\",\n \"arguments\": {\"flat\": true}}", "query-block", `{"flat":true}`},

		// Lists.
		{"blockdev-add driver=quorum children=[a, b, {driver=null-co}] vote-threshold=1", "blockdev-add",
			`{"children":["a","b",{"driver":"null-co"}],"driver":"quorum","vote-threshold":1}`},
		{"blockdev-add driver=quorum children.1.driver=null-co children.0=a vote-threshold=1", "blockdev-add",
			`{"children":["a",{"driver":"null-co"}],"driver":"quorum","vote-threshold":1}`},
		{"block-dirty-bitmap-merge node=n target=t bitmaps=a,b", "block-dirty-bitmap-merge", `{"bitmaps":["a","b"],"node":"n","target":"t"}`},
		{"block-dirty-bitmap-merge node=n target=t bitmaps=[a,{node: m, name: 'b c'}]", "block-dirty-bitmap-merge",
			`{"bitmaps":["a",{"name":"b c","node":"m"}],"node":"n","target":"t"}`},
		{"block-dirty-bitmap-merge node=n target=t bitmaps=[]", "block-dirty-bitmap-merge", `{"bitmaps":[],"node":"n","target":"t"}`},
		{"transaction actions=[{type: abort, data: {}}, {type: block-dirty-bitmap-add, data: {node: a, name: b}}]", "transaction",
			`{"actions":[{"data":{},"type":"abort"},{"data":{"name":"b","node":"a"},"type":"block-dirty-bitmap-add"}]}`},
		{"block-export-add type=nbd id=e node-name=n iothread=[a,b]", "block-export-add", `{"id":"e","iothread":["a","b"],"node-name":"n","type":"nbd"}`},

		// Text.
		{`human-monitor-command command-line=info\ block`, "human-monitor-command", `{"command-line":"info block"}`},
		{"human-monitor-command command-line='info block' \\\n cpu-index=0", "human-monitor-command", `{"command-line":"info block","cpu-index":0}`},
		{`human-monitor-command command-line="a\t\"\u00e9\ud83d\ude00"`, "human-monitor-command", `{"command-line":"a\t\"é😀"}`},
		{"human-monitor-command command-line=", "human-monitor-command", `{"command-line":""}`},
		{"human-monitor-command command-line=it's", "human-monitor-command", `{"command-line":"it's"}`},
		{"migrate-set-parameters tls-creds=null max-bandwidth=1G", "migrate-set-parameters", `{"max-bandwidth":1073741824,"tls-creds":null}`},
		{"migrate-set-parameters tls-creds='null'", "migrate-set-parameters", `{"tls-creds":"null"}`},

		// Properties: their types come from Values.
		{"device_add driver=virtio-blk-pci id=d share-rw=on serial=123 bootindex=1 size=64K addr=5 werror=stop other=7 third=on", "device_add",
			`{"addr":"5","bootindex":1,"driver":"virtio-blk-pci","id":"d","other":7,"serial":"123","share-rw":true,"size":65536,"third":"on","werror":"stop"}`},
		{"device_add driver=none share-rw=on serial=123 x.0.y=1 x.1.y=[1,2.5,null,true,{a: b}]", "device_add",
			`{"driver":"none","serial":123,"share-rw":"on","x":[{"y":1},{"y":[1,2.5,null,true,{"a":"b"}]}]}`},
		{"qom-set path=/machine property=share-rw value=off", "qom-set", `{"path":"/machine","property":"share-rw","value":false}`},
		{"qom-set path=/machine property=serial value=5", "qom-set", `{"path":"/machine","property":"serial","value":"5"}`},
		{"qom-set path=/machine property=x value='5'", "qom-set", `{"path":"/machine","property":"x","value":"5"}`},
		{"query-cpu-model-expansion type=full model.name=host model.props.avx=false", "query-cpu-model-expansion",
			`{"model":{"name":"host","props":{"avx":false}},"type":"full"}`},
	} {
		command, err := languageOf(t, "11.1", "qemu").Parse(t.Context(), test.line)
		require.NoError(t, err, test.line)
		require.Equal(t, test.command, command.Name)
		require.Equal(t, test.arguments, string(command.Arguments()), test.line)
		require.False(t, command.OOB)
		require.False(t, NeedsMore(test.line))
		require.Equal(t, command.Args, command.Raw().Args)
	}
}

// TestParseOld: up to QEMU 5.2, object-add takes properties in two ways.
func TestParseOld(t *testing.T) {
	l := languageOf(t, "5.2", "qemu")
	for line, want := range map[string]string{
		"object-add qom-type=t id=i props.size=1G props.share-rw=on": `{"id":"i","props":{"share-rw":true,"size":1073741824},"qom-type":"t"}`,
		"object-add qom-type=t id=i size=1G serial=0":                `{"id":"i","qom-type":"t","serial":"0","size":1073741824}`,
		"change device=d target=t":                                   `{"device":"d","target":"t"}`,
	} {
		command, err := l.Parse(t.Context(), line)
		require.NoError(t, err)
		require.Equal(t, want, string(command.Arguments()))
	}
}

func TestOOB(t *testing.T) {
	l := languageOf(t, "11.1", "qemu")
	command, err := l.Parse(t.Context(), `{"exec-oob": "migrate-pause"}`)
	require.NoError(t, err)
	require.True(t, command.OOB)
}

func TestWarnings(t *testing.T) {
	l := languageOf(t, "11.1", "qemu")
	command, err := l.Parse(t.Context(), "block-commit device=x base=y")
	require.NoError(t, err)
	require.Equal(t, []Warning{{22, 26, "base is deprecated since QEMU 3.1; use base-node"}}, command.Warnings)
}

// TestMistakes: each mistake is at its place, with what was expected.
func TestMistakes(t *testing.T) {
	for _, test := range []struct{ line, mark, want string }{
		{"qurey-status", "^^^^^^^^^^^^",
			`column 1: there is no command "qurey-status"; did you mean query-status or query-stats?`},
		{"query-sta", "^^^^^^^^^", `column 1: there is no command "query-sta"; did you mean query-stats or query-status or query-stats-schemas?`},
		{"pause", "^^^^^", `column 1: there is no command "pause"; did you mean stop?`},
		{"guest-ping", "^^^^^^^^^^", `column 1: there is no command "guest-ping"; a guest agent has such commands: open agent:ADDRESS, then use its session`},
		{"info block", "^^^^", `column 1: there is no command "info"; the human monitor has one: write hmp info`},
		{"change device=x target=y", "^^^^^^",
			`column 1: there is no command "change" on this server; QEMU 6.0 removed it; use blockdev-change-medium; did you mean change-backing-file or change-vnc-password?`},
		{"STOP", "^^^^", `column 1: STOP is an event, not a command; did you mean stop?`},
		{"query-status x=1", "             ^", "column 14: query-status takes no arguments"},
		{"block_resize nodename=data size=10G", "             ^^^^^^^^",
			`column 14: block_resize has no member "nodename"; did you mean node-name?`},
		{"block_resize node-name=d size=10GG", "                              ^^^^",
			`column 31: size: "10GG" is not a size in bytes; want bytes, such as 512, 0x200, 64K or 10G`},
		{"block_resize node-name=d size='10'", "                              ^^^^",
			"column 31: size takes no string; want a size in bytes, without quotes"},
		{"block_resize node-name=d size=-0x8000000000000001", "                              ^^^^^^^^^^^^^^^^^^^",
			`column 31: size: "-0x8000000000000001" is not a size in bytes; want bytes, such as 512, 0x200, 64K or 10G`},
		{"migrate-set-parameters downtime-limit=1K", "                                      ^^",
			`column 39: downtime-limit: "1K" is not an integer; want a number such as 5 or 0x5`},
		{"block_resize node-name=data", "                           ^",
			"column 28: the mandatory member size is missing; want size=a size in bytes"},
		{"device_del disk0", "           ^^^^^", `column 12: "disk0" is a value without a name; want id=disk0`},
		{"device_add virtio-blk-pci id=d", "           ^^^^^^^^^^^^^^", `column 12: "virtio-blk-pci" is a value without a name; want driver=virtio-blk-pci`},
		{"block_resize node", "             ^^^^", `column 14: block_resize has no member "node"; did you mean node-name?`},
		{"block-dirty-bitmap-add persistent=on", "                                    ^",
			"column 37: the mandatory members node, name are missing; want node=the name of a block node"},
		{"block_resize size=1 size=2", "                    ^^^^^^", "column 21: size is given twice"},
		{"block_resize size=1 {size: 2}", "                     ^^^^^^^", "column 22: size is given twice"},
		{"block_resize size.x=1", "                  ^", "column 19: size has no members; want size=VALUE"},
		{"block_resize size=[1]", "                  ^^^", "column 19: size takes no list; want a size in bytes"},
		{"query-block flat=yes", "                 ^^^", `column 18: flat: "yes" is not on or off; want on, off, true or false`},
		{"query-block flat", "            ^^^^", "column 13: flat has no value; want flat=VALUE"},
		{"query-block =on", "            ^^^", "column 13: a name is missing before the equals sign; want NAME=VALUE"},
		{"blockdev-add driver=fil", "                    ^^^",
			`column 21: driver has no value "fil"; want one of blkdebug, blklogwrites, blkreplay, blkverify, bochs, cloop, compress, copy-before-write, copy-on-read, dmg, file, snapshot-access, …; did you mean file?`},
		{"blockdev-add driver=gluster", "                    ^^^^^^^",
			`column 21: driver has no value "gluster" on this server; QEMU 11.1 removed it; want one of blkdebug, blklogwrites, blkreplay, blkverify, bochs, cloop, compress, copy-before-write, copy-on-read, dmg, file, snapshot-access, …`},
		{"blockdev-add driver=qcow2 file.driver=file file.filename=x file.aio=io_urin", "                                                                    ^^^^^^^",
			`column 69: file.aio has no value "io_urin"; want one of threads, native, io_uring; did you mean io_uring?`},
		{"blockdev-add filename=/x", "             ^^^^^^^^", "column 14: filename needs driver=file or host_cdrom or host_device or io_uring"},
		{"blockdev-add filename=/x driver=nbd", "             ^^^^^^^^",
			"column 14: filename is not a member here, but with driver=file or host_cdrom or host_device or io_uring"},
		{"query-block flat=", "                 ^", "column 18: flat: a value is missing; want on, off, true or false"},
		{"blockdev-add driver=raw file.=x", "                             ^", "column 30: a name is missing; want file.NAME=VALUE"},
		{"blockdev-add driver=raw file=x file.driver=file", "                             ^", "column 30: file is an object; want members: file.NAME=VALUE, or file={…}"},
		{"blockdev-add driver=quorum vote-threshold=1 children.0=a children.2=b", "                                                                     ^",
			"column 70: children.1 is missing before children.2"},
		{"blockdev-add driver=quorum vote-threshold=1 children.x=a", "                                                     ^", "column 54: children is a list; want children.0, children.1, … or children=[…]"},
		{"blockdev-add driver=quorum children=[a b]", "                                       ^", "column 40: a comma is missing; want , or ]"},
		{"blockdev-add driver=quorum children=[a", "                                      ^", "column 39: the closing bracket is missing; want ]"},
		{"transaction actions=[{type: abort, data: {x: 1}}]", "                                          ^", "column 43: actions.0.data takes no members"},
		{"migrate-set-capabilities capabilities=xbzrle", "                                      ^^^^^^", "column 39: capabilities.0 is an object; want members: capabilities.0.NAME=VALUE, or capabilities.0={…}"},
		{`human-monitor-command command-line="info`, "                                        ^", `column 41: the closing quote is missing; want "`},
		{`human-monitor-command command-line="\x"`, "                                    ^^", `column 37: JSON has no such escape; want \", \\, \/, \b, \f, \n, \r, \t or \u and four digits`},
		{`human-monitor-command command-line="a"b`, "                                      ^", "column 39: text follows a value; want a blank"},
		{`{"exec-oob": "query-status"}`, "             ^^^^^^^^^^^^^^", `column 14: query-status cannot be executed out of band; want "execute" in place of "exec-oob"`},
		{`{"execute": "query-status", "argument": {}}`, "                            ^^^^^^^^^^", `column 29: not a member of a request, or not of this type; want {"execute": COMMAND, "arguments": {…}}`},
		{"device_add driver=virtio-blk-pci sharerw=on", "                                 ^^^^^^^", "column 34: virtio-blk-pci has no property sharerw; did you mean share-rw?"},
		{"device_add driver=virtio-blk-pci share-rw=1", "                                          ^", "column 43: share-rw is a boolean; want on or off"},
		{"device_add driver=virtio-blk-pci bootindex=first", "                                           ^^^^^", "column 44: bootindex is an integer (int32); want an integer, or a size such as 64K"},
		{"query-block \xff", "^^^^^^^^^^^^^", "column 1: the line is not text in UTF-8"},
		{"", "^", "column 1: the line is empty; want a command"},
	} {
		_, err := languageOf(t, "11.1", "qemu").Parse(t.Context(), test.line)
		e, ok := err.(*Error)
		require.True(t, ok, test.line)
		assert.Equal(t, test.want, e.Error(), test.line)
		assert.Equal(t, test.line+"\n"+test.mark, e.Mark(test.line))
	}
}

// TestMark: the mark is below the line that has the mistake.
func TestMark(t *testing.T) {
	line := "block_resize \\\n\tsize=é"
	_, err := languageOf(t, "11.1", "qemu").Parse(t.Context(), line)
	require.Equal(t, "\tsize=é\n\t     ^", err.(*Error).Mark(line))
}

func TestNeedsMore(t *testing.T) {
	for line, want := range map[string]bool{
		"query-status":                false,
		"query-status \\":             true,
		"query-status \\\n":           false,
		"x a={":                       true,
		"x a=[1,":                     true,
		"x a=\"b":                     true,
		"x a='b\n":                    true,
		"x a='b\n'":                   false,
		"x a=[1 2":                    false, // a mistake that the next line does not mend
		"x a=b'":                      false,
		`{"execute": "query-status"`:  true,
		`{"execute": "query-status"}`: false,
		"":                            false,
	} {
		require.Equal(t, want, NeedsMore(line), line)
	}
}

// TestDepth: what is nested too deeply is a mistake, as it cannot be sent.
func TestDepth(t *testing.T) {
	l := languageOf(t, "11.1", "qemu")
	for _, deep := range []string{
		"value" + strings.Repeat(".a", 2000) + "=1",
		"value=" + strings.Repeat("[", 2000) + strings.Repeat("]", 2000),
		"value=" + strings.Repeat("{a: ", 2000) + "1" + strings.Repeat("}", 2000),
	} {
		_, err := l.Parse(t.Context(), "qom-set path=/x property=y "+deep)
		e, ok := err.(*Error)
		require.True(t, ok)
		require.Contains(t, e.Reason, "too many")
	}
	line := "qom-set path=/x property=y value" + strings.Repeat(".a", 199) + "=" + strings.Repeat("{a: ", 199) + "1" + strings.Repeat("}", 199)
	command, err := l.Parse(t.Context(), line)
	require.NoError(t, err)
	require.Len(t, command.Arguments(), len(`{"path":"/x","property":"y","value":`)+398*len(`{"a":}`)+len("1}"))
}
