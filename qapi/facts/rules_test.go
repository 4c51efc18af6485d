package facts_test

import (
	"os"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/qapi"
	"github.com/qmpkit/qmpkit/qapi/facts"
)

// tableOf makes a table of schemas by version, the text of which begins with "VERSION:", or "VERSION?" for an
// answer.
func tableOf(t *testing.T, schemas ...string) *facts.Table {
	t.Helper()
	table := facts.New()
	for _, text := range schemas {
		i := strings.IndexAny(text, ":?")
		s, err := qapi.LoadFS(fstest.MapFS{"s.json": {Data: []byte(text[i+1:] + "\n")}}, "s.json", nil)
		require.NoError(t, err)
		require.NoError(t, table.Add(text[:i], s, text[i] == '?'))
	}
	return table
}

// doc is a documentation comment in front of a definition.
func doc(lines ...string) string { return "\n##\n# " + strings.Join(lines, "\n# ") + "\n##\n" }

// TestRules concludes dates, a rule each.
func TestRules(t *testing.T) {
	c := doc("@c:", "", "Since: 2.0")
	for _, test := range []struct {
		name    string
		schemas []string
		path    string
		want    string // "SINCE", "SINCE after AFTER", and what follows for removals
	}{
		{"remark", []string{"5.2:" + doc("@c:", "", "@a: x (since 3.1)", "", "Since: 2.0") + "{ 'command': 'c', 'data': { 'a': 'int' } }"},
			"c/arg-type/a", "3.1"},
		{"the oldest remark counts", []string{
			"5.2:" + doc("@c:", "", "@a: x (since 3.1)", "", "Since: 2.0") + "{ 'command': 'c', 'data': { 'a': 'int' } }",
			"7.2:" + doc("@c:", "", "@a: x (since 4.0)", "", "Since: 2.0") + "{ 'command': 'c', 'data': { 'a': 'int' } }"},
			"c/arg-type/a", "3.1 not 4.0"},
		{"no remark", []string{"5.2:" + c + "{ 'command': 'c', 'data': { 'a': 'int' } }"}, "c/arg-type/a", "2.0"},
		{"a remark in the bounds", []string{"5.2:" + c + "{ 'command': 'c' }",
			"7.2:" + doc("@c:", "", "@a: x (since 6.1)", "", "Since: 2.0") + "{ 'command': 'c', 'data': { '*a': 'int' } }"},
			"c/arg-type/a", "6.1"},
		{"a remark that is too old", []string{"5.2:" + c + "{ 'command': 'c' }",
			"7.2:" + doc("@c:", "", "@a: x (since 5.2)", "", "Since: 2.0") + "{ 'command': 'c', 'data': { '*a': 'int' } }"},
			"c/arg-type/a", "6.0 after 5.2 not 5.2"},
		{"a remark that is too young", []string{"5.2:" + c + "{ 'command': 'c' }",
			"7.2:" + doc("@c:", "", "@a: x (since 8.0)", "", "Since: 2.0") + "{ 'command': 'c', 'data': { '*a': 'int' } }"},
			"c/arg-type/a", "7.2 after 5.2 not 8.0"},
		{"only bounds", []string{"5.2:" + c + "{ 'command': 'c' }", "7.2:" + c + "{ 'command': 'c', 'data': { '*a': 'int' } }"},
			"c/arg-type/a", "7.2 after 5.2"},
		{"bounds that are one release", []string{"5.2:" + c + "{ 'command': 'c' }", "6.0:" + c + "{ 'command': 'c', 'data': { '*a': 'int' } }"},
			"c/arg-type/a", "6.0"},
		{"with its type", []string{"5.2:" + c + "{ 'command': 'c' }",
			"7.2:" + c + "{ 'command': 'c', 'data': { '*a': 'Tee' } }" + doc("@Tee:", "", "Since: 6.2") + "{ 'struct': 'Tee', 'data': { 'b': 'int' } }"},
			"c/arg-type/a", "6.2"},
		{"a path is as young as its youngest part", []string{"5.2:" + doc("@c:", "", "@a: x (since 4.1)", "", "Since: 2.0") + "{ 'command': 'c', 'data': { 'a': 'Tee' } }" +
			doc("@Tee:", "", "Since: 2.6") + "{ 'struct': 'Tee', 'data': { '*b': 'int' } }"}, "c/arg-type/a/b", "4.1"},
		{"a renamed type", []string{"5.2:" + c + "{ 'command': 'c', 'data': { 'a': 'Old' } }" + doc("@Old:", "", "Since: 2.6") + "{ 'struct': 'Old', 'data': { '*b': 'int' } }",
			"7.2:" + c + "{ 'command': 'c', 'data': { 'a': 'New' } }" + doc("@New:", "", "Since: 7.0") + "{ 'struct': 'New', 'data': { '*b': 'int' } }"},
			"c/arg-type/a/b", "2.6"},
		{"a base that was made of members", []string{"5.2:" + c + "{ 'command': 'c', 'data': 'Tee' }" + doc("@Tee:", "", "Since: 2.0") + "{ 'struct': 'Tee', 'data': { 'b': 'int', '*n': 'int' } }",
			"7.2:" + c + "{ 'command': 'c', 'data': 'Tee' }" + doc("@Tee:", "", "Since: 2.0") + "{ 'struct': 'Tee', 'base': 'Bee', 'data': { 'b': 'int' } }" +
				doc("@Bee:", "", "Since: 7.0") + "{ 'struct': 'Bee', 'data': { '*n': 'int' } }"}, "c/arg-type/n", "2.0"},
		{"removed", []string{"5.2:" + c + "{ 'command': 'c', 'data': { '*a': 'int' } }", "7.2:" + c + "{ 'command': 'c' }"},
			"c/arg-type/a", "2.0 removed 7.2 after 5.2"},
		{"renamed", []string{"5.2:" + doc("@x-c:", "", "Since: 2.0") + "{ 'command': 'x-c' }", "7.2:" + doc("@c:", "", "Since: 6.1") + "{ 'command': 'c' }"},
			"x-c", "2.0 removed 6.1 use c"},
		{"of a type", []string{"5.2:" + c + "{ 'command': 'c', 'data': { 'a': 'Tee' } }" + doc("@Tee:", "", "@n: x (since 2.7)", "", "Since: 2.6") + "{ 'struct': 'Tee', 'data': { 'b': 'int', '*n': 'int' } }"},
			"Tee/n", "2.7"},
		{"a member of a type is as old as it", []string{"5.2:" + c + "{ 'command': 'c', 'data': { 'a': 'Tee' } }" + doc("@Tee:", "", "Since: 2.6") + "{ 'struct': 'Tee', 'data': { 'b': 'int' } }"},
			"Tee/b", "2.6"},
		{"an answer does not know conditions", []string{"5.2:" + c + "{ 'command': 'c', 'data': { '*a': { 'type': 'int', 'if': 'CONFIG_A' }, 'b': 'int' } }", "7.2?{ 'command': 'c', 'data': { 'b': 'int' } }"},
			"c/arg-type/a", "2.0 if CONFIG_A"},
		{"unstable", []string{"5.2:" + c + "{ 'command': 'c' }", "7.2:" + doc("@c:", "", "Features:", "@unstable: x", "", "Since: 2.0") + "{ 'command': 'c', 'features': [ 'unstable' ] }"},
			"c/$unstable", "6.2"},
		{"deprecated", []string{"5.2:" + c + "{ 'command': 'c' }", "7.2:" + doc("@c:", "", "Features:", "@deprecated: Use @d instead.", "", "Since: 2.0") + "{ 'command': 'c', 'features': [ 'deprecated' ] }\n{ 'command': 'd' }"},
			"c", "2.0 deprecated 7.2 use d"},
		{"a branch with its value", []string{
			"5.2:" + c + "{ 'command': 'c', 'data': 'Uni', 'boxed': true }\n{ 'enum': 'Enu', 'data': [ 'v' ] }\n{ 'union': 'Uni', 'base': { 'e': 'Enu' }, 'discriminator': 'e', 'data': {} }",
			"7.2:" + c + "{ 'command': 'c', 'data': 'Uni', 'boxed': true }" + doc("@Enu:", "", "@v: x", "", "@w: since 6.2", "", "Since: 2.0") +
				"{ 'enum': 'Enu', 'data': [ 'v', 'w' ] }\n{ 'union': 'Uni', 'base': { 'e': 'Enu' }, 'discriminator': 'e', 'data': {} }"}, "c/arg-type/+w", "6.2"},
		{"a value with its branch", []string{
			"5.2:" + c + "{ 'command': 'c', 'data': 'Uni', 'boxed': true }\n{ 'enum': 'Enu', 'data': [ 'v' ] }\n{ 'union': 'Uni', 'base': { 'e': 'Enu' }, 'discriminator': 'e', 'data': {} }",
			"7.2:" + c + "{ 'command': 'c', 'data': 'Uni', 'boxed': true }\n{ 'enum': 'Enu', 'data': [ 'v', 'w' ] }" + doc("@Wye:", "", "Since: 7.1") + "{ 'struct': 'Wye', 'data': { 'n': 'int' } }\n" +
				"{ 'union': 'Uni', 'base': { 'e': 'Enu' }, 'discriminator': 'e', 'data': { 'w': 'Wye' } }"}, "c/arg-type/e/^w", "7.1"},
		{"optional since", []string{"5.2:" + c + "{ 'command': 'c', 'data': { 'a': 'int' } }", "7.2:" + c + "{ 'command': 'c', 'data': { '*a': 'int' } }"},
			"c/arg-type/*a", "6.0 after 5.2"},
		{"none", []string{"5.2:" + c + "{ 'command': 'c' }"}, "c/arg-type/a", ""},
		{"a type is as old as what uses it", []string{"5.2:" + c + "{ 'command': 'c' }", "7.2:" + doc("@c:", "", "@a: x (since 7.1)", "", "Since: 2.0") +
			"{ 'command': 'c', 'data': { '*a': 'Tee' } }" + doc("@Tee:", "", "Since: 7.0") + "{ 'struct': 'Tee', 'data': { 'b': 'int' } }"}, "Tee/b", "7.1"},
		{"a type without a date", []string{"5.2:" + doc("@c:", "", "@a: x (since 3.1)", "", "Since: 2.0") + "{ 'command': 'c', 'data': { '*a': 'Tee' } }\n{ 'struct': 'Tee', 'data': { 'b': 'int' } }"},
			"Tee/b", "3.1"},
		{"of a type that went when another one came", []string{"5.2:" + c + "{ 'command': 'c', 'returns': 'Old' }" + doc("@Old:", "", "Since: 2.0") + "{ 'struct': 'Old', 'data': { 'b': 'int', 'z': 'int' } }",
			"7.2:" + c + "{ 'command': 'c', 'returns': 'New' }" + doc("@New:", "", "Since: 7.1") + "{ 'struct': 'New', 'data': { 'b': 'int' } }"},
			"c/ret-type/z", "2.0 removed 7.1"},
		{"a branch is deprecated with its value", []string{"7.2:" + c + "{ 'command': 'c', 'data': 'Uni', 'boxed': true }" + doc("@Enu:", "", "Features:", "@deprecated: Use @w instead. (since 7.0)") +
			"{ 'enum': 'Enu', 'data': [ { 'name': 'v', 'features': [ 'deprecated' ] }, 'w' ] }\n{ 'struct': 'Vee', 'data': { 'n': 'int' } }\n" +
			"{ 'union': 'Uni', 'base': { 'e': 'Enu' }, 'discriminator': 'e', 'data': { 'v': 'Vee' } }"}, "c/arg-type/+v", "2.0 deprecated 7.0 use w"},
		{"three numbers", []string{"5.2:" + doc("@c:", "", "@a: x (since 2.12.1)", "", "Since: 2.12.0") + "{ 'command': 'c', 'data': { 'a': 'int' } }"}, "c", "2.12"},
		{"a release that got another name", []string{"5.2:" + doc("@c:", "", "Since: 2.13") + "{ 'command': 'c' }"}, "c", "3.0"},
		{"a base is as old as what has it", []string{"5.2:" + c + "{ 'command': 'c' }", "7.2:" + doc("@c:", "", "@a: x (since 6.0)", "", "Since: 2.0") +
			"{ 'command': 'c', 'data': { '*a': 'Tee' } }" + doc("@Tee:", "", "Since: 6.0") + "{ 'struct': 'Tee', 'base': 'Bee', 'data': {} }" +
			doc("@Bee:", "", "Since: 2.6") + "{ 'struct': 'Bee', 'data': { 'b': 'int' } }"}, "Bee", "6.0 not 2.6"},
		{"an answer that has one of two types with a base", []string{
			"7.2:" + c + "{ 'command': 'c', 'data': { '*a': 'Tee', '*z': { 'type': 'Zed', 'if': 'CONFIG_Z' } } }" + doc("@Bee:", "", "Since: 2.0") + "{ 'struct': 'Bee', 'data': { '*b': 'int' } }\n" +
				"{ 'struct': 'Tee', 'base': 'Bee', 'data': {} }\n{ 'struct': 'Zed', 'base': 'Bee', 'data': {}, 'if': 'CONFIG_Z' }",
			"8.2?{ 'command': 'c', 'data': { '*a': 'Tee' } }\n{ 'struct': 'Bee', 'data': {} }\n{ 'struct': 'Tee', 'base': 'Bee', 'data': { '*b': 'int' } }",
			"10.0:" + c + "{ 'command': 'c', 'data': { '*a': 'Tee', '*z': { 'type': 'Zed', 'if': 'CONFIG_Z' } } }\n{ 'struct': 'Bee', 'data': {} }\n" +
				"{ 'struct': 'Tee', 'base': 'Bee', 'data': {} }\n{ 'struct': 'Zed', 'base': 'Bee', 'data': {}, 'if': 'CONFIG_Z' }"},
			"c/arg-type/z/b", "2.0 removed 10.0 after 7.2 if CONFIG_Z"},
		{"three numbers that matter", []string{"5.2:" + doc("@c:", "", "@a: x (since 2.12.1)", "", "Since: 2.12.0") + "{ 'command': 'c', 'data': { 'a': 'int' } }"}, "c/arg-type/a", "2.12.1"},
		{"a remark that is too young for the oldest schema", []string{"4.2?{ 'command': 'c' }", "5.2:" + doc("@c:", "", "Since: 5.0") + "{ 'command': 'c' }"}, "c", "4.2 not 5.0"},
		{"a type that has its name for the second time", []string{
			"5.1:" + c + "{ 'command': 'c', 'data': { 'a': 'New' } }\n{ 'enum': 'New', 'data': [ 'v' ] }",
			"5.2:" + c + "{ 'command': 'c', 'data': { 'a': 'Old' } }" + doc("@Old:", "", "Since: 2.6") + "{ 'enum': 'Old', 'data': [ 'v' ] }",
			"10.0:" + c + "{ 'command': 'c', 'data': { 'a': 'New' } }" + doc("@New:", "", "Since: 9.2") + "{ 'enum': 'New', 'data': [ 'v' ] }"},
			"c/arg-type/a/^v", "2.0"},
		{"a feature that the language did not have", []string{
			"4.2:" + c + "{ 'command': 'c', 'data': { 'a': 'int' } }",
			"5.2:" + doc("@c:", "", "Features:", "@deprecated: x", "", "Since: 2.0") + "{ 'command': 'c', 'data': { 'a': { 'type': 'int', 'features': [ 'deprecated' ] } } }"}, "c/arg-type/a", "2.0 deprecated 5.0"},
		{"of another JSON type", []string{"5.2:" + c + "{ 'command': 'c', 'data': { 'a': 'int' } }"}, "c/arg-type/a/!string", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			table := tableOf(t, test.schemas...)
			f, err := table.Fact(test.path)
			require.NoError(t, err)
			require.Equal(t, test.want, inWords(f))
			again, err := facts.Parse(table.Text())
			require.NoError(t, err)
			require.Equal(t, string(table.Text()), string(again.Text()))
			f, err = again.Fact(test.path)
			require.NoError(t, err)
			require.Equal(t, test.want, inWords(f))
		})
	}
}

