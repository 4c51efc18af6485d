package wire_test

import (
	"bytes"
	"math"
	"strconv"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/qmp/wire"
)

// The targets here compare with jsontext. What differs is wanted:
//   - names may be repeated in what is skipped, or taken and written raw (jsontext is told to
//     allow it there);
//   - nesting is bounded by wire.MaxDepth, jsontext's by ten times as much;
//   - an integer is written without fraction and exponent: 1.0 and 1e3 are refused where an
//     integer is read;
//   - -0 is the integer 0 also where an unsigned one is read.

// seeds are texts with something special about each.
var seeds = []string{
	`null`, `true`, `false`, `tru`, `nulll`, ``, ` `, `{}`, `[]`, `[[],{}]`, "\t[ 1 ,\r\n2 ] ",
	`0`, `-0`, `01`, `-`, `1.5`, `1.`, `.5`, `1e5`, `1E+05`, `1e`, `-1.25e-3`, `1e400`, `+1`, `0x10`,
	`127`, `128`, `-128`, `-129`, `65535`, `65536`, `4294967295`, `4294967296`,
	`9223372036854775807`, `9223372036854775808`, `-9223372036854775808`, `-9223372036854775809`,
	`18446744073709551615`, `18446744073709551616`, `184467440737095516150`, `inf`, `-inf`, `nan`, `-nan`,
	`""`, `"plain"`, `"eight888"`, `"sixteen_sixteen_"`, `"a\"b\\c\/d\b\f\n\r\t"`, `"\u00e9\u20ac"`,
	`"\ud83d\ude00"`, `"\ud83d"`, `"\ude00"`, `"\ud83dx"`, `"\ud83d\u0041"`, `"\u12"`, `"\u12g4"`, `"\x"`, `"\`, `"open`, `"00"0000`,
	`"é€😀"`, "\"\xff\"", "\"\xed\xa0\x80\"", "\"\xc0\x80\"", "\"\xe2\x82\"", "\"a\x00b\"", "\"12345678\x1f\"", "\"\x7f\"",
	`{"a":1,"a":2}`, `{"a" : 1 , "b":[true,false,null]}`, `{"\u0061":1}`, `{"a":1,}`, `{"a"}`, `{"a":}`, `{a:1}`, `{1:2}`,
	`{"a":1 "b":2}`, `[1 2]`, `[1,]`, `[,1]`, `[`, `{`, `]`, `}`, `[}`, `{]`, `[1}`, `{"a":1]`, `1 2`, "\xff", "\xef\xbb\xbf1",
	`{"QMP": {"version": {"qemu": {"micro": 2, "minor": 2, "major": 10}, "package": ""}, "capabilities": ["oob"]}}`,
	`{"timestamp": {"seconds": 1727, "microseconds": -1}, "event": "STOP"}`,
	"[1, 2, 3]", `[[1, 2], [3]]`, `[{"a": 1}, {"a": 2}]`, `["a, b", "c"]`, `[{"a": "}, {}, {"}]`, `[, , , `,
	strings.Repeat("[", 1024) + strings.Repeat("]", 1024), strings.Repeat("[", 1025) + strings.Repeat("]", 1025),
	strings.Repeat(`{"a":`, 1025) + "1" + strings.Repeat("}", 1025),
}

func addSeeds(f *testing.F) {
	for _, seed := range seeds {
		f.Add([]byte(seed))
	}
}

// FuzzDecode compares what is accepted, and the trees that come of it: once read value by
// value, once skipped, once taken raw. Read trees have the room that Room says, jsontext's none.
func FuzzDecode(f *testing.F) {
	addSeeds(f)
	f.Fuzz(func(t *testing.T, text []byte) {
		want, wantErr := oracleTree(text)
		valid := wantErr == nil && depth(want) <= wire.MaxDepth
		lax, laxErr := oracleTree(text, repeatedNames)
		skipped := laxErr == nil && depth(lax) <= wire.MaxDepth

		got, err := decodeTree(text)
		require.Equal(t, valid, err == nil, "decoding %q: %v, want %v", text, err, wantErr)
		if valid {
			require.Equal(t, want, got)
		} else {
			checkError(t, err, text)
		}

		d := wire.NewDecoder(text)
		room := d.Room()
		require.True(t, 0 <= room && room <= 1+len(text), "room for %d in %q", room, text)
		d.Skip()
		err = d.End()
		require.Equal(t, skipped, err == nil, "skipping %q: %v, want %v", text, err, laxErr)
		if !skipped {
			checkError(t, err, text)
		}

		d.Reset(text)
		raw := d.Raw()
		if err = d.End(); skipped {
			require.NoError(t, err)
			require.Equal(t, strings.Trim(string(text), " \t\r\n"), string(raw))
		}
	})
}

var repeatedNames = jsontext.AllowDuplicateNames(true)

// checkError checks that an error is complete and points into the text.
func checkError(t *testing.T, err error, text []byte) {
	var e *wire.Error
	require.ErrorAs(t, err, &e)
	require.NotEmpty(t, e.Reason)
	require.GreaterOrEqual(t, e.Offset, 0)
	require.LessOrEqual(t, e.Offset, len(text))
}

