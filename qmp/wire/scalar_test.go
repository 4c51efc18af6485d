package wire_test

import (
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/qmp/wire"
)

func TestScalars(t *testing.T) {
	for want, write := range map[string]func(e *wire.Encoder){
		`true`:                 func(e *wire.Encoder) { e.Bool(true) },
		`false`:                func(e *wire.Encoder) { e.Bool(false) },
		`null`:                 (*wire.Encoder).Null,
		`0`:                    func(e *wire.Encoder) { e.Int(0) },
		`-1`:                   func(e *wire.Encoder) { e.Int(-1) },
		`-9223372036854775808`: func(e *wire.Encoder) { e.Int(math.MinInt64) },
		`9223372036854775807`:  func(e *wire.Encoder) { e.Int(math.MaxInt64) },
		`10`:                   func(e *wire.Encoder) { e.Uint(10) },
		`18446744073709551615`: func(e *wire.Encoder) { e.Uint(math.MaxUint64) },
	} {
		require.Equal(t, want, encoded(t, write))
	}
}

func TestStringsAreEscaped(t *testing.T) {
	for s, want := range map[string]string{
		"":                       `""`,
		"plain":                  `"plain"`,
		`"\/`:                    `"\"\\/"`,
		"\b\t\n\f\r":             `"\b\t\n\f\r"`,
		"\x00\x01\v\x0e\x1b\x1f": `"\u0000\u0001\u000b\u000e\u001b\u001f"`,
		" ~\x7f":                 "\" ~\x7f\"",
		"<>&\u2028\ufffd":        "\"<>&\u2028\ufffd\"",
		"é€😀\n":                  "\"é€😀\\n\"",
		"12345678\"12345678":     `"12345678\"12345678"`,
	} {
		require.Equal(t, want, encoded(t, func(e *wire.Encoder) { e.String(s) }))
	}
}

func TestEveryByteIsReadBackWhereverItIs(t *testing.T) {
	for c := range rune(0x100) {
		for before := range 10 {
			s := strings.Repeat("b", before) + string(c) + strings.Repeat("a", 9)
			text := encoded(t, func(e *wire.Encoder) { e.String(s) })
			got, err := read([]byte(text), (*wire.Decoder).String)
			require.NoError(t, err)
			require.Equal(t, s, got)
		}
	}
}

func TestInvalidUTF8IsNotWritten(t *testing.T) {
	for _, s := range []string{"\xff", "a\x80", "12345678\xe2\x82", "\xc0\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\n\xff"} {
		e := wire.NewEncoder(nil)
		e.BeginObject()
		e.Name("a").String(s)
		requireError(t, e.Err(), "a", -1, "string is not valid UTF-8")
		require.Equal(t, `{"a":`, string(e.Bytes()))
	}
}

func TestSecretsAreHiddenFromPeopleOnly(t *testing.T) {
	e := wire.NewEncoder(nil)
	e.BeginArray()
	require.False(t, e.Redacted())
	e.Elem().Secret("pass\n")
	e.Redact()
	require.True(t, e.Redacted())
	e.Elem().Secret("word")
	e.Elem().Secret("")
	e.Elem().Secret("\xff")
	e.Elem().String("shown")
	e.EndArray()
	require.NoError(t, e.Err())
	require.Equal(t, `["pass\n","***","***","***","shown"]`, string(e.Bytes()))

	e.Reset(nil)
	e.Secret("\xff")
	requireError(t, e.Err(), "", -1, "string is not valid UTF-8")
}

func TestFloats(t *testing.T) {
	for want, v := range map[string]float64{
		"0":                       0,
		"-0.0":                    math.Copysign(0, -1),
		"1":                       1,
		"-1.25":                   -1.25,
		"0.1":                     0.1,
		"0.000001":                1e-6,
		"9.9e-7":                  9.9e-7,
		"1e-7":                    1e-7,
		"1e-10":                   1e-10,
		"-2.5e-9":                 -2.5e-9,
		"100000000000000000000":   1e20,
		"123456789012345680000":   123456789012345678901,
		"1e+21":                   1e21,
		"-1e+100":                 -1e100,
		"1.7976931348623157e+308": math.MaxFloat64,
		"5e-324":                  math.SmallestNonzeroFloat64,
		"0.3333333333333333":      1.0 / 3,
	} {
		require.Equal(t, want, encoded(t, func(e *wire.Encoder) { e.Float(v) }))
		require.Equal(t, "["+want+"]", encoded(t, func(e *wire.Encoder) { e.BeginArray(); e.Elem().Float(v); e.EndArray() }))
		got, err := read([]byte(want), (*wire.Decoder).Float64)
		require.NoError(t, err)
		require.Equal(t, math.Float64bits(v), math.Float64bits(got), want)
	}
}

