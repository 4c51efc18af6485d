package wire_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/qmp/wire"
)

// invalid texts are refused alike, no matter whether they are used or skipped.
var invalid = []refusal{
	{``, "", 0, "expected a value, found the end of the text"},
	{` `, "", 1, "expected a value, found the end of the text"},
	{`+1`, "", 0, "expected a value, found '+'"},
	{`.5`, "", 0, "expected a value, found '.'"},
	{`'a'`, "", 0, "expected a value, found '''"},
	{"\xef\xbb\xbf1", "", 0, "expected a value, found a byte that begins no JSON"},
	{`inf`, "", 0, "expected a value, found inf or nan, which QEMU prints although JSON has no such numbers"},
	{`{"cpu": -inf}`, "cpu", 8, "expected a number, found inf or nan, which QEMU prints although JSON has no such numbers"},
	{`{"cpu": -nan}`, "cpu", 8, "expected a number, found inf or nan, which QEMU prints although JSON has no such numbers"},
	{`[0, nan]`, "[1]", 4, "expected null, found inf or nan, which QEMU prints although JSON has no such numbers"},
	{`tru`, "", 0, "expected true, found 't'"},
	{`falsy`, "", 0, "expected false, found 'f'"},
	{`[nul]`, "[0]", 1, "expected null, found 'n'"},
	{`1x`, "", 1, "something follows the value"},
	{`-`, "", 0, "expected a number, found '-'"},
	{`[1, -x]`, "[1]", 4, "expected a number, found '-'"},
	{`01`, "", 0, "number with a leading zero"},
	{`[-012]`, "[0]", 1, "number with a leading zero"},
	{`[00]`, "[0]", 1, "number with a leading zero"},
	{`1.`, "", 2, "no digit after the decimal point"},
	{`[1.e5]`, "[0]", 3, "no digit after the decimal point"},
	{`1e`, "", 2, "no digit in the exponent"},
	{`1.5E+]`, "", 5, "no digit in the exponent"},
	{`"a`, "", 2, "the text ends inside a string"},
	{`{"a": "b`, "a", 8, "the text ends inside a string"},
	{`{"a": "12345678\q"}`, "a", 15, "unknown escape in a string"},
	{`{"a": "12` + "\n" + `"}`, "a", 9, "control character in a string"},
	{`{"a": "12` + "\xff" + `"}`, "a", 9, "string is not valid UTF-8"},
	{`[`, "[0]", 1, "expected a value, found the end of the text"},
	{`[1,]`, "[1]", 3, "expected a value, found ']'"},
	{`[,]`, "[0]", 1, "expected a value, found ','"},
	{`[}`, "[0]", 1, "expected a value, found '}'"},
	{`[1 2]`, "", 3, "expected a comma or the end of the array, found a number"},
	{`[[1}]`, "[0]", 3, "expected a comma or the end of the array, found '}'"},
	{`[1`, "", 2, "expected a comma or the end of the array, found the end of the text"},
	{`{`, "", 1, "expected a member's name, found the end of the text"},
	{`{]`, "", 1, "expected a member's name, found ']'"},
	{`{a: 1}`, "", 1, "expected a member's name, found 'a'"},
	{`{1: 2}`, "", 1, "expected a member's name, found a number"},
	{`{,}`, "", 1, "expected a member's name, found ','"},
	{`{"a": 1,}`, "", 8, "expected a member's name, found '}'"},
	{`{"a": {"b": 1, null}}`, "a", 15, "expected a member's name, found null"},
	{`{"a`, "", 3, "the text ends inside a string"},
	{`{"a\q": 1}`, "", 3, "unknown escape in a string"},
	{`{"a": 1, "` + "\x01" + `": 2}`, "", 10, "control character in a string"},
	{`{"a"}`, "a", 4, "expected a colon, found '}'"},
	{`{"a" 1}`, "a", 5, "expected a colon, found a number"},
	{`{"a"`, "a", 4, "expected a colon, found the end of the text"},
	{`{"a":}`, "a", 5, "expected a value, found '}'"},
	{`{"a"::1}`, "a", 5, "expected a value, found ':'"},
	{`{"a": 1 "b": 2}`, "", 8, "expected a comma or the end of the object, found a string"},
	{`{"a": {"b": 1]}`, "a", 13, "expected a comma or the end of the object, found ']'"},
	{`{"a": 1`, "", 7, "expected a comma or the end of the object, found the end of the text"},
	{`{}{}`, "", 2, "something follows the value"},
}

