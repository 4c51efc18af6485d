package wire_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/qmp/wire"
)

func TestBool(t *testing.T) {
	for text, want := range map[string]bool{"true": true, "false": false, " \t\r\n true ": true} {
		got, err := read([]byte(text), (*wire.Decoder).Bool)
		require.NoError(t, err, text)
		require.Equal(t, want, got, text)
	}
	checkRefusals(t, func(d *wire.Decoder) { d.Bool() }, []refusal{
		{"tru", "", 0, "expected true, found 't'"},
		{"fals", "", 0, "expected false, found 'f'"},
		{"TRUE", "", 0, "expected a boolean, found 'T'"},
		{"null", "", 0, "expected a boolean, found null"},
		{" 1", "", 1, "expected a boolean, found a number"},
		{`"true"`, "", 0, "expected a boolean, found a string"},
		{"[true]", "", 0, "expected a boolean, found an array"},
		{"{}", "", 0, "expected a boolean, found an object"},
		{"", "", 0, "expected a boolean, found the end of the text"},
		{"truex", "", 4, "something follows the value"},
	})
}

func TestNull(t *testing.T) {
	d := wire.NewDecoder([]byte(" null "))
	d.Null()
	require.NoError(t, d.End())
	checkRefusals(t, (*wire.Decoder).Null, []refusal{
		{"nul", "", 0, "expected null, found 'n'"},
		{"nuLl", "", 0, "expected null, found 'n'"},
		{" true", "", 1, "expected null, found a boolean"},
		{"  ", "", 2, "expected null, found the end of the text"},
		{"nullnull", "", 4, "something follows the value"},
	})
}

func TestArray(t *testing.T) {
	for text, want := range map[string][]int64{
		"[]":                     {},
		" [ ] ":                  {},
		"[1]":                    {1},
		"[1,2,3]":                {1, 2, 3},
		"\t[\n1 ,\r\n 2\t,3 ]\n": {1, 2, 3},
	} {
		got, err := read([]byte(text), readIntegers)
		require.NoError(t, err, text)
		require.Equal(t, want, got, text)
	}
	checkRefusals(t, func(d *wire.Decoder) { readIntegers(d) }, []refusal{
		{"", "", 0, "expected an array, found the end of the text"},
		{" {}", "", 1, "expected an array, found an object"},
		{"]", "", 0, "expected an array, found ']'"},
		{"[", "[0]", 1, "expected an integer, found the end of the text"},
		{"[,1]", "[0]", 1, "expected an integer, found ','"},
		{"[}", "[0]", 1, "expected an integer, found '}'"},
		{"[1", "", 2, "expected a comma or the end of the array, found the end of the text"},
		{"[1 2]", "", 3, "expected a comma or the end of the array, found a number"},
		{"[1:2]", "", 2, "expected a comma or the end of the array, found ':'"},
		{"[1}", "", 2, "expected a comma or the end of the array, found '}'"},
		{"[1,]", "[1]", 3, "expected an integer, found ']'"},
		{"[1, 2, true]", "[2]", 7, "expected an integer, found a boolean"},
		{"[1]]", "", 3, "something follows the value"},
	})
}

func readIntegers(d *wire.Decoder) []int64 { return list(d, func(v *int64) { *v = d.Int64() }) }

func TestEndAllowsOnlyBlanks(t *testing.T) {
	d := wire.NewDecoder([]byte("1 \t\r\n"))
	d.Skip()
	require.NoError(t, d.End())
	require.NoError(t, d.End(), "it can be asked again")
	checkRefusals(t, (*wire.Decoder).Skip, []refusal{
		{"1 2", "", 2, "something follows the value"},
		{"{},", "", 2, "something follows the value"},
		{"null\x00", "", 4, "something follows the value"},
		{"null\v", "", 4, "something follows the value"},
		{"null\u00a0", "", 4, "something follows the value"},
	})
}

