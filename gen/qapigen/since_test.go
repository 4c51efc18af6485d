package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/qapi/facts"
)

// output runs qapigen and returns what it printed.
func output(t *testing.T, status int, args ...string) (stdout, stderr string) {
	t.Helper()
	var out, errs strings.Builder
	require.Equal(t, status, run(args, &out, &errs), errs.String())
	return out.String(), errs.String()
}

// TestSince asks for paths of each kind.
func TestSince(t *testing.T) {
	out, _ := output(t, exitOK, "since", "migrate/arg-type/blk", "drive-backup", "guest-exec", "x-query-profile/$unstable",
		"blockdev-add/arg-type/+file/aio/^io_uring", "query-block/arg-type/flat")
	require.Equal(t, `migrate/arg-type/blk: since 0.14 (documentation of 5.2); deprecated since 8.2 (history); removed in 9.1 (history); use blockdev-mirror
drive-backup: since 1.6 (documentation of 5.2); deprecated since 6.2 (history); use blockdev-backup
guest-exec: since 2.5 (documentation of 5.2)
x-query-profile/$unstable: since 6.2 (documentation of 7.2); removed in 8.1 (history); needs CONFIG_TCG
blockdev-add/arg-type/+file/aio/^io_uring: since 5.0 (documentation of 5.2); needs CONFIG_LINUX_IO_URING
query-block/arg-type/flat: since 11.1 (between the schemas of 10.2 and 11.1)
`, out)

	out, stderr := output(t, exitFailure, "since", "stop", "none-such")
	require.Contains(t, out, "stop: since 0.14")
	require.Equal(t, "qapigen: there is no none-such in any known QEMU (5.2 to 11.1)\n", stderr)
	_, stderr = output(t, exitFailure, "since", "-server", "storage", "stop")
	require.Contains(t, stderr, "there is no stop in any known QEMU")
	_, stderr = output(t, exitFailure, "since", "stop//x")
	require.Contains(t, stderr, "a component is empty; qapigen help query has the grammar")
}

// TestSinceAll goes through all paths.
func TestSinceAll(t *testing.T) {
	out, _ := output(t, exitOK, "since", "-all", "-json")
	var rows []map[string]any
	require.NoError(t, json.Unmarshal([]byte(out), &rows))
	require.Greater(t, len(rows), 5000)
	seen := map[any]bool{}
	for _, row := range rows {
		require.NotEmpty(t, row["since"], row)
		require.NotEmpty(t, row["sinceSource"], row)
		require.False(t, seen[row["path"]], row)
		seen[row["path"]] = true
		for _, kind := range []string{"removed", "deprecated", "unstable"} {
			require.Equal(t, row[kind] != nil, row[kind+"Source"] != nil, row)
		}
	}
	require.True(t, seen["query-cpus"], "what is gone")
	require.True(t, seen["netdev_add/arg-type/+stream/reconnect/$$deprecated"])
}

// TestList lists a range.
func TestList(t *testing.T) {
	out, _ := output(t, exitOK, "list", "-qemu", "8.2..10.0", "-gone", "migration")
	require.Contains(t, out, "gone  migrate/arg-type/blk ")
	require.NotContains(t, out, "MEM_UNPLUG_ERROR", "another module")
	require.NotContains(t, out, "query-migrate/ret-type/disk/", "what is below something that is listed")

	out, _ = output(t, exitOK, "list", "-qemu", "7.2..11.1", "-gone")
	require.Contains(t, out, "/+vmdk/data/extents/backing-filename ", "the type of extents has changed")
	require.Contains(t, out, "gone  query-sgx-capabilities/ret-type/section-size ")

	out, _ = output(t, exitOK, "list", "-qemu", "10.0..10.2", "-new")
	require.Contains(t, out, "new  query-accelerators ")
	require.NotContains(t, out, "query-accelerators/ret-type")
	require.NotContains(t, out, "gone")

	out, _ = output(t, exitOK, "list", "-qemu", "5.2..7.2", "-deprecated", "-json")
	var rows []factRow
	require.NoError(t, json.Unmarshal([]byte(out), &rows))
	require.NotEmpty(t, rows)
	for _, row := range rows {
		require.Equal(t, []string{"deprecated"}, row.Lists)
		require.NotEmpty(t, row.Deprecated)
		require.LessOrEqual(t, facts.Compare(row.Deprecated, "7.2"), 0, row)
	}
	both, _ := output(t, exitOK, "list", "-qemu", "5.2..11.1", "-json")
	require.NoError(t, json.Unmarshal([]byte(both), &rows))
	require.True(t, slices.ContainsFunc(rows, func(r factRow) bool { return slices.Equal(r.Lists, []string{"new", "gone"}) }))
	all, _ := output(t, exitOK, "list", "-qemu", "5.2..7.2")
	for _, kind := range []string{"new ", "gone ", "deprecated "} {
		require.Contains(t, "\n"+all, "\n"+kind)
	}
}

