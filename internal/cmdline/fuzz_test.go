package cmdline

import (
	"context"
	"errors"
	"math/rand/v2"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/qapi"
	"github.com/qmpkit/qmpkit/qapi/facts"
	"github.com/qmpkit/qmpkit/qmp/introspect"
	"github.com/qmpkit/qmpkit/qmp/qmpschema"
	"github.com/qmpkit/qmpkit/testdata/schema"
)

var versions = []string{"5.2", "7.2", "10.0", "11.1"}

// languageOf returns the language of a server of a version. The guest agent has one version here.
func languageOf(t testing.TB, version, kind string) *Language {
	if kind == "guest" {
		s, err := qapi.LoadFS(schema.FS, schema.NewestGuest, nil)
		require.NoError(t, err)
		return &Language{Schema: s.Introspect(qapi.IntrospectOptions{}), Facts: facts.Guest(), Values: someValues}
	}
	answer, err := schema.Captured.ReadFile("captured/" + version + "/" + kind + ".json")
	require.NoError(t, err)
	s, err := introspect.Read(answer)
	require.NoError(t, err)
	l := &Language{Schema: s, Facts: facts.QEMU(), Values: someValues}
	if kind == "storage" {
		l.Facts = facts.Storage()
	}
	return l
}

// someValues returns values that need quotes in some places.
func someValues(_ context.Context, kind Kind) ([]Value, error) {
	switch name, of := kind.Cut(); name {
	case "device-property", "object-property", "qom-property":
		if of == "none" {
			return nil, errors.New("no such type")
		}
		return []Value{{Text: "serial", Type: "str"}, {Text: "share-rw", Type: "bool", Help: "share"}, {Text: "bootindex", Type: "int32"},
			{Text: "size", Type: "size"}, {Text: "werror", Type: "BlockdevOnError"}, {Text: "iothread", Type: "link<iothread>"}, {Text: "x"},
			{Text: "part", Type: "child<irq>"}}, nil
	case "cpu", "fdset":
		return []Value{{Text: "0"}, {Text: "12"}}, nil
	case "file":
		return []Value{{Text: "/srv/"}, {Text: "/srv/my data"}, {Text: "/srv/[x]"}, {Text: "it's"}}, nil
	}
	return []Value{{Text: "disk0", Help: "of a guest"}, {Text: "a b"}, {Text: "null"}, {Text: "5"}, {Text: "a,b"}, {Text: "[x"}, {Text: "it's \"x\""}, {Text: ""}}, nil
}

// lines are the seeds: one or more for each part of the language.
var lines = []string{
	"query-status",
	"block_resize node-name=data size=10G",
	"block_resize node-name='my data' size=0x200",
	"blockdev-add driver=qcow2 node-name=data file.driver=file file.filename=\"/srv/\\u00e9\" backing=null",
	"blockdev-add node-name=data file={driver: file, filename: /srv/data.qcow2} driver=qcow2",
	"blockdev-add driver=quorum children=[a,b,{driver=null-co}] vote-threshold=1",
	"blockdev-add driver=quorum children.0=a children.1.driver=null-co vote-threshold=1",
	`blockdev-add {"driver": "null-co", "node-name": "n"}`,
	`{"execute": "block_resize", "arguments": {"node-name": "x", "size": 1024}, "id": 7}`,
	`{"exec-oob": "migrate-pause"}`,
	"transaction actions=[{type: block-dirty-bitmap-add, data: {node: a, name: b}}]",
	"device_add driver=virtio-blk-pci id=d drive=data share-rw=on serial=123 addr=5.0 werror=stop",
	"device_add driver=none x.0=1 x.1=null y={a: [1, 2.5, true]}",
	"object-add qom-type=iothread id=i poll-max-ns=1",
	"object-add qom-type=memory-backend-ram id=m props.size=1G",
	"qom-set path=/machine property=share-rw value=off",
	"migrate-set-parameters tls-creds=null max-bandwidth=1.5G",
	"block-dirty-bitmap-merge node=data target=all bitmaps=monday,tuesday",
	"netdev_add type=user id=n hostfwd=[{str: \"tcp::22-:22\"}]",
	"chardev-add id=a backend.type=socket backend.data.addr.type=unix backend.data.addr.data.path=/x",
	"human-monitor-command command-line=info\\ block \\\n cpu-index=0",
	"block_resize a.b.c=1 size.x=2 =3 size=4 size=5 {size: 6}",
	"x-no-such {[}] '",
}