func TestFailHasTheOffset(t *testing.T) {
	d := wire.NewDecoder([]byte(`{"a": [true, {"b": 1}]}`))
	require.NoError(t, d.Err())
	decodeWith(d, func(string) {
		for ok := d.Array(); ok; ok = d.More() {
			if d.Kind() == wire.KindBool {
				d.Skip()
				continue
			}
			decodeWith(d, func(string) { d.Fail("no") })
		}
	})
	requireError(t, d.Err(), "a[1].b", 19, "no")
	d.Fail("never")
	requireError(t, d.End(), "a[1].b", 19, "no")
}

// decodeWith reads an object with a function that reads the value of one member.
func decodeWith(d *wire.Decoder, member func(name string)) { d.Object(memberFunc(member)) }

type memberFunc func(name string)

func (f memberFunc) DecodeMember(_ *wire.Decoder, name []byte) int {
	f(string(name))
	return wire.Unnumbered
}

func TestAfterAFailureNothingIsRead(t *testing.T) {
	never := func(string) { t.Error("a member was read") }
	for name, method := range map[string]func(d *wire.Decoder) any{
		"Kind":    func(d *wire.Decoder) any { return d.Kind() },
		"Bool":    func(d *wire.Decoder) any { return d.Bool() },
		"Null":    func(d *wire.Decoder) any { d.Null(); return nil },
		"Int8":    func(d *wire.Decoder) any { return d.Int8() },
		"Int16":   func(d *wire.Decoder) any { return d.Int16() },
		"Int32":   func(d *wire.Decoder) any { return d.Int32() },
		"Int64":   func(d *wire.Decoder) any { return d.Int64() },
		"Uint8":   func(d *wire.Decoder) any { return d.Uint8() },
		"Uint16":  func(d *wire.Decoder) any { return d.Uint16() },
		"Uint32":  func(d *wire.Decoder) any { return d.Uint32() },
		"Uint64":  func(d *wire.Decoder) any { return d.Uint64() },
		"Float64": func(d *wire.Decoder) any { return d.Float64() },
		"String":  func(d *wire.Decoder) any { return d.String() },
		"Enum":    func(d *wire.Decoder) any { return d.Enum() },
		"Array":   func(d *wire.Decoder) any { return d.Array() },
		"More":    func(d *wire.Decoder) any { return d.More() },
		"Object":  func(d *wire.Decoder) any { decodeWith(d, never); return nil },
		"Skip":    func(d *wire.Decoder) any { d.Skip(); return nil },
		"Raw":     func(d *wire.Decoder) any { return d.Raw() },
	} {
		// The value that the method would read, if it read one, is the next.
		for _, next := range []string{`true`, `null`, `1`, `"a"`, `[1]`, `, 1`, `{"a": 1}`} {
			d := wire.NewDecoder([]byte("  " + next))
			d.Fail("first")
			require.Zero(t, method(d), "%s of %s", name, next)
			requireError(t, d.End(), "", 0, "first")
		}
	}
}

func TestFailedReadReturnsZero(t *testing.T) {
	for text, method := range map[string]func(d *wire.Decoder) any{
		`tru`:     func(d *wire.Decoder) any { return d.Bool() },
		` -129`:   func(d *wire.Decoder) any { return d.Int8() },
		` 7.5`:    func(d *wire.Decoder) any { return d.Uint8() },
		` 07.5`:   func(d *wire.Decoder) any { return d.Float64() },
		` 7.5e`:   func(d *wire.Decoder) any { return d.Float64() },
		` 7e999`:  func(d *wire.Decoder) any { return d.Float64() },
		`"a\x"`:   func(d *wire.Decoder) any { return d.String() },
		`"a`:      func(d *wire.Decoder) any { return d.Enum() },
		`{"a":1]`: func(d *wire.Decoder) any { return d.Raw() },
		strings.Repeat("[", wire.MaxDepth+1): func(d *wire.Decoder) any {
			for range wire.MaxDepth {
				require.True(t, d.Array())
			}
			return d.Array()
		},
	} {
		d := wire.NewDecoder([]byte(text))
		require.Zero(t, method(d), text)
		require.Error(t, d.Err(), text)
	}
}

