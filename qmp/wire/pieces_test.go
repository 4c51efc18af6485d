package wire_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/qmp/wire"
)

// TestStringsKeepTheirBytes reads strings of all lengths, and raw values between them. Each has memory
// of its own, although several are in one piece.
func TestStringsKeepTheirBytes(t *testing.T) {
	var strs, raws, elements []string
	for n := range 300 {
		strs = append(strs, strings.Repeat(string(rune('a'+n%26)), n%150))
		raws = append(raws, fmt.Sprint(n*n*n))
		elements = append(elements, `"`+strs[n]+`"`, raws[n])
	}
	text := []byte("[" + strings.Join(elements, ", ") + "]")
	d := wire.NewDecoder(text)
	var gotStrs []string
	var gotRaws [][]byte
	for ok := d.Array(); ok; ok = d.More() {
		gotStrs = append(gotStrs, d.String())
		require.True(t, d.More())
		gotRaws = append(gotRaws, d.Raw())
	}
	require.NoError(t, d.End())
	clear(text)
	for i, raw := range gotRaws {
		require.Equal(t, raws[i], string(raw))
		clear(raw)
		gotRaws[i] = append(raw, "more"...)
	}
	require.Equal(t, strs, gotStrs)
}

// TestOptional reads more values than are allocated at a time. Each has a pointer of its own.
func TestOptional(t *testing.T) {
	const times = 100
	var text strings.Builder
	for i := range times {
		fmt.Fprintf(&text, `, "string %d", "%d", %t, %d, %d`, i, i%3, i%2 == 0, -i, i)
	}
	d := wire.NewDecoder([]byte("[0" + text.String() + "]"))
	require.True(t, d.Array())
	var zero *uint64
	d.OptUint64(&zero)
	require.Equal(t, new(uint64), zero)
	var strs, enums []*string
	var bools []*bool
	var ints []*int64
	var uints []*uint64
	for d.More() {
		strs = append(strs, nil)
		d.OptString(&strs[len(strs)-1])
		d.More()
		enums = append(enums, d.OptEnum())
		d.More()
		bools = append(bools, nil)
		d.OptBool(&bools[len(bools)-1])
		d.More()
		ints = append(ints, nil)
		d.OptInt64(&ints[len(ints)-1])
		d.More()
		uints = append(uints, nil)
		d.OptUint64(&uints[len(uints)-1])
	}
	require.NoError(t, d.End())
	for i := range times {
		require.Equal(t, fmt.Sprint("string ", i), *strs[i])
		require.Equal(t, fmt.Sprint(i%3), *enums[i])
		require.Equal(t, i%2 == 0, *bools[i])
		require.Equal(t, int64(-i), *ints[i])
		require.Equal(t, uint64(i), *uints[i])
		*strs[i], *enums[i], *bools[i], *ints[i], *uints[i] = "", "", false, 0, 0
	}
}

func TestOptionalRefusals(t *testing.T) {
	checkRefusals(t, func(d *wire.Decoder) { d.OptString(new(*string)) }, []refusal{{`5`, "", 0, "expected a string, found a number"}})
	checkRefusals(t, func(d *wire.Decoder) { d.OptEnum() }, []refusal{{`5`, "", 0, "expected a string, found a number"}})
	checkRefusals(t, func(d *wire.Decoder) { d.OptBool(new(*bool)) }, []refusal{{`5`, "", 0, "expected a boolean, found a number"}})
	checkRefusals(t, func(d *wire.Decoder) { d.OptInt64(new(*int64)) }, []refusal{{`""`, "", 0, "expected an integer, found a string"}})
	checkRefusals(t, func(d *wire.Decoder) { d.OptUint64(new(*uint64)) }, []refusal{{`-1`, "", 0, "integer does not fit uint64"}})
}

// TestFewAllocations decodes a reply with many small values: several of them share an allocation.
func TestFewAllocations(t *testing.T) {
	text := []byte(typesReply(440))
	d := new(wire.Decoder)
	n := testing.AllocsPerRun(10, func() {
		d.Reset(text)
		roomy(d, func(v *typeInfo) { d.Object(v) })
		require.NoError(t, d.End())
	})
	require.Less(t, n, 150.0)
}
