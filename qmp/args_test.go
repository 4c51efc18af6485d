package qmp_test

import (
	"encoding/json"
	"errors"
	"math"
	"math/big"
	"net"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"
	"unsafe"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/wire"
)

// login is like a generated type that can be sent.
type login struct{ User, Password string }

func (l *login) EncodeMembers(e *wire.Encoder) {
	e.Name("user").String(l.User)
	e.Name("password").Secret(l.Password)
}

func (l login) MarshalJSON() ([]byte, error) { return qmp.Marshal(&l) }
func (l login) String() string               { return qmp.Format(&l) }

// ref is like a generated alternate.
type ref struct{ Name *string }

func (r *ref) EncodeValue(e *wire.Encoder) {
	if r.Name == nil {
		e.Fail("exactly one of Name must be set, not 0")
		return
	}
	e.String(*r.Name)
}

func (r ref) MarshalJSON() ([]byte, error) { return qmp.Marshal(&r) }
func (r ref) String() string               { return qmp.Format(&r) }

// angry is not a type that can be sent, though it looks like one.
type angry struct{}

func (angry) MarshalJSON() ([]byte, error) { return nil, errors.New("no") }
func (angry) String() string               { return "no" }

// Types that a program has of its own.
type (
	state   string
	flag    bool
	percent uint8 // has no methods: a slice of it is bytes
	color   uint8 // has a method of its pointer
	raw     qmp.RawJSON
	text    []byte
	names   []string
	table   map[state]int
	anyone  any
	loop    *loop
)

func (c *color) MarshalText() ([]byte, error) { return []byte{'c', '0' + byte(*c)}, nil }

// weird are errors of methods.
type weird struct{}

func (weird) MarshalText() ([]byte, error) { return nil, errors.New("no text") }

type empty struct{}

func (empty) MarshalJSON() ([]byte, error) { return nil, nil }

// inside is a type with a method that returns an *EncodeError.
type inside map[string]any

func (i inside) MarshalJSON() ([]byte, error) { return qmp.Args(i).MarshalJSON() }

// numbers has the methods of json.Number, and is no string.
type numbers struct{ json.Number }

var one = 1

