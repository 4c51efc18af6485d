package cmdline

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// kindsOnly returns the kind itself as its only value, to see which kind was asked for.
func kindsOnly(ctx context.Context, kind Kind) ([]Value, error) {
	if name, _ := kind.Cut(); strings.HasSuffix(name, "-property") {
		if values, err := someValues(ctx, kind); err != nil || name != "qom-property" {
			return values, err
		}
	}
	return []Value{{Text: "<" + string(kind) + ">"}}, nil
}

// TestComplete: the bar is the cursor. A text that ends in " " is one that a blank can follow; the first texts are
// compared.
func TestComplete(t *testing.T) {
	for _, test := range []struct{ line, texts string }{
		{"|", "add-fd ,add_client ,announce-self "},
		{"query-bl|", "query-block ,query-block-exports ,query-block-jobs ,query-blockstats "},
		{"x-no-such|", ""},
		{"no-such-command |", ""},
		{"query-status |", ""},
		{"block_resize |", "size=,device=,node-name="},
		{"block_resize |size=1", "size=,device=,node-name="}, // the cursor is at the word size
		{"block_resize | size=1", "device=,node-name="},
		{"block_resize size=1 n|", "node-name="},
		{"block_resize node-name=|", "<node> "},
		{"block_resize node-name='|", "'<node>' "},
		{`block_resize node-name="|`, `"<node>" `},
		{"block_resize no| node-name=x", ""},
		{"block_resize siz=1 |", "size=,device=,node-name="}, // a mistake elsewhere

		// Branches: the discriminator can follow.
		{"blockdev-add | driver=file", "filename=,node-name=,discard=,cache.,active=,read-only="},
		{"blockdev-add fil| driver=file", "filename="},
		{"blockdev-add driver=qcow2 file|", "file=,file."},
		{"blockdev-add driver=qcow2 file.dr|", "driver="},
		{"blockdev-add driver=qcow2 file.driver=fi|", "file "},
		{"blockdev-add driver=qcow2 file.driver=file file.a|", "active=,auto-read-only=,aio=,aio-max-batch="},
		{"blockdev-add driver=qcow2 file=|", "<node> "},
		{"blockdev-add driver=qcow2 backing=n|", "null "},
		{"blockdev-add driver=qcow2 read-only=|", "on ,off "},
		{"blockdev-add driver=qcow2 read-only=t|", "true "},
		{"blockdev-add driver=qcow2 cache=|", "{"},
		{"netdev_add type=user id=x hostfwd=|", "["},

		// Braces and brackets; JSON offers JSON.
		{"blockdev-add driver=qcow2 file={|", "driver: ,node-name: "},
		{"blockdev-add driver=qcow2 file={driver: file, |", "filename: ,node-name: "},
		{"blockdev-add driver=qcow2 file={driver: fi|", "file"},
		{"blockdev-add driver=qcow2 file={\"dr|", `"driver": `},
		{"blockdev-add driver=qcow2 file={\"driver\": |", `"blkdebug",`},
		{"blockdev-add driver=quorum children=[a, |", "<node>,{"},
		{"blockdev-add driver=quorum children=[a, {|", "driver: "},
		{"blockdev-add driver=quorum children.|", "0="},
		{"blockdev-add driver=quorum children.0=a children.|", "1="},
		{"block-dirty-bitmap-merge node=n bitmaps=a,|", "<bitmap:n>"},
		{"transaction actions=[{type: block-dirty-bitmap-remove, data: {node: n, name: |", "<bitmap:n>"},
		{"{|", `"execute": ,"arguments": ,"exec-oob": `},
		{`{"execute": "query-sta|`, `"query-stats","query-stats-schemas","query-status"`},
		{`{"exec-oob": "m|`, `"migrate-pause","migrate-recover"`},
		{`{"execute": "block_resize", "arguments": {|`, `"size": ,"device": ,"node-name": `},
		{`{"execute": "query-block", "arguments": {"flat": |`, "true,false"},

		// Kinds.
		{"device_add driver=|", "<driver> "},
		{"device_add driver=virtio-blk-pci |", "bus=,id=,bootindex=,iothread=,serial=,share-rw="},
		{"device_add driver=virtio-blk-pci share-rw=|", "on ,off "},
		{"device_add driver=virtio-blk-pci werror=|", "auto ,enospc ,ignore ,report ,stop "},
		{"device_add driver=virtio-blk-pci drive=|", "<node> "},
		{"device_add driver=virtio-blk-pci iothread=|", "<object:iothread> "},
		{"device_del id=|", "<device> "},
		{"qom-get path=/mach|", ""},
		{"qom-get path=<|", "<qom-path:<> "},
		{"qom-get path=/machine property=|", "<qom-property:/machine> "},
		{"job-cancel id=|", "<job> "},
		{"blockdev-backup device=d bitmap=|", "<bitmap:d> "},
		{"block-stream job-id=|", ""},
		{"human-monitor-command command-line=x cpu-index=|", "<cpu> "},
		{"migrate-set-parameters tls-creds=|", "null ,<object:tls-creds> "},
		{"blockdev-snapshot-delete-internal-sync device=d name=|", "<snapshot:d> "},
	} {
		l := languageOf(t, "11.1", "qemu")
		l.Values = kindsOnly
		head, tail, _ := strings.Cut(test.line, "|")
		from, candidates := l.Complete(t.Context(), head+tail, len(head))
		require.LessOrEqual(t, from, len(head))
		var texts []string
		for _, c := range candidates {
			if c.Space {
				c.Text += " "
			}
			texts = append(texts, c.Text)
		}
		got := strings.Join(texts, ",")
		if test.texts == "" {
			assert.Empty(t, got, test.line)
			continue
		}
		assert.True(t, strings.HasPrefix(got, test.texts), "%s\n%s", test.line, got)
	}
}

// TestCompleteHelp: a candidate says what it stands for.
func TestCompleteHelp(t *testing.T) {
	l := languageOf(t, "11.1", "qemu")
	for line, want := range map[string]Candidate{
		"block_res":                                      {"block_resize", "size= …", true},
		"block-export-":                                  {"block-export-add", "type= id= node-name= …", true},
		"block_resize s":                                 {"size=", "mandatory: a size in bytes", false},
		"block-commit device=d t":                        {"top=", "the name of a file; deprecated, use top-node", false},
		"blockdev-add driver=qcow2 act":                  {"active=", "on or off; since QEMU 10.0", false},
		"blockdev-add driver=copy-before-write b":        {"bitmap.", "members; since QEMU 7.0", false},
		"block_resize node-name=d":                       {"disk0", "of a guest", true},
		"qom-set path=/machine property=share-rw value=": {"on", "", true},
		"device_add driver=x share-":                     {"share-rw=", "bool: share", false},
	} {
		_, candidates := l.Complete(t.Context(), line, len(line))
		assert.True(t, slices.Contains(candidates, want), "%s %+v", line, candidates)
	}
}

// TestEventTable: the table of events names commands and events that a known server has.
func TestEventTable(t *testing.T) {
	names := map[string]bool{}
	for _, version := range versions {
		for _, info := range languageOf(t, version, "qemu").Schema.Infos {
			names[info.Head().Name] = true
		}
	}
	for _, row := range eventTable {
		for _, name := range strings.Fields(row.commands + " " + row.events) {
			require.True(t, names[name], name)
		}
	}
}