// FuzzNumber compares how a text is read as a number of each type, by itself and in an array.
func FuzzNumber(f *testing.F) {
	addSeeds(f)
	f.Fuzz(func(t *testing.T, text []byte) {
		checkInt(t, text, 8, (*wire.Decoder).Int8)
		checkInt(t, text, 16, (*wire.Decoder).Int16)
		checkInt(t, text, 32, (*wire.Decoder).Int32)
		checkInt(t, text, 64, (*wire.Decoder).Int64)
		checkUint(t, text, 8, (*wire.Decoder).Uint8)
		checkUint(t, text, 16, (*wire.Decoder).Uint16)
		checkUint(t, text, 32, (*wire.Decoder).Uint32)
		checkUint(t, text, 64, (*wire.Decoder).Uint64)

		want := math.NaN()
		if n, ok := oracleNumber(text); ok {
			if v, err := strconv.ParseFloat(n, 64); err == nil {
				want = v
			}
		}
		got, err := read(text, (*wire.Decoder).Float64)
		require.Equal(t, !math.IsNaN(want), err == nil, "%q: %v", text, err)
		if err == nil {
			require.Equal(t, math.Float64bits(want), math.Float64bits(got), "%q", text)
		}
	})
}

func checkInt[T int8 | int16 | int32 | int64](t *testing.T, text []byte, bits int, method func(*wire.Decoder) T) {
	n, ok := oracleNumber(text)
	want, err := strconv.ParseInt(n, 10, bits)
	for _, reading := range []func([]byte, func(*wire.Decoder) T) (T, error){read[T], readInArray[T]} {
		got, gotErr := reading(text, method)
		require.Equal(t, ok && err == nil, gotErr == nil, "%q as int%d: %v", text, bits, gotErr)
		if gotErr == nil {
			require.Equal(t, want, int64(got), "%q", text)
		}
	}
}

func checkUint[T uint8 | uint16 | uint32 | uint64](t *testing.T, text []byte, bits int, method func(*wire.Decoder) T) {
	n, ok := oracleNumber(text)
	if n == "-0" {
		n = "0"
	}
	want, err := strconv.ParseUint(n, 10, bits)
	for _, reading := range []func([]byte, func(*wire.Decoder) T) (T, error){read[T], readInArray[T]} {
		got, gotErr := reading(text, method)
		require.Equal(t, ok && err == nil, gotErr == nil, "%q as uint%d: %v", text, bits, gotErr)
		if gotErr == nil {
			require.Equal(t, want, uint64(got), "%q", text)
		}
	}
}

// oracleNumber returns the number that a text consists of.
func oracleNumber(text []byte) (string, bool) {
	tree, err := oracleTree(text)
	n, ok := tree.(number)
	return string(n), ok && err == nil
}

// read reads a text with one method.
func read[T any](text []byte, method func(*wire.Decoder) T) (T, error) {
	d := wire.NewDecoder(text)
	v := method(d)
	return v, d.End()
}

// readInArray reads a text often enough that memory for several values is allocated at a time. It
// returns the last one. A text that ends the array, or begins a second element, is an error.
func readInArray[T any](text []byte, method func(*wire.Decoder) T) (last T, err error) {
	const times = 40
	array := "[" + strings.Repeat(string(text)+", ", times) + "[]]"
	d := wire.NewDecoder([]byte(array))
	n := 0
	for ok := d.Array(); ok && n < times; ok = d.More() {
		last = method(d)
		n++
	}
	if n < times || d.Kind() != wire.KindArray {
		d.Fail("too few values, or too many")
	}
	return last, d.Err()
}

// FuzzString compares how a text is read as a string, twice so that the second is interned, and
// how any string is written.
func FuzzString(f *testing.F) {
	addSeeds(f)
	f.Fuzz(func(t *testing.T, text []byte) {
		tree, wantErr := oracleTree(text)
		want, ok := tree.(string)
		ok = ok && wantErr == nil
		for range 2 {
			for _, method := range []func(*wire.Decoder) string{(*wire.Decoder).String, (*wire.Decoder).Enum} {
				for _, reading := range []func([]byte, func(*wire.Decoder) string) (string, error){read[string], readInArray[string]} {
					got, err := reading(text, method)
					require.Equal(t, ok, err == nil, "%q: %v, want %v", text, err, wantErr)
					if ok {
						require.Equal(t, want, got)
					}
				}
			}
		}

		e := wire.NewEncoder(nil)
		e.String(string(text))
		if _, err := jsontext.AppendQuote(nil, text); err != nil {
			require.Error(t, e.Err())
			return
		}
		require.NoError(t, e.Err())
		back, err := jsontext.AppendUnquote(nil, e.Bytes())
		require.NoError(t, err)
		require.Equal(t, string(text), string(back))
		got, err := read(e.Bytes(), (*wire.Decoder).String)
		require.NoError(t, err)
		require.Equal(t, string(text), got)
	})
}

// FuzzEncode writes the tree of a text and reads it with jsontext, and compares how the text is
// taken as a raw value.
func FuzzEncode(f *testing.F) {
	addSeeds(f)
	f.Fuzz(func(t *testing.T, text []byte) {
		tree, err := oracleTree(text, repeatedNames)
		valid := err == nil && depth(tree) <= wire.MaxDepth

		e := wire.NewEncoder(nil)
		e.Raw(text)
		require.Equal(t, valid || len(text) == 0, e.Err() == nil, "%q: %v", text, e.Err())
		if !valid {
			return
		}
		want := jsontext.Value(bytes.Clone(text))
		require.NoError(t, want.Compact(repeatedNames))
		require.Equal(t, string(want), string(e.Bytes()))

		e.Reset(nil)
		writeTree(e, tree)
		require.NoError(t, e.Err())
		back, err := oracleTree(e.Bytes())
		require.NoError(t, err)
		require.Equal(t, tree, back)
	})
}