// sentArgs are values that can be sent, one at least of each kind that is in sentKinds.
var sentArgs = []struct {
	name  string
	value any
	want  string
}{
	{"nil", nil, `null`},
	{"string", "a\"b", `"a\"b"`},
	{"string type", state("running"), `"running"`},
	{"bool", true, `true`},
	{"bool type", flag(true), `true`},
	{"int", -1, `-1`},
	{"int8", int8(math.MinInt8), `-128`},
	{"int16", int16(math.MinInt16), `-32768`},
	{"int32", int32(math.MinInt32), `-2147483648`},
	{"int64", int64(math.MinInt64), `-9223372036854775808`},
	{"duration", 2 * time.Second, `2000000000`},
	{"uint", uint(7), `7`},
	{"uint8", uint8(255), `255`},
	{"uint8 type", percent(99), `99`},
	{"uint16", uint16(math.MaxUint16), `65535`},
	{"uint32", uint32(math.MaxUint32), `4294967295`},
	{"uint64", uint64(math.MaxUint64), `18446744073709551615`},
	{"uintptr", uintptr(math.MaxUint32), `4294967295`},
	{"float64", 0.1, `0.1`},
	{"greatest float64", math.MaxFloat64, `1.7976931348623157e+308`},
	{"negative zero", math.Copysign(0, -1), `-0.0`},
	{"float32", float32(0.1), `0.1`},
	{"greatest float32", float32(math.MaxFloat32), `340282350000000000000000000000000000000`},
	{"negative zero float32", float32(math.Copysign(0, -1)), `-0.0`},

	{"pointer", &one, `1`},
	{"pointer to a pointer", new(new(7)), `7`},
	{"pointer to any", new(any(&one)), `1`},
	{"pointer to any that is nil", new(any(nil)), `null`},
	{"pointer to a string type", new(state("on")), `"on"`},
	{"named interface", []anyone{1, nil}, `[1,null]`},

	{"args", qmp.Args{"b": 2, "a": 1}, `{"a":1,"b":2}`},
	{"pointer to args", &qmp.Args{"a": 1}, `{"a":1}`},
	{"no args", qmp.Args(nil), `{}`},
	{"map of any", map[string]any{"k": []any{1, "x", nil}}, `{"k":[1,"x",null]}`},
	{"map of strings", map[string]string{"b": "2", "a": "1"}, `{"a":"1","b":"2"}`},
	{"map of raw JSON", map[string]json.RawMessage{"a": json.RawMessage(`[1]`)}, `{"a":[1]}`},
	{"map with a type of keys", map[state]state{"b": "2", "a": "1"}, `{"a":"1","b":"2"}`},
	{"map type", table{"a": 1}, `{"a":1}`},
	{"map of generated types", map[string]login{"l": {"me", "p"}}, `{"l":{"user":"me","password":"p"}}`},
	{"map of pointers", map[string]*int{"a": &one, "b": nil}, `{"a":1}`},
	{"nil map", map[string]string(nil), `{}`},

	{"slice of any", []any{"x", 1, nil, qmp.Args{}}, `["x",1,null,{}]`},
	{"slice of strings", []string{"a", "b"}, `["a","b"]`},
	{"slice of a string type", []state{"on"}, `["on"]`},
	{"slice type", names{"a"}, `["a"]`},
	{"slice of pointers", []*int{&one, &one}, `[1,1]`},
	{"slice of slices", [][]string{{"a"}, nil}, `[["a"],[]]`},
	{"no elements", []string{}, `[]`},
	{"nil slice", []string(nil), `[]`},
	{"slice of args", []qmp.Args{{"q": 1}, nil}, `[{"q":1},{}]`},
	{"slice of maps", []map[string]any{{"q": 1}}, `[{"q":1}]`},
	{"slice of maps of strings", []map[string]string{{"q": "1"}}, `[{"q":"1"}]`},
	{"array", [2]int{1, 2}, `[1,2]`},
	{"array of generated types", [1]login{{"me", "p"}}, `[{"user":"me","password":"p"}]`},

	{"raw JSON", qmp.RawJSON(`{ "a" : [1] }`), `{"a":[1]}`},
	{"no raw JSON", qmp.RawJSON(nil), `null`},
	{"pointer to raw JSON", new(qmp.RawJSON(`1`)), `1`},
	{"slice of raw JSON", []qmp.RawJSON{qmp.RawJSON(`{"a": 1}`), nil}, `[{"a":1},null]`},
	{"array of raw JSON", [1]qmp.RawJSON{qmp.RawJSON(`1`)}, `[1]`},
	{"json.RawMessage", json.RawMessage(`{ "a": 1}`), `{"a":1}`},
	{"no json.RawMessage", json.RawMessage(nil), `null`},
	{"pointer to json.RawMessage", new(json.RawMessage(`1`)), `1`},
	{"slice of json.RawMessage", []json.RawMessage{json.RawMessage(`1`), json.RawMessage(`"x"`)}, `[1,"x"]`},
	{"json.Number", json.Number("18446744073709551615"), `18446744073709551615`},
	{"json.Number with an exponent", json.Number("-1.50e+3"), `-1.50e+3`},
	{"pointer to json.Number", new(json.Number("1")), `1`},
	{"slice of json.Number", []json.Number{"1", "2"}, `[1,2]`},
	{"number that marshals", big.NewInt(5), `5`},
	{"number that marshals by its pointer", *big.NewInt(5), `5`},
	{"time", time.Unix(0, 0).UTC(), `"1970-01-01T00:00:00Z"`},
	{"address", netip.MustParseAddr("::1"), `"::1"`},
	{"address of bytes", net.IPv4(10, 0, 0, 1), `"10.0.0.1"`},
	{"slice of addresses", []net.IP{net.IPv4(10, 0, 0, 1)}, `["10.0.0.1"]`},
	{"text by a pointer's method", color(1), `"c1"`},
	{"bytes that are texts", []color{1, 2}, `["c1","c2"]`},

	{"generated", login{"me", "geheim"}, `{"user":"me","password":"geheim"}`},
	{"pointer to generated", &login{"me", "geheim"}, `{"user":"me","password":"geheim"}`},
	{"slice of generated", []login{{"me", "p"}, {}}, `[{"user":"me","password":"p"},{"user":"","password":""}]`},
	{"slice of pointers to generated", []*login{{"me", "p"}}, `[{"user":"me","password":"p"}]`},
	{"alternate", ref{new("n")}, `"n"`},
	{"pointer to an alternate", &ref{new("n")}, `"n"`},
	{"slice of alternates", []ref{{new("n")}, {new("m")}}, `["n","m"]`},
	{"generated among others", []any{login{}, &ref{new("n")}}, `[{"user":"","password":""},"n"]`},
	{"null", qmp.Null{}, `null`},
	{"pointer to null", new(qmp.Null{}), `null`},
}

