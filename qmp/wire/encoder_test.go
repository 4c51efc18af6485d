package wire_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/qmp/wire"
)

func TestObjectsAndArraysAreWrittenCompact(t *testing.T) {
	for want, write := range map[string]func(e *wire.Encoder){
		``:     func(*wire.Encoder) {},
		`{}`:   func(e *wire.Encoder) { e.Object(members(func(*wire.Encoder) {})) },
		`[]`:   func(e *wire.Encoder) { e.BeginArray(); e.EndArray() },
		`[[]]`: func(e *wire.Encoder) { e.BeginArray(); e.Elem().BeginArray(); e.EndArray(); e.EndArray() },
		`[{},{},1]`: func(e *wire.Encoder) {
			e.BeginArray()
			e.Elem().Object(members(func(*wire.Encoder) {}))
			e.Elem().BeginObject()
			e.EndObject()
			e.Elem().Int(1)
			e.EndArray()
		},
		`{"a":1,"b":[2,"x,"],"c":{"d":null,"e":{}},"f":true}`: func(e *wire.Encoder) {
			e.Object(members(func(e *wire.Encoder) {
				e.Name("a").Int(1)
				e.Name("b").BeginArray()
				e.Elem().Int(2)
				e.Elem().String("x,")
				e.EndArray()
				e.Name("c").Object(members(func(e *wire.Encoder) {
					e.Name("d").Null()
					e.Name("e").BeginObject()
					e.EndObject()
				}))
				e.Name("f").Bool(true)
			}))
		},
		// A last byte that opens something is told from one that is in a string.
		`{"a":"{","b":["[","{"]}`: func(e *wire.Encoder) {
			e.BeginObject()
			e.Name("a").String("{")
			e.Name("b").BeginArray()
			e.Elem().String("[")
			e.Elem().String("{")
			e.EndArray()
			e.EndObject()
		},
	} {
		require.Equal(t, want, encoded(t, write))
		e := new(wire.Encoder) // the zero value will do, too
		write(e)
		require.Equal(t, want, string(e.Bytes()))
	}
}

func TestEncoderAppends(t *testing.T) {
	write := func(e *wire.Encoder) {
		e.Object(members(func(e *wire.Encoder) { e.Name("a").Int(1) }))
	}
	for _, before := range []string{"", `{"arguments":`, "[", `{"a":2,`, "1"} {
		e := wire.NewEncoder([]byte(before))
		write(e)
		require.Equal(t, before+`{"a":1}`, string(e.Bytes()))
	}
}

func TestMembersAreWrittenWithoutBraces(t *testing.T) {
	require.Equal(t, `"a":1,"b":2`, encoded(t, func(e *wire.Encoder) {
		e.Name("a").Int(1)
		e.ExtraName("b").Int(2)
	}))
}

func TestResetForgetsAll(t *testing.T) {
	e := wire.NewEncoder(nil)
	e.Redact()
	e.BeginObject()
	e.Name("a").BeginArray()
	e.Fail("no")
	require.False(t, e.OK())

	buffer := make([]byte, 0, 64)
	e.Reset(buffer)
	require.True(t, e.OK())
	require.NoError(t, e.Err())
	require.False(t, e.Redacted())
	e.BeginObject()
	e.ExtraName("a").Secret("shown")
	e.EndObject()
	require.NoError(t, e.Err())
	require.Equal(t, `{"a":"shown"}`, string(e.Bytes()))
	require.Same(t, &buffer[:1][0], &e.Bytes()[0], "the buffer was not used")
}

func TestResetForgetsTheDepth(t *testing.T) {
	e := wire.NewEncoder(nil)
	for range 2 {
		e.Reset(nil)
		for range wire.MaxDepth {
			e.BeginArray()
		}
		require.NoError(t, e.Err())
	}
}

func TestFirstFailIsKept(t *testing.T) {
	e := wire.NewEncoder(nil)
	e.BeginObject()
	require.True(t, e.OK())
	e.Name("a").Fail("first")
	e.Name("b").Fail("second")
	require.False(t, e.OK())
	requireError(t, e.Err(), "a", -1, "first")
}

