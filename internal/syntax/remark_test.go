package syntax

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// TestSinceVersions reads remarks in the forms that QEMU's documentation has.
func TestSinceVersions(t *testing.T) {
	for text, want := range map[string][]string{
		"the name (since 3.0)":                             {"3.0"},
		"the name (Since: 2.4)":                            {"2.4"},
		"the name (default: on, since 4.0)":                {"4.0"},
		"a number (since 6.1; default: auto)":              {"6.1"},
		"a name (since: 5.2; with a remark)":               {"5.2"},
		"a name (since QEMU 2.7)":                          {"2.7"},
		"since 2.9":                                        {"2.9"},
		"a name.  Since 7.0.1":                             {"7.0.1"},
		"a name. Since 1.6.0.":                             {"1.6.0"},
		"Since 2.4 (`drive-backup`)":                       {"2.4"},
		"a name. since: 10.1 -- since 9.1 on s390x --":     {"10.1", "9.1"},
		"(since 4.1 for object types, 4.2 for commands)":   {"4.1"},
		"a name (since 0.14.0) or (since 2.0)":             {"0.14.0", "2.0"},
		"uses an ioctl (since Linux 2.6.33)":               nil,
		"must be a file, but since QEMU 2.7 it can have s": nil,
		"the time since the last I/O operation":            nil,
		"TODO: 1.6":                                        nil,
	} {
		require.Equal(t, want, SinceVersions([]string{text}), text)
	}
	require.Equal(t, []string{"5.1"}, SinceVersions([]string{"the name (default: zlib,", "    since 5.1)"}))
}

func TestNamedVersions(t *testing.T) {
	got := NamedVersions([]string{"(poweroff since 2.8, run since 5.0)", "- @abort: since 1.6", "'l2tpv3' - since 2.1",
		"nvdimm is included since 2.12. virtio-pmem is included since 4.1.", "@vhost-vdpa since 5.1"})
	want := map[string][]string{"poweroff": {"2.8"}, "run": {"5.0"}, "abort": {"1.6"}, "l2tpv3": {"2.1"},
		"nvdimm": {"2.12"}, "virtio-pmem": {"4.1"}, "vhost-vdpa": {"5.1"}}
	for name, versions := range want {
		require.Equal(t, versions, got[name], name)
	}
}

func TestInstead(t *testing.T) {
	for text, want := range map[string]string{
		"Use @id instead.":                         "id",
		"Use argument ``id`` instead.":             "id",
		"This command is deprecated. Use 'foo-x'.": "foo-x",
		"superseded by @members":                   "members",
		"to be removed with no replacement":        "",
	} {
		require.Equal(t, want, Instead([]string{text}), text)
	}
}

// TestPrintKeepsRemarks prints documentation: only versions and replacements are left of the prose.
func TestPrintKeepsRemarks(t *testing.T) {
	const text = `
##
# @Foo:
#
# Prose of the whole.
#
# @a: prose of a (since 3.0)
#
# @b: prose of b
#
# @c: prose of c (default: 1, since 4.0) and more
#     prose
#
# Features:
#
# @deprecated: Member @a is deprecated.  Use @b instead.
# @fast: prose (since 5.1)
# @slow: prose
#
# Since: 2.0 (prose)
##
{ 'struct': 'Foo', 'data': {} }
`
	const want = `##
# @Foo:
#
# @a: (since 3.0)
#
# @c: (since 4.0)
#
# Features:
#
# @deprecated: (use b)
# @fast: (since 5.1)
# @slow:
#
# Since: 2.0
##
{ 'struct': 'Foo',
  'data': {} }
`
	printed := Print(Parse([]byte(text)))
	require.Equal(t, want, string(printed))
	require.Equal(t, want, string(Print(Parse(printed))))
	for _, s := range Parse(printed).Items[0].(*Doc).Sections {
		require.True(t, s.Kind == Tagged || len(s.Lines) == 0 || IsRemark(s.Lines), s.Lines)
	}
	require.False(t, IsRemark([]string{"prose (since 3.0)"}))
}