func TestArgsThatAreSent(t *testing.T) {
	for _, c := range sentArgs {
		t.Run(c.name, func(t *testing.T) {
			got, err := qmp.Args{"v": c.value}.MarshalJSON()
			require.NoError(t, err)
			require.Equal(t, `{"v":`+c.want+`}`, string(got))

			got, err = qmp.Args{"v": []any{c.value}}.MarshalJSON()
			require.NoError(t, err)
			require.Equal(t, `{"v":[`+c.want+`]}`, string(got), "as an element")

			got, err = qmp.Args{"v": map[string]any{"k": c.value}}.MarshalJSON()
			require.NoError(t, err)
			require.Equal(t, `{"v":{"k":`+c.want+`}}`, string(got), "in a map")
		})
	}
}

// refusedArgs are values that cannot be sent.
var refusedArgs = []struct {
	name         string
	value        any
	path, reason string
}{
	{"func", func() {}, "v", "a value of type func() cannot be sent: JSON has no such value"},
	{"chan", make(chan int), "v", "a value of type chan int cannot be sent: JSON has no such value"},
	{"complex64", complex64(1), "v", "a value of type complex64 cannot be sent: JSON has no such value"},
	{"complex128", complex(1, 0), "v", "a value of type complex128 cannot be sent: JSON has no such value"},
	{"unsafe pointer", unsafe.Pointer(&one), "v", "a value of type unsafe.Pointer cannot be sent: JSON has no such value"},
	{"struct", struct{ A int }{1}, "v", "a value of type struct { A int } cannot be sent: use a generated type, Args or RawJSON"},
	{"struct type", numbers{"1"}, "v", "a value of type qmp_test.numbers cannot be sent: use a generated type, Args or RawJSON"},
	{"pointer to a struct", &struct{ A int }{}, "v", "a value of type struct { A int } cannot be sent: use a generated type, Args or RawJSON"},
	{"map with other keys", map[int]string{}, "v", "a value of type map[int]string cannot be sent: use a map whose keys are strings"},
	{"map with a value that cannot be sent", map[string]chan int{"k": nil}, "v.k", "a value of type chan int cannot be sent: JSON has no such value"},
	{"chan in a slice", []any{1, make(chan int)}, "v[1]", "a value of type chan int cannot be sent: JSON has no such value"},

	{"bytes", []byte("{}"), "v", "a value of type []uint8 cannot be sent: use a string for text, base64 in a string for binary data, RawJSON for JSON"},
	{"no bytes", []byte(nil), "v", "a value of type []uint8 cannot be sent: use a string for text, base64 in a string for binary data, RawJSON for JSON"},
	{"pointer to bytes", new([]byte("{}")), "v", "a value of type []uint8 cannot be sent: use a string for text, base64 in a string for binary data, RawJSON for JSON"},
	{"slice of bytes", [][]byte{{1}}, "v[0]", "a value of type []uint8 cannot be sent: use a string for text, base64 in a string for binary data, RawJSON for JSON"},
	{"array of bytes", [2]byte{1}, "v", "a value of type [2]uint8 cannot be sent: use a string for text, base64 in a string for binary data, RawJSON for JSON"},
	{"type of bytes", text("{}"), "v", "a value of type qmp_test.text cannot be sent: use a string for text, base64 in a string for binary data, RawJSON for JSON"},
	{"type made of RawJSON", raw("{}"), "v", "a value of type qmp_test.raw cannot be sent: use a string for text, base64 in a string for binary data, RawJSON for JSON"},
	{"type of byte", []percent{1}, "v", "a value of type []qmp_test.percent cannot be sent: use a string for text, base64 in a string for binary data, RawJSON for JSON"},

	{"NaN", math.NaN(), "v", "NaN and infinite numbers cannot be sent"},
	{"infinite", math.Inf(-1), "v", "NaN and infinite numbers cannot be sent"},
	{"infinite float32", float32(math.Inf(1)), "v", "NaN and infinite numbers cannot be sent"},
	{"not UTF-8", "\xff", "v", "string is not valid UTF-8"},
	{"string type that is not UTF-8", state("\xff"), "v", "string is not valid UTF-8"},
	{"name not UTF-8", qmp.Args{"\xff": 1}, "v", "member name is not valid UTF-8"},
	{"raw JSON that is none", qmp.RawJSON(`{`), "v", "raw value is not valid JSON: expected a member's name, found the end of the text (at byte 1)"},
	{"json.RawMessage that is none", []json.RawMessage{json.RawMessage(`1 2`)}, "v[0]", "raw value is not valid JSON: something follows the value (at byte 2)"},
	{"json.RawMessage of nothing", json.RawMessage(""), "v", "MarshalJSON returned nothing"},
	{"json.Number of nothing", json.Number(""), "v", "the text is not a JSON number"},
	{"json.Number that is none", json.Number("true"), "v", "the text is not a JSON number"},
	{"json.Number that is almost one", json.Number("0x10"), "v", "raw value is not valid JSON: something follows the value (at byte 1)"},
	{"generated with a fault inside", login{User: "\xff"}, "v.user", "string is not valid UTF-8"},
	{"generated with a fault inside a slice", []login{{}, {User: "\xff"}}, "v[1].user", "string is not valid UTF-8"},
	{"alternate of nothing", ref{}, "v", "exactly one of Name must be set, not 0"},
	{"marshaler that fails", angry{}, "v", "no"},
	{"marshaler with Args inside", inside{"a": []any{func() {}}}, "v", "a[0]: a value of type func() cannot be sent: JSON has no such value"},
	{"marshaler that returns nothing", empty{}, "v", "MarshalJSON returned nothing"},
	{"text that fails", weird{}, "v", "no text"},

	{"nil pointer in a slice", []*int{&one, nil}, "v[1]", "an element that is a nil pointer cannot be left out: use nil to send null"},
	{"nil pointer in a slice of any", []any{(*login)(nil)}, "v[0]", "an element that is a nil pointer cannot be left out: use nil to send null"},
	{"pointer that leads to itself", aroundItself(), "v", "the pointer leads to itself"},
	{"pointer type that leads to itself", aroundItsType(), "v", "the pointer leads to itself"},
}

