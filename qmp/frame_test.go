package qmp

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"
)

// messagesOf returns the texts of the messages in what from gives, and the error at the end.
func messagesOf(from io.Reader, limit int) (texts []string, envelopes []envelope, err error) {
	r := receiver{from: from, max: limit}
	defer r.close()
	for {
		m, err := next(&r)
		if err != nil {
			return texts, envelopes, err
		}
		texts = append(texts, string(m.text))
		envelopes = append(envelopes, m.envelope)
	}
}

// at splits a text into two reads.
func at(text string, i int) io.Reader {
	return io.MultiReader(strings.NewReader(text[:i]), strings.NewReader(text[i:]))
}

func TestFramesAreFoundHoweverTheyArrive(t *testing.T) {
	messages := []string{
		`{}`,
		`{"QMP":{"version":{"qemu":{"micro":0,"minor":2,"major":10},"package":""},"capabilities":["oob"]}}`,
		`{"return":{},"id":1}`,
		`{"return": [{"a":"}]\"\\"},[[],{}],"{[,"], "id": 2}`,
		"{\r\n    \"timestamp\": {\n \"seconds\": -1, \"microseconds\": -1 } ,\t\"event\" : \"STOP\"\n}",
		`{"return":inf,"id":3}`,
		`{"return":[nan,-inf,tru,,:],"id":4}`,
		`{"return":,"id":5}`,
		`{"id":6,"return":"\\\"\\\\\"}"}`,
		"{\"return\":\"\xff\xfe\",\"id\":7}",
		`{"return":` + strings.Repeat("[{\"a\":", 2000) + `0` + strings.Repeat("}]", 2000) + `}`,
	}
	text := "\r\n" + strings.Join(messages, "\r\n") + "\r\n"
	for i := 0; i < len(text); i++ {
		if i > 1000 && i%97 != 0 { // the long one takes time
			continue
		}
		got, _, err := messagesOf(at(text, i), 1<<20)
		require.ErrorIs(t, err, io.EOF)
		require.Equal(t, messages, got, "split at %d", i)
	}
	got, _, err := messagesOf(iotest.OneByteReader(strings.NewReader(text)), 1<<20)
	require.ErrorIs(t, err, io.EOF)
	require.Equal(t, messages, got)

	got, _, err = messagesOf(strings.NewReader(strings.Join(messages, "")), 1<<20)
	require.ErrorIs(t, err, io.EOF)
	require.Equal(t, messages, got, "nothing between the messages")
}

func TestEnvelopeHoldsTheMembers(t *testing.T) {
	r := receiver{max: 1 << 10, from: strings.NewReader(
		`{ "return" : [1, 2] ,"error":{},"id":1,"event":"A","data":  inf  ,"timestamp":{"seconds":1},` +
			`"QMP":"x","unknown":{"id":3},"unknown":{"id":17}}`)}
	m, err := next(&r)
	require.NoError(t, err)
	part := func(s span) string { return string(m.part(s)) }
	require.Equal(t, `[1, 2]`, part(m.ret))
	require.Equal(t, `{}`, part(m.err))
	require.Equal(t, `1`, part(m.id))
	require.Equal(t, `"A"`, part(m.event))
	require.Equal(t, `inf`, part(m.data))
	require.Equal(t, `{"seconds":1}`, part(m.timestamp))
	require.Equal(t, `"x"`, part(m.greeting))
}

func TestReplyIDs(t *testing.T) {
	for text, want := range map[string]int64{
		`0`: 0, `7`: 7, `12`: 12, `999999999999999999`: 999999999999999999,
		`-1`: -1, `01`: -1, `1.0`: -1, `1e3`: -1, `"1"`: -1, `null`: -1, `1000000000000000000`: -1, ``: -1,
	} {
		r := receiver{max: 1 << 10, from: strings.NewReader(`{"id":` + text + `}`)}
		m, err := next(&r)
		require.NoError(t, err)
		id, ok := m.callID()
		require.Equal(t, want >= 0, ok, text)
		if ok {
			require.EqualValues(t, want, id)
		}
	}
}

