package show_test

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/jedib0t/go-pretty/v6/text"
	"github.com/rogpeppe/go-internal/txtar"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/internal/golden"
	"github.com/qmpkit/qmpkit/internal/qemutest"
	"github.com/qmpkit/qmpkit/internal/show"
	"github.com/qmpkit/qmpkit/qmp"
)

// TestGolden prints answers of real QEMUs for three terminals, and with all members.
func TestGolden(t *testing.T) {
	golden.Compare(t, "testdata/*.txtar", func(t *testing.T, archive *txtar.Archive) *txtar.Archive {
		name := t.Name()[strings.LastIndexByte(t.Name(), '/')+1:]
		command, _, _ := strings.Cut(strings.TrimSuffix(name, ".txtar"), "_")
		answer := archive.Files[0]
		out := &txtar.Archive{Files: []txtar.File{answer}}
		for _, o := range []struct {
			name string
			show.Options
		}{
			{"40", show.Options{Width: 40}},
			{"80", show.Options{Width: 80}},
			{"160", show.Options{Width: 160}},
			{"all", show.Options{Width: 100, All: true}},
		} {
			out.Files = append(out.Files, txtar.File{Name: o.name, Data: []byte(print(t, command, answer.Data, o.Options))})
		}
		return out
	})
}

func print(t *testing.T, command string, answer []byte, o show.Options) string {
	t.Helper()
	var out strings.Builder
	require.NoError(t, show.Value(&out, command, answer, o))
	return out.String()
}

// TestAnswers prints what real QEMUs answer to all queries that need no arguments.
func TestAnswers(t *testing.T) {
	qemutest.Run(t, qemutest.Versions, func(t *testing.T, q *qemutest.QEMU) {
		c := q.StartFull(t)
		for _, command := range queries(t, c) {
			answer, err := qmp.Raw{Command: command}.Do(t.Context(), c)
			if err != nil {
				continue // the machine does not have what the query is about, or the query needs arguments
			}
			for _, width := range []int{20, 40, 80, 160} {
				printed := print(t, command, answer, show.Options{Width: width})
				assert.NotEmpty(t, printed, command)
				coloured := print(t, command, answer, show.Options{Width: width, Colour: true})
				assert.Equal(t, printed, text.StripEscape(coloured), "%s: colours change the text", command)
				if answer[0] == '[' && width >= 40 {
					for line := range strings.Lines(printed) {
						assert.LessOrEqual(t, text.StringWidth(strings.TrimSuffix(line, "\n")), width, "%s: %s", command, line)
					}
				}
			}
		}
		assert.Regexp(t, `(?m)^data1 +64 MiB .*top.qcow2 +limit`, print(t, "query-block", do(t, c, "query-block", nil), show.Options{Width: 80}))
	})
}

func do(t *testing.T, c *qmp.Client, command string, args qmp.Args) []byte {
	t.Helper()
	result, err := qmp.Raw{Command: command, Args: args}.Do(t.Context(), c)
	require.NoError(t, err, command)
	return result
}

func queries(t *testing.T, c *qmp.Client) (names []string) {
	t.Helper()
	var all []struct{ Name string }
	require.NoError(t, json.Unmarshal(do(t, c, "query-commands", nil), &all))
	for _, command := range all {
		if strings.HasPrefix(command.Name, "query-") {
			names = append(names, command.Name)
		}
	}
	return names
}

func TestEnvironment(t *testing.T) {
	answer := []byte(`[{"name": "日本", "size": 1610612736}, {"name": "○■", "size": 1}]`)
	want := print(t, "x", answer, show.Options{Colour: true})
	assert.Contains(t, want, "1.5 GiB")
	for _, locale := range []string{"de_DE.UTF-8", "ja_JP.UTF-8", "C"} {
		t.Setenv("LC_ALL", locale)
		t.Setenv("NO_COLOR", "1")
		assert.Equal(t, want, print(t, "x", answer, show.Options{Colour: true}))
	}
}

func TestEvent(t *testing.T) {
	event := qmp.RawEvent{
		Name: "BLOCK_JOB_COMPLETED", Time: time.Date(2026, 11, 30, 22, 15, 4, 123e6, time.UTC),
		Data: []byte(`{"device":"data1","len":10737418240,"offset":10737418240,"speed":0,"type":"mirror","error":"\u001b[2J"}`),
	}
	for _, test := range []struct {
		options show.Options
		want    string
	}{
		{show.Options{}, `22:15:04.123  BLOCK_JOB_COMPLETED  device=data1 type=mirror error=\x1b[2J len=10 GiB offset=10 GiB speed=0 B/s`},
		{show.Options{Width: 50, Zone: time.FixedZone("", 3600)}, "23:15:04.123  BLOCK_JOB_COMPLETED  device=data1 t…"},
		{show.Options{Width: 20}, "22:15:04.123  BLOCK_JOB_COMPLETED"},
	} {
		var out strings.Builder
		require.NoError(t, show.Event(&out, event, test.options))
		assert.Equal(t, test.want+"\n", out.String())
	}
	var out strings.Builder
	require.NoError(t, show.Event(&out, qmp.RawEvent{Name: "STOP"}, show.Options{}))
	assert.Equal(t, "              STOP\n", out.String())
}

