package wire_test

import (
	"fmt"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/qmp/wire"
)

// integerTypes are the types of integers, with their limits and one past each.
var integerTypes = []struct {
	name                     string
	read                     func(*wire.Decoder) any
	below, least, most, past string
	leastValue, mostValue    any
}{
	{"int8", func(d *wire.Decoder) any { return d.Int8() }, "-129", "-128", "127", "128",
		int8(math.MinInt8), int8(math.MaxInt8)},
	{"int16", func(d *wire.Decoder) any { return d.Int16() }, "-32769", "-32768", "32767", "32768",
		int16(math.MinInt16), int16(math.MaxInt16)},
	{"int32", func(d *wire.Decoder) any { return d.Int32() }, "-2147483649", "-2147483648", "2147483647", "2147483648",
		int32(math.MinInt32), int32(math.MaxInt32)},
	{"int64", func(d *wire.Decoder) any { return d.Int64() },
		"-9223372036854775809", "-9223372036854775808", "9223372036854775807", "9223372036854775808",
		int64(math.MinInt64), int64(math.MaxInt64)},
	{"uint8", func(d *wire.Decoder) any { return d.Uint8() }, "-1", "0", "255", "256",
		uint8(0), uint8(math.MaxUint8)},
	{"uint16", func(d *wire.Decoder) any { return d.Uint16() }, "-1", "0", "65535", "65536",
		uint16(0), uint16(math.MaxUint16)},
	{"uint32", func(d *wire.Decoder) any { return d.Uint32() }, "-1", "0", "4294967295", "4294967296",
		uint32(0), uint32(math.MaxUint32)},
	{"uint64", func(d *wire.Decoder) any { return d.Uint64() }, "-1", "0", "18446744073709551615", "18446744073709551616",
		uint64(0), uint64(math.MaxUint64)},
}

func TestIntegersUpToTheirLimits(t *testing.T) {
	for _, typ := range integerTypes {
		t.Run(typ.name, func(t *testing.T) {
			for text, want := range map[string]any{typ.least: typ.leastValue, typ.most: typ.mostValue} {
				got, err := read([]byte(" "+text+" "), typ.read)
				require.NoError(t, err)
				require.Equal(t, want, got)
			}
			for text, want := range map[string]string{"0": "0", "-0": "0", "7": "7", "10": "10", "100": "100"} {
				got, err := read([]byte(text), typ.read)
				require.NoError(t, err)
				require.Equal(t, want, fmt.Sprint(got))
			}
		})
	}
}

func TestIntegersPastTheirLimits(t *testing.T) {
	for _, typ := range integerTypes {
		t.Run(typ.name, func(t *testing.T) {
			for _, text := range []string{
				typ.below, typ.past,
				"18446744073709551616", "-18446744073709551616", // 2^64 wraps to 0
				"18446744073709551617", "-18446744073709551617", // and this to 1
				"340282366920938463463374607431768211457", // so does 2^128+1
				"99999999999999999999", "100000000000000000000",
			} {
				got, err := read([]byte(text), typ.read)
				require.Zero(t, got)
				requireError(t, err, "", 0, "integer does not fit "+typ.name)

				_, err = read([]byte("[ \t"+text+"]"), func(d *wire.Decoder) any { d.Array(); return typ.read(d) })
				requireError(t, err, "[0]", 3, "integer does not fit "+typ.name)
			}
		})
	}
}

func TestInvalidIntegers(t *testing.T) {
	const fraction = "expected an integer, found a number with a fraction or an exponent"
	const notJSON = "expected an integer, found inf or nan, which QEMU prints although JSON has no such numbers"
	for _, typ := range integerTypes {
		t.Run(typ.name, func(t *testing.T) {
			checkRefusals(t, func(d *wire.Decoder) { typ.read(d) }, []refusal{
				{"1.0", "", 0, fraction},
				{"1.", "", 0, fraction},
				{"-0.0", "", 0, fraction},
				{"1e3", "", 0, fraction},
				{" 1E3", "", 1, fraction},
				{"0e0", "", 0, fraction},
				{"01", "", 0, "number with a leading zero"},
				{"-01", "", 0, "number with a leading zero"},
				{"00", "", 0, "number with a leading zero"},
				{"  00000000000000000000000", "", 2, "number with a leading zero"},
				{"01.5", "", 0, "number with a leading zero"},
				{"-", "", 0, "expected an integer, found '-'"},
				{"--1", "", 0, "expected an integer, found '-'"},
				{"- 1", "", 0, "expected an integer, found '-'"},
				{"+1", "", 0, "expected an integer, found '+'"},
				{".5", "", 0, "expected an integer, found '.'"},
				{"", "", 0, "expected an integer, found the end of the text"},
				{`"1"`, "", 0, "expected an integer, found a string"},
				{"true", "", 0, "expected an integer, found a boolean"},
				{"null", "", 0, "expected an integer, found null"},
				{"[1]", "", 0, "expected an integer, found an array"},
				{"inf", "", 0, notJSON},
				{"-inf", "", 0, notJSON},
				{"nan", "", 0, notJSON},
				{"-nan", "", 0, notJSON},
				{"0x10", "", 1, "something follows the value"},
				{"1_000", "", 1, "something follows the value"},
				{"0-", "", 1, "something follows the value"},
			})
		})
	}
}