func inWords(f *facts.Fact) string {
	if f == nil {
		return ""
	}
	date := func(d facts.Date) string {
		if d.After != "" {
			return d.Release + " after " + d.After
		}
		return d.Release
	}
	words := date(f.Since)
	for _, said := range f.Since.Instead {
		words += " not " + said[strings.LastIndexByte(said, ' ')+1:]
	}
	if f.Deprecated != nil {
		words += " deprecated " + f.Deprecated.Release
	}
	if f.Removed.Release != "" {
		words += " removed " + date(f.Removed)
	}
	if f.Use != "" {
		words += " use " + f.Use
	}
	if f.If != "" {
		words += " if " + f.If
	}
	return words
}

// TestKnowOlder adds an answer of a QEMU that is older than the schemas of the table. What known.txt says of that time
// still counts.
func TestKnowOlder(t *testing.T) {
	const older = `{ 'command': 'device_add' }
{ 'command': 'cpu-add', 'data': { 'id': 'int' } }
{ 'command': 'netdev_add', 'data': 'Netdev' }
{ 'struct': 'Netdev', 'data': { 'type': 'str', 'id': 'str' } }
{ 'command': 'blockdev-add', 'data': 'BlockdevOptions', 'boxed': true }
{ 'enum': 'BlockdevDriver', 'data': [ 'vxhs' ] }
{ 'union': 'BlockdevOptions', 'base': { 'driver': 'BlockdevDriver' }, 'discriminator': 'driver', 'data': { 'vxhs': 'Guessed' } }
{ 'struct': 'Guessed', 'data': { 'vdisk-id': 'str' } }`
	for _, version := range []string{"4.2", "5.0"} {
		table, err := facts.Parse(facts.QEMU().Text())
		require.NoError(t, err)
		s, err := qapi.LoadFS(fstest.MapFS{"s.json": {Data: []byte(older)}}, "s.json", nil)
		require.NoError(t, err)
		require.NoError(t, table.Add(version, s, true))
		require.NoError(t, table.Know())
		table, err = facts.Parse(table.Text())
		require.NoError(t, err)
		for path, want := range map[string]string{
			"cpu-add":                              "1.5 deprecated 4.0 removed 5.2",
			"netdev_add/arg-type/+user":            "5.0",
			"blockdev-add/arg-type/+vxhs":          "2.10 removed 5.1",
			"blockdev-add/arg-type/+vxhs/vdisk-id": "2.10 removed 5.1",
			"blockdev-add/arg-type/driver/^vxhs":   "2.10 removed 5.1",
		} {
			if path == "netdev_add/arg-type/+user" && version == "5.0" {
				continue // the answer contradicts known.txt there
			}
			f, err := table.Fact(path)
			require.NoError(t, err)
			require.Equal(t, want, inWords(f), "%s with %s", path, version)
		}
	}
}

