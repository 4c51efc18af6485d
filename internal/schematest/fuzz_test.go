package schematest

import (
	"errors"
	"reflect"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/qapi"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/wire"
)

// FuzzSample checks decoders that are right.
func FuzzSample(f *testing.F) { Fuzz(f, sampleDecoders(f)) }

// TestSampleMemory checks them with texts that are made to cost much.
func TestSampleMemory(t *testing.T) { Memory(t, sampleDecoders(t)) }

// TestFuzzFaults checks that mistakes in the sample's decoders are found.
func TestFuzzFaults(t *testing.T) {
	table, err := new(sampleDecoders(t)).table()
	require.NoError(t, err)
	pick := table[0]
	for _, f := range []struct {
		fault string
		x     decoding
		text  string
		found string
	}{
		{"the discriminator has to come first", choices(t), `{"kind":"c","name":"x"}`, "rotated"},
		{"an unknown member is an error", pick, `[{"id":"x","tags":[]}]`, "with an unknown member"},
	} {
		t.Run(f.fault, func(t *testing.T) {
			t.Cleanup(func() { fault = "" })
			require.NoError(t, f.x.holds([]byte(f.text)))
			fault = f.fault
			require.ErrorContains(t, f.x.holds([]byte(f.text)), f.found)
		})
	}
}

// TestFuzzFinds does so with decoders that are nothing but a mistake.
func TestFuzzFinds(t *testing.T) {
	calls := 0
	for name, d := range map[string]struct {
		text   string
		decode func(text []byte) (any, error)
		found  string
	}{
		"keeps the text": {`"abc"`, func(text []byte) (any, error) {
			return unsafe.String(&text[0], len(text)), nil
		}, "decoded again"},
		"changes the text": {`"abc"`, func(text []byte) (any, error) {
			text[0] = ' '
			return "", nil
		}, "the text was changed"},
		"depends on more than the text": {`1`, func([]byte) (any, error) {
			calls++
			return calls, nil
		}, "decoded again"},
		"takes what is not JSON": {`[1,]`, func([]byte) (any, error) { return 1, nil }, "not JSON"},
		"an error of another type": {`1`, func([]byte) (any, error) {
			return 0, errors.New("wrong")
		}, "no place in the text"},
		"an error outside of the text": {`1`, func([]byte) (any, error) {
			return 0, &qmp.DecodeError{Command: "x", Offset: 2, Reason: "wrong"}
		}, "no place in the text"},
		"an error of another command": {`1`, func([]byte) (any, error) {
			return 0, &qmp.DecodeError{Command: "y", Reason: "wrong"}
		}, "no place in the text"},
		"sees blanks":   {`[1, 2]`, func(text []byte) (any, error) { return len(text), nil }, "without blanks"},
		"sees an order": {`{"a":1,"b":2}`, func(text []byte) (any, error) { return text[2] == 'b', nil }, "rotated"},
	} {
		t.Run(name, func(t *testing.T) {
			x := decoding{name: "x", decode: func(text []byte) (reflect.Value, error) {
				v, err := d.decode(text)
				return reflect.ValueOf(v), err
			}}
			require.ErrorContains(t, x.holds([]byte(d.text)), d.found)
		})
	}
}

// choices is the decoder of the sample's union, which the sample only sends.
func choices(t *testing.T) decoding {
	decode := func(text []byte) (reflect.Value, error) {
		v := Choice{}
		call := &qmp.Call{Command: "choice", Result: func(d *wire.Decoder) { d.Object(&v) }}
		err := call.Decode(text)
		return reflect.ValueOf(v), err
	}
	return decoding{"choice", sample(t).Schema.Lookup("Choice").(qapi.Type), decode}
}

func sampleDecoders(tb testing.TB) Decoders {
	return Decoders{sample(tb).Schema, []any{Pick{}}, decodeEvent}
}

// TestIncomplete checks that a table which lacks something is found.
func TestIncomplete(t *testing.T) {
	for name, change := range map[string]func(d *Decoders){
		"the command pick is missing": func(d *Decoders) { d.Requests = nil },
		"are both the command pick":   func(d *Decoders) { d.Requests = []any{Pick{}, Other{}} },
		"no DecodeEvent":              func(d *Decoders) { d.DecodeEvent = nil },
		"PICKED is missing":           func(*Decoders) { fault = "an event is not in the table" },
		"which the schema does not have": func(d *Decoders) {
			d.Schema.Definitions = nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Cleanup(func() { fault = "" })
			d := sampleDecoders(t)
			change(&d)
			_, err := d.table()
			require.ErrorContains(t, err, name)
		})
	}
}