// TestFacts writes a table, adds to it, and asks it.
func TestFacts(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o777))
		require.NoError(t, os.WriteFile(path, []byte(text), 0o666))
		return path
	}
	older := write("a/schema.json", "##\n# @stop:\n#\n# Since: 1.0\n##\n{ 'command': 'stop' }\n")
	newer := write("b/schema.json", "##\n# @stop:\n#\n# @a: prose (since 6.1)\n#\n# Since: 1.0\n##\n{ 'command': 'stop', 'data': { '*a': 'str' } }\n")
	answer := write("c/answer.json", `[{"name": "stop", "meta-type": "command", "arg-type": "0", "ret-type": "0"}, {"name": "0", "meta-type": "object", "members": []}]`)
	write("a/VERSION", "5.2.0\n")
	write("b/VERSION", "7.2.0\n")
	write("c/VERSION", "6.2.0\n")
	table := filepath.Join(dir, "t.facts")

	output(t, exitOK, "facts", "-out", table, older, newer)
	out, _ := output(t, exitOK, "since", "-facts", table, "stop/arg-type/a")
	require.Equal(t, "stop/arg-type/a: since 6.1 (documentation of 7.2)\n", out)
	text, err := os.ReadFile(table)
	require.NoError(t, err)
	require.NotContains(t, string(text), "prose")

	again := filepath.Join(dir, "again.facts") // 5.2 and 7.2 have stop, 6.0 does not
	output(t, exitOK, "facts", "-from", table, "-out", again, "-qemu-version", "6.0", write("e/schema.json", "{ 'command': 'cont' }\n##\n# @other:\n##\n{ 'command': 'other' }\n"))
	out, _ = output(t, exitOK, "since", "-facts", again, "-json", "stop")
	var times []factRow
	require.NoError(t, json.Unmarshal([]byte(out), &times))
	require.Equal(t, []timeRow{{"1.0", "6.0"}, {"6.1", ""}}, times[0].Times)

	output(t, exitOK, "facts", "-from", table, "-out", table, answer)
	out, _ = output(t, exitOK, "since", "-facts", table, "stop/arg-type/a")
	require.Equal(t, "stop/arg-type/a: since 7.0 (between the schemas of 6.2 and 7.2; the documentation of 7.2 says 6.1)\n", out, "6.2 has it not")
	out, _ = output(t, exitOK, "since", "-facts", table, "-all")
	require.Contains(t, out, "stop/ret-type: since 1.0 ")

	// An answer of a version whose schema is there says nothing new.
	before, err := os.ReadFile(table)
	require.NoError(t, err)
	_, note := output(t, exitOK, "facts", "-from", table, "-out", table, "-qemu-version", "7.2.5", answer)
	require.Contains(t, note, "nothing is added: the table already has QEMU's own schema of 7.2")
	after, err := os.ReadFile(table)
	require.NoError(t, err)
	require.Equal(t, string(before), string(after))

	daemon, qemu := "../../testdata/schema/captured/7.2/storage.json", "../../qapi/facts/data/qemu.facts"
	for want, args := range map[string][]string{
		"storage.json: this is a schema of qemu-storage-daemon, and the table is of QEMU":     {"facts", "-from", qemu, "-out", table, "-qemu-version", "8.2", daemon},
		"answer.json: facts: QEMU has no release 8.3":                                         {"facts", "-from", table, "-out", table, "-qemu-version", "8.3", answer},
		"the version of QEMU is not known":                                                    {"facts", "-out", table, write("d/schema.json", "{ 'command': 'stop' }\n")},
		"no date in the documentation":                                                        {"facts", "-out", table, "-qemu-version", "5.2", filepath.Join(dir, "d/schema.json")},
		"no such file":                                                                        {"since", "-facts", filepath.Join(dir, "no-file"), "stop"},
		"bad: not a table of facts; qapigen facts writes one":                                 {"since", "-facts", write("bad", "x\n"), "stop"},
		"none: not a table of facts; qapigen facts writes one":                                {"list", "-facts", write("none", ""), "-qemu", "7.2..10.0"},
		"bad: not a table of facts; qapigen facts":                                            {"page", "-facts", filepath.Join(dir, "bad"), "-out", filepath.Join(dir, "page.html")},
		"a part: not a table of facts; qapigen facts":                                         {"facts", "-from", write("a part", string(text[:len(text)-1])), "-out", table, older},
		`migrate has no argument "URI" in any known QEMU (5.2 to 11.1); did you mean "uri"?`:  {"since", "migrate/arg-type/URI"},
		`blockdev-add/arg-type/+file/aio has no value "io_urin" in any`:                       {"since", "blockdev-add/arg-type/+file/aio/^io_urin"},
		`(5.2 to 11.1); did you mean "migrate/arg-type/uri"?`:                                 {"since", "migrate/uri"},
		`; arguments are at blockdev-add/arg-type`:                                            {"since", "blockdev-add/none-such"},
		`blockdev-add has no part "x" in any known QEMU`:                                      {"since", "blockdev-add/" + strings.Repeat("x/", 60000) + "x"},
		`there is no blockdev-ad in any known QEMU (5.2 to 11.1); did you mean "blockdev-add`: {"since", "blockdev-ad"},
		`the result of query-block has no member "x"`:                                         {"since", "query-block/ret-type/x"},
	} {
		_, stderr := output(t, exitFailure, args...)
		require.Contains(t, stderr, want)
	}
	for want, args := range map[string][]string{
		"-qemu-version takes one source":                              {"facts", "-out", table, "-qemu-version", "5.2", older, newer},
		"-qemu-version ten: want a version":                           {"facts", "-out", table, "-qemu-version", "ten", older},
		"since takes either PATH... or -all":                          {"since"},
		"-server x: want qemu, storage":                               {"since", "-server", "x", "stop"},
		"-qemu 7.2: want a range":                                     {"list", "-qemu", "7.2"},
		"-qemu 8.0..7.2: want a range from an older":                  {"list", "-qemu", "8.0..7.2"},
		"the newest QEMU that is known is 11.1":                       {"list", "-qemu", "8.0..99.0"},
		"there is no module \"blok\": modules are accelerator, acpi,": {"list", "-qemu", "8.0..9.0", "block-core.json", "blok"},
		`required flag(s) "qemu" not set`:                             {"list"},
	} {
		_, stderr := output(t, exitUsage, args...)
		require.Contains(t, stderr, want)
	}
}

// TestCompleteKnown completes paths that are known.
func TestCompleteKnown(t *testing.T) {
	out, _ := output(t, exitOK, "__complete", "since", "blockdev-cr")
	require.Contains(t, out, "blockdev-create\n")
	out, _ = output(t, exitOK, "__complete", "since", "query-block/ret-type/ins")
	require.Contains(t, out, "query-block/ret-type/inserted\n")
	out, _ = output(t, exitOK, "__complete", "list", "-qemu", "7.2..10.0", "block-c")
	require.Contains(t, out, "block-core\n")
	out, _ = output(t, exitOK, "__complete", "since", "-server", "")
	require.Contains(t, out, "guest\n")
}
