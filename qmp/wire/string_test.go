package wire_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/qmp/wire"
)

// stringMethods read a string; a name is one, too.
var stringMethods = map[string]func(*wire.Decoder) string{
	"String": (*wire.Decoder).String,
	"Enum":   (*wire.Decoder).Enum,
}

func TestStrings(t *testing.T) {
	for text, want := range map[string]string{
		`""`:                           "",
		`"plain"`:                      "plain",
		"\t\n\r \"blanks around\" ":    "blanks around",
		`"\"\\\/\b\f\n\r\t"`:           "\"\\/\b\f\n\r\t",
		`"\u0041\u00e9\u20AC\u20ac"`:   "Aé€€",
		`"\u0000\u001f\u007f"`:         "\x00\x1f\x7f",
		`"\ud83d\ude00"`:               "😀",
		`"\uD800\uDC00\uDBFF\uDFFF"`:   "\U00010000\U0010FFFF",
		`"\ud7ff\ue000\uffff\ufffd"`:   "\ud7ff\ue000\uffff\ufffd",
		"\"é€😀\"":                      "é€😀",
		"\"\x7f\"":                     "\x7f",
		"\"\u0080\u07ff\u0800\uffff\"": "\u0080\u07ff\u0800\uffff",
		"\"\ufffd\U0010ffff\ufeff\"":   "\ufffd\U0010ffff\ufeff",
		`"a\u0062cdefghijklmnopqrst"`:  "abcdefghijklmnopqrst",
		`"/\/"`:                        "//",
	} {
		for name, method := range stringMethods {
			got, err := read([]byte(text), method)
			require.NoError(t, err, "%s of %s", name, text)
			require.Equal(t, want, got, "%s of %s", name, text)
		}
	}
}