func TestMalformed(t *testing.T) {
	for _, answer := range []string{"", "{", "[inf]", "1 2"} {
		assert.ErrorContains(t, show.Value(&strings.Builder{}, "x", []byte(answer), show.Options{}), "show: result of x: ")
	}
	// Answers that are not what the columns are for.
	for _, answer := range []string{`[{"inserted": 1, "device": [], "qdev": {}}]`, `[{"device": null}]`, `{"a": 1}`, `[1, {}]`, `[[]]`, `null`, `true`} {
		for _, command := range []string{"query-block", "query-pci", "query-fdsets"} {
			assert.NoError(t, show.Value(&strings.Builder{}, command, []byte(answer), show.Options{Width: 10}), "%s %s", command, answer)
		}
	}
}

func TestFilter(t *testing.T) {
	for _, test := range []struct{ answer, program, want string }{
		{`[{"size": 18446744073709551615}, {"size": 1.50}]`, `.[].size`, `18446744073709551615 1.50`},
		{`{"a": {"node-name": "x"}}`, `.a."node-name"`, `"x"`},
		{`[3, 1]`, `sort`, `[1,3]`},
		{`[]`, `.[]`, ``},
		{`[1]`, `.[0], halt, 2`, `1`},
	} {
		outputs, err := show.Filter(t.Context(), []byte(test.answer), test.program)
		require.NoError(t, err, test.program)
		var all []string
		for _, output := range outputs {
			all = append(all, string(output))
		}
		assert.Equal(t, test.want, strings.Join(all, " "), test.program)
	}
	for program, want := range map[string]string{
		`.[`:      `show: filter ".[": byte 3: unexpected EOF`,
		`.a | )`:  `show: filter ".a | )": byte 6: unexpected token ")"`,
		`nope`:    `show: filter "nope": function not defined: nope/0`,
		`.a.b`:    `show: filter ".a.b": expected an object but got: number (1)`,
		`$ENV|.X`: ``,
	} {
		_, err := show.Filter(t.Context(), []byte(`{"a": 1}`), program)
		if want == "" {
			assert.NoError(t, err, program)
			continue
		}
		assert.EqualError(t, err, want)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err := show.Filter(ctx, []byte(`1`), `def f: f; f`)
	require.ErrorIs(t, err, ctx.Err())
}

func TestEscape(t *testing.T) {
	const text = "a\tb\n\x1b[31m\u009b\u202e\xffä"
	assert.Equal(t, `a    b\n\x1b[31m\u009b\u202e`+"\ufffdä", show.Escape(text))
	assert.Equal(t, "a\tb\n"+`\x1b[31m\u009b\u202e`+"\ufffdä", show.EscapeText(text))
	const value = "{\n\t\"a\": \"\u009b\u202e\U000e0041\x7fä\"}"
	escaped := show.EscapeJSON([]byte(value))
	assert.Equal(t, "{\n\t\"a\": \""+`\u009b\u202e\udb40\udc41\u007f`+"ä\"}", string(escaped))
	assert.JSONEq(t, value, string(escaped))

	for split := range len(text) + 1 { // a program writes when it likes
		var out strings.Builder
		e := &show.Escaper{W: &out}
		for _, part := range []string{text[:split], text[split:], "\r", "\n\rx", "\xc3"} {
			n, err := e.Write([]byte(part))
			require.NoError(t, err)
			require.Equal(t, len(part), n)
		}
		require.NoError(t, e.Close())
		require.Equal(t, show.EscapeText(text)+"\n"+`\rx`+"\ufffd", out.String(), split)
	}
}

func TestWrap(t *testing.T) {
	assert.Equal(t, "  one two\n  three\n\n  verylongword\nx\n", show.Wrap("  one two three\n\n  verylongword\nx\n", 10))
	assert.Equal(t, "  verylongword\n  b c", show.Wrap("  verylongword b c", 10))
	assert.Equal(t, "one two three", show.Wrap("one two three", 0))
}

// TestWide prints a list that is too wide for a line of a file.
func TestWide(t *testing.T) {
	answer := []byte(`[{"name": "a", "text": "` + strings.Repeat("x", 500) + `", "n": 1}]`)
	assert.Contains(t, print(t, "x", answer, show.Options{}), "name  a\n")
	assert.Contains(t, print(t, "x", answer, show.Options{Width: 80}), "name  ")
}

// TestStyles: no style has a colour that disappears on a light or on a dark background.
func TestStyles(t *testing.T) {
	for _, style := range []show.Style{show.Title, show.Faint, show.Bad} {
		painted := show.Options{Colour: true}.Paint(style, "x")
		assert.Regexp(t, `^\x1b\[(1|2|1;31)mx\x1b\[0m$`, painted)
		assert.Equal(t, "x", show.Options{}.Paint(style, "x"))
	}
}