func TestInvalidMessageEndsTheConnection(t *testing.T) {
	const before = "{\"return\":{},\"id\":1}\r\n" // 22 bytes
	for text, want := range map[string]ProtocolError{
		"QEMU 7.2.0 monitor\n":              {Offset: 0, Reason: errNotObject.Error()},
		"\xff{}":                            {Offset: 0, Reason: errNotObject.Error()},
		"[]":                                {Offset: 0, Reason: errNotObject.Error()},
		`"text"`:                            {Offset: 0, Reason: errNotObject.Error()},
		`7 `:                                {Offset: 0, Reason: errNotObject.Error()},
		`{,`:                                {Offset: 1, Reason: errNoName.Error()},
		`{a`:                                {Offset: 1, Reason: errNoName.Error()},
		`{"a":1,}`:                          {Offset: 7, Reason: errNoName.Error()},
		`{"a" 1}`:                           {Offset: 5, Reason: errNoColon.Error()},
		`{"id":1,"id":1}`:                   {Offset: 8, Reason: errRepeated.Error()},
		`{"return":{}, "return":[`:          {Offset: 24, Reason: errCut.Error()},
		`{"return":{}, "return":7,`:         {Offset: 14, Reason: errRepeated.Error()},
		`{"error":{},"id":1,"error":{}}`:    {Offset: 19, Reason: errRepeated.Error()},
		`{"event":"A","event":"A"}`:         {Offset: 13, Reason: errRepeated.Error()},
		`{"event":"A","data":{},"data":{}}`: {Offset: 23, Reason: errRepeated.Error()},
		`{"timestamp":{},"event":"A","timestamp":{}}`: {Offset: 28, Reason: errRepeated.Error()},
		`{"QMP":{},"x":1,"QMP":{}}`:                   {Offset: 16, Reason: errRepeated.Error()},
		`{"a":[}`:                                     {Offset: 6, Reason: errBrackets.Error()},
		`{"a":{]`:                                     {Offset: 6, Reason: errBrackets.Error()},
		`{"a":]`:                                      {Offset: 5, Reason: errBrackets.Error()},
		`{"a":[{"b":[]]`:                              {Offset: 13, Reason: errBrackets.Error()},
		`{"a":1}}`:                                    {Offset: 7, Reason: errNotObject.Error()},
		`{`:                                           {Offset: 1, Reason: errCut.Error()},
		`{"a`:                                         {Offset: 3, Reason: errCut.Error()},
		`{"a":"\`:                                     {Offset: 7, Reason: errCut.Error()},
		`{"a":[[1,2]`:                                 {Offset: 11, Reason: errCut.Error()},
		`{"a":"` + bigString + `"`:                    {Offset: int64(len(bigString)) + 7, Reason: errTooLong.Error()},
	} {
		for _, r := range []io.Reader{
			strings.NewReader(before + text),
			iotest.OneByteReader(strings.NewReader(before + text)),
		} {
			got, _, err := messagesOf(r, 1<<10)
			var broken *ProtocolError
			require.ErrorAs(t, err, &broken, "%q", text)
			if want.Reason == errTooLong.Error() {
				require.Greater(t, broken.Offset, int64(1<<10))
			} else {
				require.Equal(t, want.Offset+int64(len(before)), broken.Offset, "%q", text)
			}
			require.Equal(t, want.Reason, broken.Reason, "%q", text)
			require.NotEmpty(t, broken.Excerpt)
			require.Less(t, len(broken.Excerpt), 70)
			require.Equal(t, want.Reason == errCut.Error(), errors.Is(err, io.ErrUnexpectedEOF))
			require.GreaterOrEqual(t, len(got), 1)
		}
	}
}

var bigString = strings.Repeat("x", 2<<10)

func TestProtocolErrorShowsTheExcerpt(t *testing.T) {
	_, _, err := messagesOf(strings.NewReader("QEMU 7.2.0 monitor - type 'help'\r\n(qemu) "), 1<<10)
	require.EqualError(t, err, `qmp: the server broke the protocol at offset 0: a message does not begin with {: `+
		`"QEMU 7.2.0 monitor - type 'help'\r\n(qemu)"`)
}

func TestLongestMessage(t *testing.T) {
	text := `{"return":"` + strings.Repeat("x", 1000) + `"}`
	got, _, err := messagesOf(strings.NewReader(text+text), len(text))
	require.Equal(t, io.EOF, err)
	require.Len(t, got, 2)
	_, _, err = messagesOf(strings.NewReader(text), len(text)-1)
	var broken *ProtocolError
	require.ErrorAs(t, err, &broken)
}

// TestMessagesAreKept checks that a message that was given away does not change when the
// receiver goes on, whether it was copied or took the buffer with it.
func TestMessagesAreKept(t *testing.T) {
	var texts []string
	for i := range 300 {
		texts = append(texts, `{"return":"`+strings.Repeat(string(rune('a'+i%26)), i*i%9000)+`"}`)
	}
	for _, read := range []func(io.Reader) io.Reader{
		func(r io.Reader) io.Reader { return r },
		iotest.HalfReader,
		iotest.OneByteReader,
		iotest.DataErrReader,
	} {
		r := receiver{max: 1 << 20, from: read(strings.NewReader(strings.Join(texts, "\r\n")))}
		var kept []message
		var memory []*buffer
		for range texts {
			m, err := next(&r)
			require.NoError(t, err)
			memory = append(memory, r.keep(&m))
			kept = append(kept, m)
		}
		for i, m := range kept {
			require.Equal(t, texts[i], string(m.text))
		}
		for _, b := range memory {
			b.free()
		}
		_, err := next(&r)
		require.Equal(t, io.EOF, err)
		r.close()
	}
}

// FuzzFrames compares the framer with encoding/json for objects, and checks that the pieces in
// which bytes arrive make no difference.
func FuzzFrames(f *testing.F) {
	f.Add([]byte(`{"return":{},"id":1}`+"\r\n"+`{"event":"STOP","data":{"a":[1,"}",null]}}`), 3)
	f.Add([]byte(`{"error":{"class":"GenericError","desc":"\"\\\u00e4"}}`), 30)
	f.Add([]byte(`{"return":inf}{"a":[}`), 12)
	f.Add([]byte("\xff{\"a\" : 1,}"), 1)
	f.Fuzz(func(t *testing.T, text []byte, split int) {
		const limit = 1 << 12
		whole, envelopes, err := messagesOf(bytes.NewReader(text), limit)
		for _, r := range []io.Reader{
			at(string(text), min(max(split, 0), len(text))),
			iotest.OneByteReader(bytes.NewReader(text)),
		} {
			got, spans, gotErr := messagesOf(r, limit)
			if len(text) <= limit { // where a long one is noticed depends on the reads
				require.Equal(t, whole, got)
				require.Equal(t, envelopes, spans)
				require.Equal(t, withoutExcerpt(err), withoutExcerpt(gotErr))
			}
		}
		d := json.NewDecoder(bytes.NewReader(text))
		for i := 0; ; i++ {
			var raw json.RawMessage
			if d.Decode(&raw) != nil || raw[0] != '{' || len(raw) > limit {
				return
			}
			require.Greater(t, len(whole), i)
			require.Equal(t, string(raw), whole[i])
			compareMembers(t, raw, envelopes[i])
		}
	})
}

// withoutExcerpt leaves out what depends on how much had been read.
func withoutExcerpt(err error) error {
	var broken *ProtocolError
	if errors.As(err, &broken) {
		broken.Excerpt = ""
	}
	return err
}

// compareMembers compares an envelope with what encoding/json finds.
func compareMembers(t *testing.T, raw json.RawMessage, e envelope) {
	if bytes.Contains(raw, []byte(`\`)) {
		return // names are compared as they are written
	}
	var members map[string]json.RawMessage
	if json.Unmarshal(raw, &members) != nil {
		return // nested too deeply
	}
	m := message{text: raw, envelope: e}
	for name, s := range map[string]span{
		"return": e.ret, "error": e.err, "id": e.id, "event": e.event, "data": e.data,
		"timestamp": e.timestamp, "QMP": e.greeting,
	} {
		require.Equal(t, string(members[name]), string(m.part(s)), name)
	}
}

func BenchmarkFraming(b *testing.B) {
	reply := `{"return": [` + strings.Repeat(`{"name": "query-status", "ret-type": "123", "meta-type": "command", "members": []}, `, 2500) +
		`{}], "id": 1}` + "\r\n"
	b.SetBytes(int64(len(reply)))
	b.ReportAllocs()
	for b.Loop() {
		var f framer
		if done, err := f.scan([]byte(reply)); !done || err != nil {
			b.Fatal(err)
		}
	}
}

// next reads up to the end of the next message.
func next(r *receiver) (message, error) {
	for {
		m, ok, err := r.buffered()
		if ok || err != nil {
			return m, err
		}
		if err := r.fill(); err != nil {
			return message{}, err
		}
	}
}