func TestAfterAFailureNothingIsWritten(t *testing.T) {
	never := members(func(*wire.Encoder) { t.Error("members were written") })
	text, yes, number, size := "a", true, int64(1), uint64(1)
	for name, method := range map[string]func(e *wire.Encoder){
		"Name":          func(e *wire.Encoder) { require.Same(t, e, e.Name("b")) },
		"ExtraName":     func(e *wire.Encoder) { require.Same(t, e, e.ExtraName("a")) },
		"Elem":          func(e *wire.Encoder) { require.Same(t, e, e.Elem()) },
		"Object":        func(e *wire.Encoder) { e.Object(never) },
		"Object of nil": func(e *wire.Encoder) { e.Object(nil) },
		"BeginObject":   (*wire.Encoder).BeginObject,
		"EndObject":     (*wire.Encoder).EndObject,
		"BeginArray":    (*wire.Encoder).BeginArray,
		"EndArray":      (*wire.Encoder).EndArray,
		"String":        func(e *wire.Encoder) { e.String("a") },
		"String, bad":   func(e *wire.Encoder) { e.String("\xff") },
		"Secret":        func(e *wire.Encoder) { e.Secret("a") },
		"Bool":          func(e *wire.Encoder) { e.Bool(true) },
		"Int":           func(e *wire.Encoder) { e.Int(1) },
		"Uint":          func(e *wire.Encoder) { e.Uint(1) },
		"Null":          (*wire.Encoder).Null,
		"Float":         func(e *wire.Encoder) { e.Float(1) },
		"Raw":           func(e *wire.Encoder) { e.Raw([]byte("1")) },
		"Raw, bad":      func(e *wire.Encoder) { e.Raw([]byte("]")) },
		"Raw of nil":    func(e *wire.Encoder) { e.Raw(nil) },
		"OptString":     func(e *wire.Encoder) { e.OptString("b", &text) },
		"OptSecret":     func(e *wire.Encoder) { e.OptSecret("b", &text) },
		"OptBool":       func(e *wire.Encoder) { e.OptBool("b", &yes) },
		"OptInt":        func(e *wire.Encoder) { e.OptInt("b", &number) },
		"OptUint":       func(e *wire.Encoder) { e.OptUint("b", &size) },
		"Tag":           func(e *wire.Encoder) { e.Tag("", true) },
		"Discriminator": func(e *wire.Encoder) { e.Discriminator("b", "") },
	} {
		t.Run(name, func(t *testing.T) {
			e := wire.NewEncoder(nil)
			e.BeginObject()
			e.Name("a").Fail("first")
			method(e)
			require.Equal(t, `{"a":`, string(e.Bytes()))
			requireError(t, e.Err(), "a", -1, "first")
		})
	}
}

func TestObjectOfNil(t *testing.T) {
	requireError(t, encodeError(func(e *wire.Encoder) {
		e.BeginObject()
		e.Name("a").Object(nil)
	}), "a", -1, "value is nil")
}

// endless leads back to itself.
type endless struct{}

func (v endless) EncodeMembers(e *wire.Encoder) { e.Name("a").Object(v) }

func TestWrittenNestingIsBounded(t *testing.T) {
	requireError(t, encodeError(func(e *wire.Encoder) { e.Object(endless{}) }),
		strings.Repeat(".a", wire.MaxDepth)[1:], -1, "nested too deeply")

	arrays := func(n int) func(e *wire.Encoder) {
		return func(e *wire.Encoder) {
			for range n {
				e.Elem().BeginArray()
			}
			for range n {
				e.EndArray()
			}
		}
	}
	require.Len(t, encoded(t, arrays(wire.MaxDepth)), 2*wire.MaxDepth)
	requireError(t, encodeError(arrays(wire.MaxDepth+1)), strings.Repeat("[0]", wire.MaxDepth), -1, "nested too deeply")
}

