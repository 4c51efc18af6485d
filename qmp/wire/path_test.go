package wire_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/qmp/wire"
)

func TestErrorIsOneLine(t *testing.T) {
	for want, err := range map[string]error{
		"no (at byte 0)":       &wire.Error{Reason: "no"},
		"a.b: no (at byte 12)": &wire.Error{Path: "a.b", Offset: 12, Reason: "no"},
		"a[0]: no":             &wire.Error{Path: "a[0]", Offset: -1, Reason: "no"},
		"no":                   &wire.Error{Offset: -1, Reason: "no"},
	} {
		require.Equal(t, want, err.Error())
	}
}

// The nil of an error must be one of the interface, too.
func TestNoErrorIsNil(t *testing.T) {
	d, e := wire.NewDecoder([]byte("1")), wire.NewEncoder(nil)
	d.Skip()
	e.Null()
	require.True(t, d.Err() == nil)
	require.True(t, d.End() == nil)
	require.True(t, e.Err() == nil)
}

// Each text ends where a value is missing, and the path leads there.
func TestPaths(t *testing.T) {
	for text, want := range map[string]string{
		``:                                     "",
		` `:                                    "",
		`[`:                                    "[0]",
		`[[[`:                                  "[0][0][0]",
		`[1,`:                                  "[1]",
		`[[1,2],[3],`:                          "[2]",
		`[[1,2],[3,`:                           "[1][1]",
		`[{},{"a":[]},[[],`:                    "[2][1]",
		`[0,1,2,3,4,5,6,7,8,9,10,`:             "[11]",
		`{"a":`:                                "a",
		`{ "a" : 1 , "b" : `:                   "b",
		`{"a":{"b":{"c":`:                      "a.b.c",
		`{"a":{"b":{"c":0}},"d":`:              "d",
		`{"a":{"b":{"c":0},"d":`:               "a.d",
		`{"props":[{"name":"a"},{"name":"b"},`: "props[2]",
		`{"props":[{},{"x":[1,{"y":`:           "props[1].x[1].y",
		`{"x-perf":{"on_2":`:                   "x-perf.on_2",
		`{"__com.redhat_x":`:                   "__com.redhat_x",
		`{"a":"x,{[\"]}:","b":`:                "b",
		`{"a":"\\","b":["\"",`:                 "b[1]",
		`{"a":true,"b":[false,null,-1.5e3,`:    "b[3]",
		`{"a b":`:                              `["a b"]`,
		`{"a":{"b c":{"d":`:                    `a["b c"].d`,
		`{"":`:                                 `[""]`,
		`{"a":{"":`:                            `a[""]`,
		`{"a[0]":`:                             `["a[0]"]`,
		`{"a\n":`:                              `["a\n"]`,
		`{"\"":[`:                              `["\""][0]`,
		`{"é":{"\u00e9":`:                      `["é"]["\u00e9"]`,
	} {
		d := wire.NewDecoder([]byte(text))
		d.Skip()
		requireError(t, d.End(), want, len(text), "expected a value, found the end of the text")
	}
}

func TestEncoderPaths(t *testing.T) {
	for want, write := range map[string]func(e *wire.Encoder){
		"":     func(*wire.Encoder) {},
		"[0]":  func(e *wire.Encoder) { e.BeginArray(); e.Elem() },
		"[1]":  func(e *wire.Encoder) { e.BeginArray(); e.Elem().Int(1); e.Elem() },
		"a":    func(e *wire.Encoder) { e.BeginObject(); e.Name("a") },
		"b":    func(e *wire.Encoder) { e.BeginObject(); e.Name("a").String(`{"[`); e.Name("b") },
		"a.b":  func(e *wire.Encoder) { e.BeginObject(); e.Name("a").BeginObject(); e.Name("b") },
		`[""]`: func(e *wire.Encoder) { e.BeginObject(); e.ExtraName("") },
		"props[2].name": func(e *wire.Encoder) {
			e.BeginObject()
			e.Name("id").String("a")
			e.Name("props").BeginArray()
			e.Elem().Raw([]byte(`{"name": [1, 2]}`))
			e.Elem().Object(members(func(e *wire.Encoder) { e.Name("name").Null() }))
			e.Elem().BeginObject()
			e.Name("name")
		},
		`["a\"b"]["c d"]`: func(e *wire.Encoder) {
			e.BeginObject()
			e.ExtraName(`a"b`).BeginObject()
			e.ExtraName("c d")
		},
	} {
		// What the buffer held before is no part of the value.
		for _, before := range []string{"", `{"execute":"x","arguments":`, `[{`} {
			e := wire.NewEncoder([]byte(before))
			write(e)
			e.Fail("no")
			requireError(t, e.Err(), want, -1, "no")
		}
	}
}