func TestInvalidTextIsRefusedHoweverItIsRead(t *testing.T) {
	t.Run("Skip", func(t *testing.T) { checkRefusals(t, (*wire.Decoder).Skip, invalid) })
	t.Run("Raw", func(t *testing.T) { checkRefusals(t, func(d *wire.Decoder) { d.Raw() }, invalid) })
	t.Run("values", func(t *testing.T) { checkRefusals(t, func(d *wire.Decoder) { readTree(d) }, invalid) })
}

func TestUnknownMembersAreValidated(t *testing.T) {
	checkRefusals(t, func(d *wire.Decoder) { d.Object(new(status)) }, []refusal{
		{`{"status": "running", "new": {"a": [01]}}`, "new.a[0]", 36, "number with a leading zero"},
		{`{"status": "running", "new": "\ud800"}`, "new", 30, "half of a surrogate pair in a string"},
		{`{"new": {"a":1,}, "status": "running"}`, "new", 15, "expected a member's name, found '}'"},
		{`{"new": inf, "status": "running"}`, "new", 8,
			"expected a value, found inf or nan, which QEMU prints although JSON has no such numbers"},
	})
}

func TestRawReturnsTheValueAsItCame(t *testing.T) {
	for _, value := range []string{
		`null`, `true`, `false`, `0`, `-0`, `10`, `-1.50E+03`, `1e400`, `123456789012345678901234567890`, `""`, `"\u0061\/"`,
		`[]`, `[ ]`, `{}`, `{ }`, "{ \"a\" :\t1 , \"a\":[ 2,\r\n{}] }", `[0,10,0.5,-1]`, `{"a":0}`,
	} {
		for _, text := range []string{value, "\n " + value + "\t "} {
			got, err := read([]byte(text), (*wire.Decoder).Raw)
			require.NoError(t, err, text)
			require.Equal(t, value, string(got))
		}
		d := wire.NewDecoder([]byte("[" + value + ", 1]"))
		require.True(t, d.Array())
		require.Equal(t, value, string(d.Raw()))
		require.True(t, d.More(), "more than %s was read", value)
	}
}

func TestRawReturnsNothingAfterAFailure(t *testing.T) {
	d := wire.NewDecoder([]byte(`[1, 2`))
	require.Nil(t, d.Raw())
	require.Error(t, d.Err())
}

func TestSkipLeavesTheCursorAfterTheValue(t *testing.T) {
	for _, value := range []string{`7`, `0`, `-7`, `7.5`, `"a"`, `"\n"`, `true`, `null`, `[[]]`, `{"a":{}}`} {
		d := wire.NewDecoder([]byte("[" + value + "," + value + " , 8]"))
		require.True(t, d.Array())
		d.Skip()
		require.True(t, d.More())
		d.Skip()
		require.True(t, d.More())
		require.Equal(t, int64(8), d.Int64())
		require.False(t, d.More())
		require.NoError(t, d.End())
	}
}

func TestLongTextIsSkipped(t *testing.T) {
	for n := range 40 {
		text := `{"` + strings.Repeat("n", n) + `": "` + strings.Repeat("v", n) + `", "` + strings.Repeat("é", n) + `": [` +
			strings.Repeat("123, ", n) + `0]}`
		d := wire.NewDecoder([]byte(text))
		d.Skip()
		require.NoError(t, d.End(), text)
	}
}