var invalidStrings = []refusal{
	{`"`, "", 1, "the text ends inside a string"},
	{`"a`, "", 2, "the text ends inside a string"},
	{` "12345678`, "", 10, "the text ends inside a string"},
	{`"é`, "", 3, "the text ends inside a string"},
	{`"a\`, "", 2, "the text ends inside a string"},
	{`"a\"`, "", 4, "the text ends inside a string"},

	{`"\x41"`, "", 1, "unknown escape in a string"},
	{`"\'"`, "", 1, "unknown escape in a string"},
	{`"ab\U00000041"`, "", 3, "unknown escape in a string"},
	{`"\N"`, "", 1, "unknown escape in a string"},
	{"\"\\\n\"", "", 1, "unknown escape in a string"},
	{`"\u"`, "", 1, `\u is not followed by four hexadecimal digits`},
	{`"\u12"`, "", 1, `\u is not followed by four hexadecimal digits`},
	{`"a\u123`, "", 2, `\u is not followed by four hexadecimal digits`},
	{`"\u12g4"`, "", 1, `\u is not followed by four hexadecimal digits`},
	{`"\u+123"`, "", 1, `\u is not followed by four hexadecimal digits`},
	{`"\u00/0"`, "", 1, `\u is not followed by four hexadecimal digits`},
	{`"\u00:@"`, "", 1, `\u is not followed by four hexadecimal digits`},

	{`"\ud83d"`, "", 1, "half of a surrogate pair in a string"},
	{`"ab\ud83dx"`, "", 3, "half of a surrogate pair in a string"},
	{`"\ude00"`, "", 1, "half of a surrogate pair in a string"},
	{`"\ude00\ud83d"`, "", 1, "half of a surrogate pair in a string"},
	{`"\ud83d\ud83d\ude00"`, "", 1, "half of a surrogate pair in a string"},
	{`"\ud83d\u0041"`, "", 1, "half of a surrogate pair in a string"},
	{`"\ud83dxude00"`, "", 1, "half of a surrogate pair in a string"},
	{`"\ud83d\xde00"`, "", 1, "half of a surrogate pair in a string"},
	{`"\ud83d\n"`, "", 1, "half of a surrogate pair in a string"},
	{`"\ud83d\ude0"`, "", 1, "half of a surrogate pair in a string"},
	{`"\ud83d\ude00\ude00"`, "", 13, "half of a surrogate pair in a string"},
	{`"\ud83d`, "", 1, "half of a surrogate pair in a string"},

	{"\"\x00\"", "", 1, "control character in a string"},
	{"\"a\nb\"", "", 2, "control character in a string"},
	{"\"a\tb\"", "", 2, "control character in a string"},
	{"\"12345678\x1f\"", "", 9, "control character in a string"},

	{"\"\xff\"", "", 1, "string is not valid UTF-8"},
	{"\"ab\x80\"", "", 3, "string is not valid UTF-8"},
	{"\"\xc0\x80\"", "", 1, "string is not valid UTF-8"},         // an overlong NUL
	{"\"\xe0\x80\xaf\"", "", 1, "string is not valid UTF-8"},     // an overlong slash
	{"\"\xed\xa0\x80\"", "", 1, "string is not valid UTF-8"},     // a surrogate
	{"\"\xf4\x90\x80\x80\"", "", 1, "string is not valid UTF-8"}, // past U+10FFFF
	{"\"é\xe2\x82\"", "", 3, "string is not valid UTF-8"},        // cut off
	{"\"\xe2\x82", "", 1, "string is not valid UTF-8"},

	{``, "", 0, "expected a string, found the end of the text"},
	{` 1`, "", 1, "expected a string, found a number"},
	{`true`, "", 0, "expected a string, found a boolean"},
	{`null`, "", 0, "expected a string, found null"},
	{`["a"]`, "", 0, "expected a string, found an array"},
	{`{"a":1}`, "", 0, "expected a string, found an object"},
	{`'a'`, "", 0, "expected a string, found '''"},
	{`"a"b"`, "", 3, "something follows the value"},
}

func TestInvalidStrings(t *testing.T) {
	for name, method := range stringMethods {
		t.Run(name, func(t *testing.T) {
			checkRefusals(t, func(d *wire.Decoder) { method(d) }, invalidStrings)
		})
	}
}

// The same rules apply to names and to skipped strings.
func TestInvalidStringsElsewhere(t *testing.T) {
	for _, r := range invalidStrings {
		if !strings.HasPrefix(r.text, `"`) || r.reason == "something follows the value" {
			continue
		}
		t.Run(r.text, func(t *testing.T) {
			requireError(t, decode(`{`+r.text, new(status)), "", r.offset+1, r.reason)
			requireError(t, decode(`{"new": `+r.text, new(status)), "new", r.offset+8, r.reason)
			requireError(t, decode(`{"new": {`+r.text, new(status)), "new", r.offset+9, r.reason)
		})
	}
}

// Eight bytes are read together: a special byte must be found at each place.
func TestSpecialBytesAreSeenAnywhere(t *testing.T) {
	for _, special := range []struct{ text, want, reason string }{
		{text: `\n`, want: "\n"},
		{text: `\"`, want: `"`},
		{text: `\\`, want: `\`},
		{text: "é", want: "é"},
		{text: "\x7f", want: "\x7f"},
		{text: "\x1f", reason: "control character in a string"},
		{text: "\x00", reason: "control character in a string"},
		{text: "\x80", reason: "string is not valid UTF-8"},
		{text: `\z`, reason: "unknown escape in a string"},
	} {
		for before := range 18 {
			for after := range 18 {
				b, a := strings.Repeat("!", before), strings.Repeat("#", after)
				got, err := read(fmt.Appendf(nil, `"%s%s%s"`, b, special.text, a), (*wire.Decoder).String)
				if special.reason != "" {
					requireError(t, err, "", before+1, special.reason)
					require.Zero(t, got)
					continue
				}
				require.NoError(t, err)
				require.Equal(t, b+special.want+a, got)
			}
		}
	}
}

func TestStringFailsAtItsMember(t *testing.T) {
	checkRefusals(t, func(d *wire.Decoder) { d.Object(new(blockInfo)) }, []refusal{
		{`{"inserted": {"image": {"filename": "a\u00"}}}`, "inserted.image.filename", 38,
			`\u is not followed by four hexadecimal digits`},
		{`{"device": "", "qdev": "a` + "\xff" + `"}`, "qdev", 25, "string is not valid UTF-8"},
	})
}
