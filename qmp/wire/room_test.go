package wire_test

import (
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/qmp/wire"
)

func TestRoom(t *testing.T) {
	for _, c := range []struct {
		name, text string
		room       int
	}{
		{"empty", `[]`, 0},
		{"empty after blanks", " \n[]", 0},
		{"empty with blanks in it", `[ ]`, 0},
		{"no text", ``, 0},
		{"blanks only", `  `, 0},
		{"the text ends", `[`, 0},
		{"the text ends in an element", `[1, 2, 3`, 3},
		{"no array", `{"a": 1, "b": 2}`, 0},
		{"a string", `"a, b"`, 0},
		{"one", `["a"]`, 1},
		{"some", `["a", "b", "c"]`, 3},
		{"as others write it", `["a","b","c"]`, 3},
		{"objects as others write them", "[\n{\"a\":1},\n{\"a\":1},{\"a\":1}]", 3},
		{"objects", `[{"a": 1, "b": 2}, {"a": 1, "b": 2}]`, 2},
		{"arrays", `[[1, 2], [3, 4]]`, 2},
		{"arrays in objects", `[{"a": [1, 2]}, {"a": [1, 2]}]`, 2},
		{"objects in objects", `[{"a": {"b": {}}, "c": {}}, {"a": {"b": {}}, "c": {}}]`, 2},
		{"arrays of objects in objects", `[{"a": [{}, {}]}, {"a": [{}, {}]}]`, 2},
		{"what follows", `["a", "b"], ["c", "d", "e"]`, 2},
		{"nothing but commas", `[, , , `, 3},
		{"long", "[" + strings.Repeat("1, ", 1000) + "1]", 1127},
		{"long objects", "[" + strings.Repeat(`{"a": {"b": 12345}}, `, 999) + "{}]", 1129},
		{"longer than it is taken to be", "[" + strings.Repeat(`{"a": {"b": 12345}}, `, 9999) + "{}]", 4851},
		{"as many as there can be", "[" + strings.Repeat(", ", 1000), 750},
		{"long elements", `["` + strings.Repeat("x", 5000) + `", "y"]`, 4},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := wire.NewDecoder([]byte(c.text))
			require.Equal(t, c.room, d.Room())
			require.Equal(t, c.room, d.Room(), "it reads nothing")
			require.NoError(t, d.Err())
		})
	}
}

// TestRoomOfInnerArray estimates from the beginning alone: what follows may be of the array around it.
func TestRoomOfInnerArray(t *testing.T) {
	for text, room := range map[string]int{
		`[[], [1, 2, 3]]`:                              0,
		`[["a", "b"], 3]`:                              2,
		"[[" + strings.Repeat("1, ", 1000) + "1]]":     342,
		"[[" + strings.Repeat("{}, ", 1000) + "{}]]":   256,
		"[[" + strings.Repeat(`, `, 1000):              342,
		`[["` + strings.Repeat("x", 5000) + `", "y"]]`: 1,
	} {
		d := wire.NewDecoder([]byte(text))
		require.True(t, d.Array())
		require.Equal(t, room, d.Room(), text)
	}
}

// TestRoomAfterFailure: after a failure Room returns 0.
func TestRoomAfterFailure(t *testing.T) {
	d := wire.NewDecoder([]byte(`[1, 2, 3]`))
	d.Fail("enough")
	require.Zero(t, d.Room())
}

// recursive is an object that has arrays of its own type.
type recursive struct {
	A    []recursive
	B, C [4]string // so that room costs something
}

func (v *recursive) DecodeMember(d *wire.Decoder, name []byte) int {
	if string(name) != "a" {
		return 0
	}
	v.A = objects(d)
	return 1
}

func objects(d *wire.Decoder) []recursive {
	return roomy(d, func(v *recursive) { d.Object(v) })
}

// roomy reads an array as generated code does.
func roomy[T any](d *wire.Decoder, read func(v *T)) []T {
	values := make([]T, 0, d.Room())
	for ok := d.Array(); ok; ok = d.More() {
		values = append(values, *new(T))
		read(&values[len(values)-1])
	}
	return values
}

// TestRoomCostsLittle decodes much of what makes many elements, or much room, of few bytes.
// Memory has to stay in proportion: 419 bytes for one of text are the most that any of QEMU's
// replies costs (see TestMemory of the generated packages), for elements of 472 bytes.
func TestRoomCostsLittle(t *testing.T) {
	const size = 128 << 10
	pretence := `{"x": "` + strings.Repeat(`}, {`, 20) + `"}`
	nest := strings.Repeat(`{"a": [`+pretence+`, `, 30) + "{}" + strings.Repeat(`]}`, 30)
	strs := func(d *wire.Decoder) []string { return roomy(d, func(s *string) { *s = d.String() }) }
	asStrings := func(d *wire.Decoder) { strs(d) }
	asArrays := func(d *wire.Decoder) { roomy(d, func(v *[]string) { *v = strs(d) }) }
	asObjects := func(d *wire.Decoder) { objects(d) }
	for _, c := range []struct {
		name, element string
		read          func(*wire.Decoder)
		most          int // bytes for each byte of text
	}{
		{"arrays", `[]`, asArrays, 64},
		{"arrays that are not quite empty", `[""]`, asArrays, 64},
		{"strings", `""`, asStrings, 32},
		{"strings that look like many", `"` + strings.Repeat(`, `, 500) + `"`, asStrings, 32},
		{"objects", `{}`, asObjects, 512},
		{"objects that look like many", pretence, asObjects, 512},
		{"objects in each other", nest, asObjects, 512},
	} {
		t.Run(c.name, func(t *testing.T) {
			text := []byte("[" + strings.Repeat(c.element+", ", size/(len(c.element)+2)) + c.element + "]")
			d := wire.NewDecoder(text)
			n := allocated(func() { c.read(d) }) / len(text)
			require.NoError(t, d.End())
			require.LessOrEqual(t, n, c.most)
			t.Logf("%d bytes for one", n)
		})
	}
}

// TestRoomForNothing decodes the beginnings of a thousand arrays, with much behind them.
func TestRoomForNothing(t *testing.T) {
	for _, element := range []string{`[`, `{"a":[`} {
		text := []byte("[" + strings.Repeat(element, 500) + strings.Repeat(`, `, 32<<10))
		n := allocated(func() {
			d := wire.NewDecoder(text)
			objects(d)
			require.Error(t, d.End())
		})
		require.LessOrEqual(t, n, 64*len(text))
	}
}

// allocated is how many bytes f allocates, those that it frees again among them.
func allocated(f func()) int {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return int(after.TotalAlloc - before.TotalAlloc)
}