// TestParseErrors reads what is no table.
func TestParseErrors(t *testing.T) {
	const header, footer = "# Code generated by qapigen facts; DO NOT EDIT.\n", "# End of the table.\n"
	for text, want := range map[string]string{
		"sources 5.2\ncommand\n":                                "line 3: two names are missing",
		"\tname str\n":                                          "line 2: two names are missing",
		"sources 5.2\nstruct A\n\ta B\n":                        "there is no type B, which A refers to",
		"sources 5.2\nstruct A @7.2\n":                          "line 3: 7.2 is not among the sources",
		"sources 5.2\nstruct A when=2\n":                        "line 3: unknown field when=2",
		"sources 5.2 7.2\nstruct A @7.2..5.2\n":                 "line 3: 7.2..5.2 is not among the sources",
		"":                                                      "it has no sources, or no definitions",
		"sources 5.2\n":                                         "it has no sources, or no definitions",
		"sources 5.2 x\nstruct A\n":                             "line 2: x is not a release",
		"sources 7.2 5.2\nstruct A\n":                           "line 2: 5.2 is not a release, or not newer",
		"struct A\n":                                            "it has no sources, or no definitions",
		"sources 5.2\nfile A\n":                                 "line 3: file is not a kind of definition",
		"sources 5.2\nstruct A\nstruct A\n":                     "line 4: A occurs twice",
		"sources 5.2\nstruct A\n\t< A\n":                        "A is its own base",
		"sources 5.2\nstruct A\n\t< -\n":                        "A refers to , which is not a type",
		"sources 5.2\ncommand a\nstruct A\n\tb a\n":             "A refers to a, which is not a type",
		"sources 5.2\nunion A tag=a:A\n\ta str\n\t+b q_empty\n": "the tag of A is not an enum",
	} {
		_, err := facts.Parse([]byte(header + text + footer))
		require.ErrorIs(t, err, facts.ErrTable)
		require.ErrorContains(t, err, want)
	}
	whole := string(facts.Guest().Text())
	for _, text := range []string{"", "garbage here", "root:x:0:0:root:/root:/bin/sh\n", "\x00\xff\n", whole[1:]} {
		_, err := facts.Parse([]byte(text))
		require.EqualError(t, err, "not a table of facts; qapigen facts writes one", text)
	}
	for _, n := range []int{1, len(footer), len(whole) / 2} { // a part of a table
		_, err := facts.Parse([]byte(whole[:len(whole)-n]))
		require.ErrorIs(t, err, facts.ErrTable)
	}
}