// FuzzLines: neither Parse nor Complete panics, and package qmpschema takes what Parse takes. What Complete offers at any place is no mistake.
func FuzzLines(f *testing.F) {
	for _, version := range versions {
		for _, line := range lines {
			f.Add(version, line, len(line)/2)
		}
	}
	languages := map[string]*Language{}
	for _, version := range versions {
		languages[version] = languageOf(f, version, "qemu")
	}
	f.Fuzz(func(t *testing.T, version, line string, at int) {
		l := languages[version]
		if l == nil {
			return
		}
		NeedsMore(line)
		if h, err := l.Help(t.Context(), line); err == nil {
			h.Text(at % 100)
		}
		command, err := l.Parse(t.Context(), line)
		if err != nil {
			e, ok := errors.AsType[*Error](err)
			require.True(t, ok)
			require.True(t, 0 <= e.From && e.From <= e.To && e.To <= len(line), "%d to %d of %d: %v", e.From, e.To, len(line), err)
			e.Mark(line)
		} else {
			requireTaken(t, l, command)
		}
		if at >= 0 && at <= len(line) && utf8.ValidString(line) {
			requireOffers(t, l, line, at)
		}
	})
}

// requireTaken compares a command with the schema by other packages.
func requireTaken(t testing.TB, l *Language, command *Command) {
	missing, err := qmpschema.MissingIn(l.Schema, command.Raw())
	require.NoError(t, err)
	require.Empty(t, missing, "%s %s", command.Name, command.Arguments())
}

// requireOffers tries what Complete offers at a place.
func requireOffers(t testing.TB, l *Language, line string, at int) int {
	from, candidates := l.Complete(t.Context(), line, at)
	require.True(t, 0 <= from && from <= at, "%d", from)
	if len(candidates) == 0 || len(mistakes(t, l, line[:from])) > 0 {
		return 0
	}
	for _, c := range candidates {
		text := line[:from] + c.Text
		if c.Space {
			text += " "
		}
		for _, e := range mistakes(t, l, text) {
			require.Less(t, e.From, from, "%q offers %q: %v", line[:at], c.Text, e)
		}
	}
	return len(candidates)
}

// mistakes returns the mistakes in a line, without what is missing.
func mistakes(t testing.TB, l *Language, line string) (found []*Error) {
	c := &checker{Language: l, ctx: t.Context(), end: len(line), cursor: -1}
	r := &reader{line: line}
	q := r.request()
	c.errs = r.errs
	c.command(q)
	for _, e := range c.errs {
		if !e.Incomplete {
			found = append(found, e)
		}
	}
	return found
}

// TestOffers tries what Complete offers at every place of the lines, for all versions and both servers.
func TestOffers(t *testing.T) {
	for _, version := range versions {
		for _, kind := range []string{"qemu", "storage"} {
			l := languageOf(t, version, kind)
			offered := 0
			for _, line := range lines {
				for at := range len(line) + 1 {
					if utf8.ValidString(line[:at]) {
						offered += requireOffers(t, l, line, at)
					}
				}
			}
			t.Logf("%s %s: %d offers", version, kind, offered)
		}
	}
}

// TestTyped types commands as a person does who takes any offer. The commands that this gives are taken
// by package qmpschema.
func TestTyped(t *testing.T) {
	for _, version := range versions {
		for _, kind := range []string{"qemu", "storage", "guest"} {
			l := languageOf(t, version, kind)
			l.Facts = nil // they only change texts for people
			typist := &typist{Rand: rand.New(rand.NewPCG(20, 1)), Language: l}
			whole := 0
			for command := range l.Schema.Commands() {
				for range 3 {
					line := typist.line(t, command.Name)
					c, err := l.Parse(t.Context(), line)
					if err != nil {
						e, _ := errors.AsType[*Error](err)
						require.True(t, e.Incomplete, "%s\n%v", e.Mark(line), err)
						continue
					}
					whole++
					requireTaken(t, l, c)
				}
			}
			t.Logf("%s %s: %d commands", version, kind, whole)
			require.Greater(t, whole, 100)
		}
	}
}

// A typist types what is offered.
type typist struct {
	*rand.Rand
	*Language
}

// line types arguments of a command until something mandatory is not missing any more, and a few more.
func (p *typist) line(t *testing.T, command string) string {
	line := command
	for range 30 {
		_, err := p.Parse(t.Context(), line)
		if err == nil && p.IntN(3) == 0 {
			break
		}
		next := line + " "
		for range 10 {
			from, candidates := p.Complete(t.Context(), next, len(next))
			if len(candidates) == 0 {
				break
			}
			c := candidates[p.IntN(len(candidates))]
			if p.IntN(2) == 0 {
				c = candidates[0]
			}
			next = next[:from] + c.Text
			if c.Space {
				break
			}
		}
		switch last := next[len(next)-1]; last {
		case '=', ' ':
			next += []string{"text", "5", "on", "1G", "null", "'a b'"}[p.IntN(6)]
		}
		_, err = p.Parse(t.Context(), next)
		if e, ok := errors.AsType[*Error](err); ok && (!e.Incomplete || NeedsMore(next)) {
			continue // the text is not of the type, or a bracket is open
		}
		line = next
	}
	return line
}