func aroundItself() any {
	var p any
	p = &p
	return p
}

func aroundItsType() loop {
	var l loop
	l = &l
	return l
}

func TestArgsThatCannotBeSent(t *testing.T) {
	for _, c := range refusedArgs {
		t.Run(c.name, func(t *testing.T) {
			_, err := qmp.Args{"v": c.value}.MarshalJSON()
			var encode *qmp.EncodeError
			require.ErrorAs(t, err, &encode)
			require.ErrorIs(t, err, qmp.ErrNotSent)
			require.Equal(t, c.path, encode.Path)
			require.Equal(t, c.reason, encode.Reason)
		})
	}
}

// TestArgsOfEveryKind fails for a kind of Go that the tables above do not have.
func TestArgsOfEveryKind(t *testing.T) {
	seen := map[reflect.Kind]bool{
		reflect.Interface: true, // a value in an interface has another kind; see "pointer to any"
	}
	for _, c := range sentArgs {
		seen[reflect.ValueOf(c.value).Kind()] = true
	}
	for _, c := range refusedArgs {
		seen[reflect.ValueOf(c.value).Kind()] = true
	}
	kinds := 0
	for k := reflect.Invalid; !strings.HasPrefix(k.String(), "kind"); k++ {
		require.True(t, seen[k], "no value of kind %s", k)
		kinds++
	}
	require.GreaterOrEqual(t, kinds, 27)
}