// FuzzParse asks what Parse reads for all that it has.
func FuzzParse(f *testing.F) {
	f.Add("sources 5.2 7.2 11.1?\ncommand c module=m since=2.0:5.2\n\targ-type U\nenum E\n\t^v -\nunion U tag=e:E\n\te E\n\t+v q_empty @7.2..11.1\n")
	f.Add("sources 5.2 7.2\ncommand c\n\tret-type A @5.2\n\tret-type B @7.2\nstruct A had=5.2..7.2\n\ta str ?\nalternate B\n\t|s str\n\t|a A\n")
	f.Fuzz(func(t *testing.T, text string) {
		table, err := facts.Parse([]byte("# Code generated by qapigen facts; DO NOT EDIT.\n" + text + "# End of the table.\n"))
		if err != nil {
			require.ErrorIs(t, err, facts.ErrTable)
			return
		}
		for path := range table.Paths() {
			_, err := table.Fact(path)
			require.NoError(t, err)
		}
		for n := range table.Nodes() {
			_, err := table.Fact(n.Name)
			require.NoError(t, err)
		}
		_ = table.Check()
	})
}

// TestCheck finds what has no date.
func TestCheck(t *testing.T) {
	require.NoError(t, tableOf(t, "5.2:"+doc("@c:", "", "Since: 2.0")+"{ 'command': 'c' }").Check())
	err := tableOf(t, "5.2:{ 'command': 'c' }").Check()
	require.ErrorContains(t, err, "no date in the documentation")
	require.ErrorContains(t, err, "\n  c/arg-type")
}