func TestFloat64(t *testing.T) {
	for text, want := range map[string]float64{
		"0":                                    0,
		"-0":                                   math.Copysign(0, -1),
		"-0.0":                                 math.Copysign(0, -1),
		"0e5":                                  0,
		"1":                                    1,
		" -1.25 ":                              -1.25,
		"1e3":                                  1000,
		"1E+3":                                 1000,
		"125e-2":                               1.25,
		"0.1":                                  0.1,
		"0.1000000000000000055511151231257827": 0.1,
		"1.7976931348623157e308":               math.MaxFloat64,
		"-1.7976931348623157e308":              -math.MaxFloat64,
		"5e-324":                               math.SmallestNonzeroFloat64,
		"1e-400":                               0,
		"9007199254740993":                     9007199254740992,
		"18446744073709551616":                 1 << 64,
	} {
		got, err := read([]byte(text), (*wire.Decoder).Float64)
		require.NoError(t, err, text)
		require.Equal(t, math.Float64bits(want), math.Float64bits(got), text)
	}
}

func TestInvalidFloat64s(t *testing.T) {
	const notJSON = "expected a number, found inf or nan, which QEMU prints although JSON has no such numbers"
	checkRefusals(t, func(d *wire.Decoder) { require.Zero(t, d.Float64()) }, []refusal{
		{"1e309", "", 0, "number does not fit float64"},
		{" -1e400", "", 1, "number does not fit float64"},
		{"1.7976931348623159e308", "", 0, "number does not fit float64"},
		{"01", "", 0, "number with a leading zero"},
		{"-00.5", "", 0, "number with a leading zero"},
		{"1.", "", 2, "no digit after the decimal point"},
		{"1.e3", "", 2, "no digit after the decimal point"},
		{"  1.x", "", 4, "no digit after the decimal point"},
		{"1e", "", 2, "no digit in the exponent"},
		{"1E+", "", 3, "no digit in the exponent"},
		{"1e-x", "", 3, "no digit in the exponent"},
		{"1e+-1", "", 3, "no digit in the exponent"},
		{".5", "", 0, "expected a number, found '.'"},
		{"+1", "", 0, "expected a number, found '+'"},
		{"-", "", 0, "expected a number, found '-'"},
		{"", "", 0, "expected a number, found the end of the text"},
		{`"1"`, "", 0, "expected a number, found a string"},
		{"false", "", 0, "expected a number, found a boolean"},
		{"null", "", 0, "expected a number, found null"},
		{"{}", "", 0, "expected a number, found an object"},
		{"inf", "", 0, notJSON},
		{"-inf", "", 0, notJSON},
		{"nan", "", 0, notJSON},
		{"-nan", "", 0, notJSON},
	})
}

func TestFloat64FailsAtItsMember(t *testing.T) {
	d := wire.NewDecoder([]byte(`{"stats": [0.5, -1e999]}`))
	decodeWith(d, func(string) { list(d, func(v *float64) { *v = d.Float64() }) })
	requireError(t, d.End(), "stats[1]", 16, "number does not fit float64")
}

func TestNumbersInsideReplies(t *testing.T) {
	const notJSON = "expected an integer, found inf or nan, which QEMU prints although JSON has no such numbers"
	checkRefusals(t, func(d *wire.Decoder) { d.Object(new(blockInfo)) }, []refusal{
		{`{"device": "", "inserted": {"iops": 1.5}}`, "inserted.iops", 36,
			"expected an integer, found a number with a fraction or an exponent"},
		{`{"inserted": {"bps": 1, "write_threshold": -1}}`, "inserted.write_threshold", 43, "integer does not fit uint64"},
		{`{"inserted": {"bps": inf}}`, "inserted.bps", 21, notJSON},
		{`{"inserted": {"bps": -nan}}`, "inserted.bps", 21, notJSON},
	})
}