// TestArgsLeftOut: an optional member that is nil is not there, as in generated types.
func TestArgsLeftOut(t *testing.T) {
	for name, value := range map[string]any{
		"scalar":                 (*int)(nil),
		"generated":              (*login)(nil),
		"alternate":              (*ref)(nil),
		"args":                   (*qmp.Args)(nil),
		"raw JSON":               (*qmp.RawJSON)(nil),
		"null":                   (*qmp.Null)(nil),
		"bytes":                  (*[]byte)(nil),
		"marshaler":              (*time.Time)(nil),
		"what cannot be sent":    (*chan int)(nil),
		"pointer to a pointer":   new((*int)(nil)),
		"pointer in an any":      new(any((*int)(nil))),
		"type of pointer":        loop(nil),
		"pointer to pointer nil": (**int)(nil),
	} {
		t.Run(name, func(t *testing.T) {
			got, err := qmp.Args{"a": 1, "v": value, "z": qmp.Args{"v": value}}.MarshalJSON()
			require.NoError(t, err)
			require.Equal(t, `{"a":1,"z":{}}`, string(got))
			require.Equal(t, `{"a":1,"z":{}}`, qmp.Args{"a": 1, "v": value, "z": qmp.Args{"v": value}}.String())
		})
	}
}

// TestCyclicArgs ends at the depth that QEMU reads.
func TestCyclicArgs(t *testing.T) {
	around := qmp.Args{}
	around["again"] = around
	slice := []any{nil}
	slice[0] = slice
	pointers := map[string]*[]any{"again": &slice}
	for _, v := range []any{around, slice, pointers} {
		_, err := qmp.Args{"v": v}.MarshalJSON()
		require.ErrorIs(t, err, qmp.ErrNotSent)
		require.ErrorContains(t, err, "nested too deeply")
	}
}

func TestArgsHideSecretsOfGeneratedTypes(t *testing.T) {
	args := qmp.Args{"by value": login{"me", "geheim"}, "by pointer": &login{"me", "geheim"}, "in a slice": []login{{"me", "geheim"}}}
	require.Equal(t, `{"by pointer":{"user":"me","password":"***"},"by value":{"user":"me","password":"***"},`+
		`"in a slice":[{"user":"me","password":"***"}]}`, args.String())
	require.Equal(t, "(not valid: v: a value of type func() cannot be sent: JSON has no such value)", qmp.Args{"v": func() {}}.String())
	require.Equal(t, `{"t":"1970-01-01T00:00:00Z"}`, qmp.Args{"t": time.Unix(0, 0).UTC()}.String(), "its String is no JSON")
}

func TestRawJSON(t *testing.T) {
	require.Equal(t, "null", qmp.RawJSON(nil).String())
	require.Equal(t, "[1]", qmp.RawJSON("[1]").String())
	got, err := qmp.RawJSON(nil).MarshalJSON()
	require.NoError(t, err)
	require.Equal(t, "null", string(got))

	text := []byte(`{"a":1}`)
	var r qmp.RawJSON
	require.NoError(t, r.UnmarshalJSON(text))
	text[0] = 'x'
	require.Equal(t, `{"a":1}`, r.String(), "it is a copy")
}

func TestValue(t *testing.T) {
	require.Equal(t, 7, qmp.Value(new(7)))
	require.Zero(t, qmp.Value[string](nil))
}