// TestAddErrors adds schemas of what is not a release.
func TestAddErrors(t *testing.T) {
	s, err := qapi.LoadFS(fstest.MapFS{"s.json": {Data: []byte("{ 'command': 'c' }\n")}}, "s.json", nil)
	require.NoError(t, err)
	for _, version := range []string{"8.3", "8.2-rc1", "8", "", "x", "99999.1", "8.2/x"} {
		table := facts.New()
		require.EqualError(t, table.Add(version, s, true), "facts: QEMU has no release "+version)
		require.Empty(t, table.Versions())
	}
	for _, version := range []string{"2.12.1", "8.2", "8.1.92", "99.1.0"} {
		require.NoError(t, facts.New().Add(version, s, true))
	}
}

// TestKnownForms: each form of known.txt is that of a schema.
func TestKnownForms(t *testing.T) {
	known, err := os.ReadFile("known.txt")
	require.NoError(t, err)
	table := string(facts.QEMU().Text())
	for row := range strings.Lines(string(known)) {
		if fields := strings.Fields(row); len(fields) > 4 && fields[0] == "from" {
			require.Regexp(t, "\n[a-z]+ "+fields[2]+" .*(\n\t.*)*\n\t"+fields[3]+" "+fields[4]+" .*from="+fields[1], table)
		}
	}
}

// TestQueryErrors asks for malformed paths.
func TestQueryErrors(t *testing.T) {
	_, err := facts.QEMU().Fact("stop//x")
	require.ErrorContains(t, err, "a component is empty")
	f, err := facts.QEMU().Fact("none-such")
	require.NoError(t, err)
	require.Nil(t, f)
}

func TestCompare(t *testing.T) {
	for _, c := range [][2]string{{"9.2", "10.0"}, {"", "0.14"}, {"7.0", "7.0.1"}, {"2.12", "3.0"}} {
		require.Negative(t, facts.Compare(c[0], c[1]), c)
		require.Positive(t, facts.Compare(c[1], c[0]), c)
	}
	require.Zero(t, facts.Compare("7.2", "7.2.0"))
	for version, release := range map[string]string{"10.2.2": "10.2", "7.2.22": "7.2", "11": "11", "10.1.50": "10.2", "10.2.92": "11.0", "10.2.0-rc1": "10.2"} {
		require.Equal(t, release, facts.Release(version))
	}
}