func TestFloatsThatAreNotFinite(t *testing.T) {
	for _, v := range []float64{math.NaN(), math.Inf(1), math.Inf(-1)} {
		requireError(t, encodeError(func(e *wire.Encoder) {
			e.BeginObject()
			e.Name("a").BeginArray()
			e.Elem().Float(v)
		}), "a[0]", -1, "NaN and infinite numbers cannot be sent")
	}
}

func TestRawIsWrittenCompact(t *testing.T) {
	for value, want := range map[string]string{
		"":                            `null`,
		"null":                        `null`,
		" true\n":                     `true`,
		"-1.50E+03":                   `-1.50E+03`,
		`"a b\"\u0020 "`:              `"a b\"\u0020 "`,
		"[ ]":                         `[]`,
		"\t{ \"a b\" :\r\n[ 1 , 2 ]}": `{"a b":[1,2]}`,
		`{"a":1, "a":2}`:              `{"a":1,"a":2}`,
		`{"\\": " \\", "b": "[ "}`:    `{"\\":" \\","b":"[ "}`,
	} {
		require.Equal(t, want, encoded(t, func(e *wire.Encoder) { e.Raw([]byte(value)) }))
		require.Equal(t, `{"a":`+want+`,"b":[`+want+`,`+want+`]}`, encoded(t, func(e *wire.Encoder) {
			e.BeginObject()
			e.Name("a").Raw([]byte(value))
			e.Name("b").BeginArray()
			e.Elem().Raw([]byte(value))
			e.Elem().Raw([]byte(value))
			e.EndArray()
			e.EndObject()
		}))
	}
}

func TestInvalidRaw(t *testing.T) {
	for value, reason := range map[string]string{
		" ":             "expected a value, found the end of the text (at byte 1)",
		"1 2":           "something follows the value (at byte 2)",
		`{"a":[01]}`:    "a[0]: number with a leading zero (at byte 6)",
		"inf":           "expected a value, found inf or nan, which QEMU prints although JSON has no such numbers (at byte 0)",
		"\"\xff\"":      "string is not valid UTF-8 (at byte 1)",
		`1},"quit":{`:   "something follows the value (at byte 1)",
		"{\"a\": 1}\n]": "something follows the value (at byte 9)",
	} {
		e := wire.NewEncoder(nil)
		e.BeginObject()
		e.Name("x").Raw([]byte(value))
		requireError(t, e.Err(), "x", -1, "raw value is not valid JSON: "+reason)
		require.Equal(t, `{"x":`, string(e.Bytes()))
	}
}

func TestRawCountsTheNestingAroundIt(t *testing.T) {
	raw := func(around, inside int) error {
		return encodeError(func(e *wire.Encoder) {
			for range around {
				e.Elem().BeginArray()
			}
			e.Elem().Raw([]byte(strings.Repeat("[", inside) + strings.Repeat("]", inside)))
		})
	}
	require.NoError(t, raw(0, wire.MaxDepth))
	require.NoError(t, raw(wire.MaxDepth-2, 2))
	requireError(t, raw(wire.MaxDepth-2, 3), strings.Repeat("[0]", wire.MaxDepth-2), -1,
		"raw value is not valid JSON: [0][0]: nested too deeply (at byte 2)")
	requireError(t, raw(0, wire.MaxDepth+1), "", -1, fmt.Sprintf("raw value is not valid JSON: %s: nested too deeply (at byte %d)",
		strings.Repeat("[0]", wire.MaxDepth), wire.MaxDepth))
}

func TestOptionalMembers(t *testing.T) {
	write := func(s *string, b *bool, i *int64, u *uint64) func(e *wire.Encoder) {
		return func(e *wire.Encoder) {
			e.BeginObject()
			e.OptString("s", s)
			e.OptSecret("p", s)
			e.OptBool("b", b)
			e.OptInt("i", i)
			e.OptUint("u", u)
			e.EndObject()
		}
	}
	require.Equal(t, `{}`, encoded(t, write(nil, nil, nil, nil)))
	require.Equal(t, `{"s":"","p":"","b":false,"i":0,"u":0}`,
		encoded(t, write(new(""), new(false), new(int64(0)), new(uint64(0)))))
	require.Equal(t, `{"s":"a","p":"***","u":18446744073709551615}`, encoded(t, func(e *wire.Encoder) {
		e.Redact()
		write(new("a"), nil, nil, new(uint64(math.MaxUint64)))(e)
	}))
}

func TestNullIsMarshalledAsNull(t *testing.T) {
	got, err := json.Marshal(map[string]any{"a": wire.Null{}, "b": &wire.Null{}})
	require.NoError(t, err)
	require.Equal(t, `{"a":null,"b":null}`, string(got))
}
