package cmdline

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/qmp/introspect"
)

// TestHelp compares texts of 70 columns.
func TestHelp(t *testing.T) {
	l := languageOf(t, "7.2", "qemu")
	for topic, want := range map[string]string{
		"block-commit": `
block-commit: a command; since QEMU 1.3

Arguments (* mandatory):
* device            the name of a block node
  job-id            a new name
  base-node         the name of a block node
  top-node          the name of a block node
  backing-file      the name of a file
  speed             bytes per second
  on-error          one of report, ignore, enospc, stop, auto
  filter-node-name  a new name
  auto-finalize     on or off
  auto-dismiss      on or off
  base              the name of a file; deprecated since QEMU 3.1, use
                    base-node
  top               the name of a file; deprecated since QEMU 3.1, use
                    top-node

Events that can follow: JOB_STATUS_CHANGE, BLOCK_JOB_READY,
  BLOCK_JOB_PENDING, BLOCK_JOB_COMPLETED, BLOCK_JOB_CANCELLED,
  BLOCK_JOB_ERROR

Not on this server:
  backing-mask-protocol  since QEMU 9.0

https://www.qemu.org/docs/master/interop/qemu-qmp-ref.html#command-QMP-block-core.block-commit
`,
		"netdev_add type=socket": `
netdev_add: a command; since QEMU 0.14

Arguments (* mandatory):
* id         a new name
* type       one of 14 values
  fd         a string
  listen     a string
  connect    a string
  mcast      a string
  localaddr  a string
  udp        a string

Events that can follow: NETDEV_STREAM_CONNECTED,
  NETDEV_STREAM_DISCONNECTED

https://www.qemu.org/docs/master/interop/qemu-qmp-ref.html#command-QMP-net.netdev_add
`,
		"set_password": `
set_password: a command; since QEMU 0.14

Arguments (* mandatory):
* protocol   one of vnc, spice
* password   a string
  connected  one of keep, fail, disconnect

And, depending on protocol:
  protocol=vnc: display

More: help set_password protocol=vnc

https://www.qemu.org/docs/master/interop/qemu-qmp-ref.html#command-QMP-ui.set_password
`,
		"blockdev-add file.aio": `
blockdev-add file.aio: one of threads, native, io_uring; with
  file.driver=file, host_cdrom, host_device

Values:
  threads
  native
  io_uring  needs a build with CONFIG_LINUX_IO_URING
`,
		"blockdev-add file.server": `
blockdev-add file.server: depends on file.driver

It is:
  file.driver=gluster  a list: [members, …]; mandatory; removed
                       between QEMU 10.2 and 11.1
  file.driver=nbd      members; mandatory
  file.driver=nfs      members; mandatory
  file.driver=rbd      a list: [members, …]
  file.driver=ssh      members; mandatory

More: help blockdev-add file.driver=gluster file.server
`,
		"query-status": `
query-status: a command; since QEMU 0.14

Result: an object:
  running     on or off
  singlestep  on or off; deprecated since QEMU 8.1; removed in QEMU
              9.0
  status      one of 16 values

https://www.qemu.org/docs/master/interop/qemu-qmp-ref.html#command-QMP-run-state.query-status
`,
		"query-block return inserted.drv": `
query-block return inserted.drv: a string
`,
		"DEVICE_DELETED": `
DEVICE_DELETED: an event; since QEMU 1.5

Data:
  path    a string
  device  a string

https://www.qemu.org/docs/master/interop/qemu-qmp-ref.html#event-QMP-qdev.DEVICE_DELETED
`,
		"BLOCK_IO_ERROR action": `
BLOCK_IO_ERROR action: one of ignore, report, stop

Values:
  ignore
  report
  stop
`,
		"blockdev-set-active": `
blockdev-set-active: a command that this server does not have; since
  QEMU 10.0

Members:
  active
  node-name

https://www.qemu.org/docs/master/interop/qemu-qmp-ref.html#command-QMP-block-core.blockdev-set-active
`,
		"change": `
change: a command that this server does not have; since QEMU 0.14;
  deprecated since QEMU 2.5, use blockdev-change-medium; removed in
  QEMU 6.0

Members:
  arg     removed in QEMU 6.0
  device  removed in QEMU 6.0
  target  removed in QEMU 6.0
`,
		"OnOffAuto": `
OnOffAuto: a type; since QEMU 2.2

Values:
  auto
  off
  on

https://www.qemu.org/docs/master/interop/qemu-qmp-ref.html#enum-QMP-common.OnOffAuto
`,
		"device_add driver=virtio-blk-pci": `
device_add: a command; since QEMU 0.13

Arguments (* mandatory):
* driver  a device driver
  bus     a bus
  id      a new name

Properties of virtio-blk-pci:
  bootindex  int32
  iothread   link<iothread>
  serial     str
  share-rw   bool: share
  size       size
  werror     BlockdevOnError
  x

Events that can follow: FAILOVER_NEGOTIATED,
  MEMORY_DEVICE_SIZE_CHANGE, ACPI_DEVICE_OST

https://www.qemu.org/docs/master/interop/qemu-qmp-ref.html#command-QMP-qdev.device_add
`,
	} {
		help, err := l.Help(t.Context(), topic)
		require.NoError(t, err, topic)
		assert.Equal(t, strings.TrimPrefix(want, "\n"), help.Text(70), topic)
	}
}

// TestHelpMistakes: an unknown topic has a place, too.
func TestHelpMistakes(t *testing.T) {
	l := languageOf(t, "11.1", "qemu")
	for topic, want := range map[string]string{
		"":                              "column 1: the topic is empty; want a command, an event or a type",
		"block_rezise":                  `column 1: there is no command, event or type "block_rezise"; did you mean block_resize?`,
		"block_resize siz":              `column 14: block_resize has no member "siz"; did you mean size?`,
		"blockdev-add file.filname":     `column 19: file has no member "filname"; did you mean filename?`,
		"block_resize size.x":           "column 19: size has no members",
		"query-sta":                     `column 1: there is no command, event or type "query-sta"; did you mean query-stats or query-status or query-stats-schemas?`,
		"query-block return inserted.x": `column 29: inserted has no member "x"`,
	} {
		_, err := l.Help(t.Context(), topic)
		require.EqualError(t, err, want)
	}
}

// TestHelpAll explains all commands, events and members of two levels, in any width.
func TestHelpAll(t *testing.T) {
	for _, version := range versions {
		for _, kind := range []string{"qemu", "storage", "guest"} {
			l := languageOf(t, version, kind)
			for _, info := range l.Schema.Infos {
				switch info.(type) {
				case *introspect.Command, *introspect.Event:
				default:
					continue
				}
				name := info.Head().Name
				help, err := l.Help(t.Context(), name)
				require.NoError(t, err)
				require.Equal(t, name, help.Topic)
				for line := range strings.Lines(help.Text(60)) {
					if !strings.HasPrefix(line, "https://") {
						require.LessOrEqual(t, utf8.RuneCountInString(line)-1, 60, "%s", line)
					}
				}
				require.NotEmpty(t, help.Text(0))
				if help.More != "" {
					_, err := l.Help(t.Context(), help.More)
					require.NoError(t, err)
				}
				for _, m := range help.Members {
					below, err := l.Help(t.Context(), name+" "+m.Name)
					require.NoError(t, err)
					require.Equal(t, name+" "+m.Name, below.Topic)
					require.Equal(t, "member", below.Kind)
				}
			}
		}
	}
}