func TestEndedValuesDoNotNest(t *testing.T) {
	encoded(t, func(e *wire.Encoder) {
		e.BeginArray()
		for range wire.MaxDepth {
			e.Elem().BeginArray()
			e.EndArray()
			e.Elem().Object(members(func(*wire.Encoder) {}))
			e.Elem().Raw([]byte(`[[{}]]`))
		}
		e.EndArray()
	})
}

func TestExtraNamesAreEscaped(t *testing.T) {
	require.Equal(t, `{"plain":1,"":2,"a\"b\\c\n":3,"é":4,"\u0000":5}`, encoded(t, func(e *wire.Encoder) {
		e.BeginObject()
		for i, name := range []string{"plain", "", "a\"b\\c\n", "é", "\x00"} {
			e.ExtraName(name).Int(int64(i + 1))
		}
		e.EndObject()
	}))
	requireError(t, encodeError(func(e *wire.Encoder) {
		e.BeginObject()
		e.Name("a").BeginObject()
		e.ExtraName("b\xff")
	}), "a", -1, "member name is not valid UTF-8")
}

func TestExtraNamesAreNotRepeated(t *testing.T) {
	for path, write := range map[string]func(e *wire.Encoder){
		"id":       func(e *wire.Encoder) { e.Name("id").Int(1); e.ExtraName("id") },
		"b":        func(e *wire.Encoder) { e.Name("a").Int(1); e.ExtraName("b").Int(2); e.ExtraName("b") },
		`["a\"b"]`: func(e *wire.Encoder) { e.ExtraName(`a"b`).Int(1); e.ExtraName(`a"b`) },
		`[""]`:     func(e *wire.Encoder) { e.ExtraName("").Int(1); e.ExtraName("") },
		"a": func(e *wire.Encoder) { // after objects that were written in each way
			e.Name("a").Raw([]byte(`[{"b": {}}, "}"]`))
			e.Name("c").BeginArray()
			e.Elem().BeginObject()
			e.EndObject()
			e.Elem().Object(members(func(e *wire.Encoder) { e.ExtraName("b").Null() }))
			e.EndArray()
			e.Name("d").BeginObject()
			e.EndObject()
			e.ExtraName("a")
		},
		"late": func(e *wire.Encoder) { // the first one comes after objects
			e.Name("a").Raw([]byte(`{"late": [{}]}`))
			e.Name("late").Int(1)
			e.ExtraName("late")
		},
		"inner.a": func(e *wire.Encoder) {
			e.Name("inner").Object(members(func(e *wire.Encoder) {
				e.Name("a").BeginObject()
				e.EndObject()
				e.ExtraName("a")
			}))
		},
	} {
		t.Run(path, func(t *testing.T) {
			e := wire.NewEncoder([]byte(`{"x":{"id":1},`)) // what was there before is not looked at
			e.BeginObject()
			e.ExtraName("x").Null()
			write(e)
			requireError(t, e.Err(), path, -1, "member is given already")
		})
	}
}

func TestExtraNamesMayRepeatInOtherObjects(t *testing.T) {
	require.Equal(t, `{"s":"a","n":{"a":{"a":1}},"l":["a",{"a":2},{"a":3}],"a":4,"ab":5,"A":6}`, encoded(t, func(e *wire.Encoder) {
		a := func(v int64) members { return func(e *wire.Encoder) { e.ExtraName("a").Int(v) } }
		e.Object(members(func(e *wire.Encoder) {
			e.ExtraName("s").String("a")
			e.ExtraName("n").Object(members(func(e *wire.Encoder) { e.ExtraName("a").Object(a(1)) }))
			e.ExtraName("l").BeginArray()
			e.Elem().String("a")
			e.Elem().Object(a(2))
			e.Elem().BeginObject()
			e.ExtraName("a").Int(3)
			e.EndObject()
			e.EndArray()
			e.ExtraName("a").Int(4)
			e.ExtraName("ab").Int(5)
			e.ExtraName("A").Int(6)
		}))
	}))
}