func TestLoopsEndAfterAFailure(t *testing.T) {
	rounds := 0
	d := wire.NewDecoder([]byte(`[[1, "a", 3], [4]]`))
	for ok := d.Array(); ok; ok = d.More() {
		for ok := d.Array(); ok; ok = d.More() {
			rounds++
			d.Int64()
		}
	}
	require.Equal(t, 2, rounds)
	requireError(t, d.End(), "[0][1]", 5, "expected an integer, found a string")

	rounds = 0
	d.Reset([]byte(`{"a": {"b": 1, "c": "d", "e": 2}, "f": {}}`))
	decodeWith(d, func(string) {
		decodeWith(d, func(string) {
			rounds++
			d.Int64()
		})
	})
	require.Equal(t, 2, rounds)
	requireError(t, d.End(), "a.c", 20, "expected an integer, found a string")
}

func TestResetForgetsTheFailure(t *testing.T) {
	d := wire.NewDecoder([]byte(`[[[x`))
	d.Skip()
	require.Error(t, d.Err())
	d.Reset([]byte(` "\u0061"`))
	require.NoError(t, d.Err())
	require.Equal(t, "a", d.String())
	require.NoError(t, d.End())
}

func TestDecoderKeepsNothingOfTheText(t *testing.T) {
	text := []byte(`["plain", "\u00e9scaped", "value", {"raw": [1]}, {"name": "n", "later": "l", "meta-type": "enum", "values": ["v"]}]`)
	before := string(text)
	var plain, escaped, value string
	var raw []byte
	info := new(schemaInfo)
	d := wire.NewDecoder(text)
	ok := d.Array()
	for _, read := range []func(){
		func() { plain = d.String() },
		func() { escaped = d.String() },
		func() { value = d.Enum() },
		func() { raw = d.Raw() },
		func() { d.Object(info) },
	} {
		require.True(t, ok)
		read()
		ok = d.More()
	}
	require.False(t, ok)
	require.NoError(t, d.End())
	require.Equal(t, before, string(text), "the text was changed")

	clear(text)
	require.Equal(t, []string{"plain", "éscaped", "value", `{"raw": [1]}`}, []string{plain, escaped, value, string(raw)})
	require.Equal(t, &schemaInfo{Name: "n", MetaType: "enum", Branch: &schemaEnum{Values: []string{"v"}}}, info)
}

func TestNestingIsBounded(t *testing.T) {
	for name, read := range map[string]func(*wire.Decoder){
		"reading":  func(d *wire.Decoder) { readTree(d) },
		"skipping": (*wire.Decoder).Skip,
		"raw":      func(d *wire.Decoder) { d.Raw() },
	} {
		for _, nest := range []struct{ open, close, path string }{
			{"[", "]", strings.Repeat("[0]", wire.MaxDepth)},
			{`{"a":`, "}", strings.Repeat(".a", wire.MaxDepth)[1:]},
		} {
			t.Run(fmt.Sprint(name, nest.open), func(t *testing.T) {
				text := strings.Repeat(nest.open, wire.MaxDepth-1) + "[]" + strings.Repeat(nest.close, wire.MaxDepth-1)
				d := wire.NewDecoder([]byte(text))
				read(d)
				require.NoError(t, d.End())

				text = strings.Repeat(nest.open, wire.MaxDepth) + "{}" + strings.Repeat(nest.close, wire.MaxDepth)
				d.Reset([]byte(text))
				read(d)
				requireError(t, d.End(), nest.path, wire.MaxDepth*len(nest.open), "nested too deeply")
			})
		}
	}
}

func TestClosedValuesDoNotNest(t *testing.T) {
	text := "[" + strings.Repeat(`[],[1],{},{"a":1},`, wire.MaxDepth) + "0]"
	_, err := decodeTree([]byte(text))
	require.NoError(t, err)
	d := wire.NewDecoder([]byte(text))
	d.Skip()
	require.NoError(t, d.End())
}
