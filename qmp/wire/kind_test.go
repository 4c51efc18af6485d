package wire_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/qmp/wire"
)

func TestKindLooksAtTheNextValue(t *testing.T) {
	for _, test := range []struct {
		text string
		want wire.Kind
		name string
	}{
		{`"a"`, wire.KindString, "a string"},
		{`0`, wire.KindNumber, "a number"},
		{`9`, wire.KindNumber, "a number"},
		{`-1`, wire.KindNumber, "a number"},
		{`true`, wire.KindBool, "a boolean"},
		{`false`, wire.KindBool, "a boolean"},
		{`null`, wire.KindNull, "null"},
		{`{}`, wire.KindObject, "an object"},
		{`[]`, wire.KindArray, "an array"},
	} {
		require.Equal(t, test.name, test.want.String())
		for _, text := range []string{test.text, "\t\n\r " + test.text + " "} {
			d := wire.NewDecoder([]byte(text))
			require.Equal(t, test.want, d.Kind(), text)
			require.Equal(t, test.want, d.Kind(), "%s, asked again", text)
			d.Skip()
			require.NoError(t, d.End(), "Kind has read something of %s", text)
		}
	}
}

func TestKindOfInvalidText(t *testing.T) {
	for _, text := range []string{"", "  ", "+1", ".5", "inf", "True", "}", "]", ",", ":", "'a'", "\v1", "\xef\xbb\xbf1", "\x00"} {
		d := wire.NewDecoder([]byte(text))
		require.Equal(t, wire.KindInvalid, d.Kind(), "%q", text)
		require.NoError(t, d.Err(), "%q", text)
	}
	require.Equal(t, "no JSON value", wire.KindInvalid.String())
	require.Equal(t, "no JSON value", wire.Kind(99).String())
}

// An array is wanted, so that each of these is unexpected.
func TestMessagesShowTheFoundText(t *testing.T) {
	const notJSON = "inf or nan, which QEMU prints although JSON has no such numbers"
	for text, want := range map[string]string{
		``:             "the end of the text",
		`"`:            "a string",
		`0`:            "a number",
		`-7`:           "a number",
		`-`:            "'-'",
		`-a`:           "'-'",
		`--1`:          "'-'",
		`+1`:           "'+'",
		`true`:         "a boolean",
		`falsehood`:    "a boolean",
		`f`:            "'f'",
		`null`:         "null",
		`nope`:         "'n'",
		`{`:            "an object",
		`inf`:          notJSON,
		`-inf`:         notJSON,
		`infinity`:     notJSON,
		`nan`:          notJSON,
		`-nan`:         notJSON,
		`in`:           "'i'",
		`-in`:          "'-'",
		`NaN`:          "'N'",
		"\x1b[0m":      "a byte that begins no JSON",
		"\xef\xbb\xbf": "a byte that begins no JSON",
		"é":            "a byte that begins no JSON",
		"\v":           "a byte that begins no JSON",
		"\\":           "a byte that begins no JSON",
	} {
		d := wire.NewDecoder([]byte(text))
		require.False(t, d.Array())
		requireError(t, d.Err(), "", 0, "expected an array, found "+want)
	}
}
