package qmptest_test

import (
	"encoding/json"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/internal/qemutest"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/qmptest"
)

// malformed is input, and what it is answered with: descriptions of errors, or "ok".
var malformed = []struct {
	input string
	want  []string
}{
	{`{"execute":"query-name"}`, []string{"ok"}},
	{"{\"execute\"\t:\r\n\"query-name\" }", []string{"ok"}},
	{`{'execute':'query-name','id':'"'}`, []string{"ok"}},
	{`{"execute":"query-name","id":"\'"}`, []string{"ok"}},
	{`{"execute":"query-name","id":[null,true,false,-0,1.5e+3,1E5,"\\\/\b\f\n\r\té😀\u0000"]}`, []string{"ok"}},
	{"{\"execute\":\"query-name\",\"id\":\"\xC0\x80 é\x7F\"}", []string{"ok"}},
	{`{"execute":"query-name"}{"execute":"query-name"}`, []string{"ok", "ok"}},
	{`{]`, []string{"JSON parse error, expecting value"}},
	{`{]}`, []string{"JSON parse error, expecting value", "JSON parse error, expecting value"}},
	{`[}`, []string{"JSON parse error, expecting value"}},
	{`[[}`, []string{"JSON parse error, expecting value"}},
	{`{{]}`, []string{"JSON parse error, expecting value", "JSON parse error, expecting value"}},
	{`[{]}`, []string{"JSON parse error, expecting value"}},
	{`{"a":[}`, nil}, // goes on
	{`{]{"execute":"query-name"}`, []string{"JSON parse error, expecting value", "ok"}},
	{`}`, []string{"JSON parse error, expecting value"}},
	{`,`, []string{"JSON parse error, expecting value"}},
	{`{:}`, []string{"JSON parse error, expecting value"}},
	{`{"a":}`, []string{"JSON parse error, expecting value"}},
	{`{"a":1,}`, []string{"JSON parse error, expecting value"}},
	{`[1,]`, []string{"JSON parse error, expecting value"}},
	{`[1 2]`, []string{"JSON parse error, expected separator in list"}},
	{`{"execute":"query-name"]`, []string{"JSON parse error, expected separator in dict"}},
	{`{"a":1 "b":2}`, []string{"JSON parse error, expected separator in dict"}},
	{`{"a" 1}`, []string{"JSON parse error, missing : in object pair"}},
	{`{1:2}`, []string{"JSON parse error, key is not a string in object"}},
	{`{"execute":"query-name","id":1,"id":2}`, []string{"JSON parse error, duplicate key"}},
	{`{"execute":"query-name","arguments":{"x":1,"\u0078":2}}`, []string{"JSON parse error, duplicate key"}},
	{`{"a":nul,"a":1}`, []string{"JSON parse error, invalid keyword 'nul'"}},
	{"garbage in\n", []string{"JSON parse error, invalid keyword 'garbage'", "JSON parse error, invalid keyword 'in'"}},
	{"Hello, world\n", []string{"JSON parse error, stray 'H'", "JSON parse error, expecting value", "JSON parse error, invalid keyword 'world'"}},
	{"\x00", []string{"JSON parse error, stray ''"}},
	{"\xFF\xFE", []string{"JSON parse error, stray '\uFFFD'", "JSON parse error, stray '\uFFFD'"}},
	{"{\"execute\":\"query-\xFF{\"execute\":\"query-name\"}", []string{"JSON parse error, stray '\"query-\uFFFD'", "ok"}},
	{"#\t{}", []string{"JSON parse error, stray '#'", "QMP input lacks member 'execute'"}},
	{"{\"id\":\"a\nb\"}", []string{"JSON parse error, stray '\"a\n'", "JSON parse error, expecting value"}},
	{`{"id":01}`, []string{"JSON parse error, stray '01'", "JSON parse error, expecting value"}},
	{`{"id":-}`, []string{"JSON parse error, stray '-}'"}},
	{`{"id":1.}`, []string{"JSON parse error, stray '1.}'"}},
	{`{"id":1e}`, []string{"JSON parse error, stray '1e}'"}},
	{`1e+ `, []string{"JSON parse error, stray '1e+ '"}},
	{`0e1 `, []string{"QMP input must be a JSON object", "JSON parse error, invalid keyword 'e'", "QMP input must be a JSON object"}},
	{`"a" 1 -0.5 null []`, []string{
		"QMP input must be a JSON object", "QMP input must be a JSON object", "QMP input must be a JSON object",
		"QMP input must be a JSON object", "QMP input must be a JSON object",
	}},
	{`{"id":"\q"}`, []string{"JSON parse error, invalid escape sequence in string"}},
	{`{"id":"\uZZZZ"}`, []string{`JSON parse error, \uZZZZ is not a valid Unicode character`}},
	{`{"id":"\u12"}`, []string{`JSON parse error, \u12" is not a valid Unicode character`}},
	{`{"id":"\uFFFF"}`, []string{`JSON parse error, \uFFFF is not a valid Unicode character`}},
	{`{"id":"\ud83d\ud83d"}`, []string{`JSON parse error, \ud83d is not a valid Unicode character`}},
	{`{"id":"\ud83d"}`, []string{`JSON parse error, \ud83d is not a valid Unicode character`}},
	{"{\"id\":\"\xC3(\"}", []string{"JSON parse error, invalid UTF-8 sequence in string"}},
	{"{\"id\":\"\xEF\xBF\xBF\"}", []string{"JSON parse error, invalid UTF-8 sequence in string"}},
	{strings.Repeat("[", 1025), []string{"JSON nesting depth limit exceeded"}},
	{`{}`, []string{"QMP input lacks member 'execute'"}},
	{`{"id":1}`, []string{"QMP input lacks member 'execute'"}},
	{`[{"execute":"query-name"}]`, []string{"QMP input must be a JSON object"}},
	{`{"execute":1,"id":1}`, []string{"QMP input member 'execute' must be a string"}},
	{`{"execute":null}`, []string{"QMP input member 'execute' must be a string"}},
	{`{"execute":"query-name","arguments":[]}`, []string{"QMP input member 'arguments' must be an object"}},
	{`{"execute":"query-name","arguments":null}`, []string{"QMP input member 'arguments' must be an object"}},
	{`{"execute":"query-name","x":1}`, []string{"QMP input member 'x' is unexpected"}},
	{`{"exec-oob":"query-name"}`, []string{"QMP input member 'exec-oob' is unexpected"}},
	{`{"execute":"qmp_capabilities"}`, []string{"Capabilities negotiation is already complete, command ignored"}},
	{`{"execute":"qmp_capabilities","arguments":{"enable":["x"]}}`, []string{"Parameter 'null' does not accept value 'x'"}},
	{`{"execute":"qmp_capabilities","arguments":{"enable":[1]}}`, []string{"Invalid parameter type for 'enable[0]', expected: string"}},
	{`{"execute":"qmp_capabilities","arguments":{"enable":null}}`, []string{"Invalid parameter type for 'enable', expected: array"}},
	{`{"execute":"qmp_capabilities","arguments":{"x":1}}`, []string{"Parameter 'x' is unexpected"}},
}

// answer is a message of a server.
type answer struct {
	Return json.RawMessage
	ID     json.RawMessage
	Error  struct {
		Class qmp.ErrorClass
		Desc  string
	}
	Event string
}

// answers reads what comes up to the message with the id "end", without events.
func answers(t *testing.T, d *json.Decoder) (all []answer) {
	t.Helper()
	for {
		var a answer
		require.NoError(t, d.Decode(&a))
		switch {
		case string(a.ID) == `"end"`:
			return all
		case a.Event == "":
			all = append(all, a)
		}
	}
}

// checkMalformed sends each input and then, after the byte that ends whatever it has begun, a
// command that is well-formed.
func checkMalformed(t *testing.T, conn net.Conn) {
	require.NoError(t, conn.SetDeadline(time.Now().Add(time.Minute)))
	d := json.NewDecoder(conn)
	require.NoError(t, d.Decode(new(any)), "the greeting")
	send := func(text string) {
		_, err := conn.Write([]byte(text))
		require.NoError(t, err)
	}
	send(`{"execute":"qmp_capabilities","id":"end"}`)
	answers(t, d)
	for _, test := range malformed {
		send(test.input + "\xFF" + `{"execute":"query-name","id":"end"}`)
		var got []string
		for _, a := range answers(t, d) {
			if a.Return != nil {
				got = append(got, "ok")
				continue
			}
			if a.Error.Class != qmp.ErrCommandNotFound {
				require.Equal(t, qmp.ErrGeneric, a.Error.Class, test.input)
			}
			got = append(got, a.Error.Desc)
		}
		require.Equal(t, append(slices.Clone(test.want), "JSON parse error, stray '\uFFFD'"), got, "%q", test.input)
	}
}

func TestMalformed(t *testing.T) {
	for name, dial := range dialers(t) {
		t.Run(name, func(t *testing.T) {
			s := qmptest.NewServer(t, nil)
			s.Handle("query-name", qmptest.Return(nil))
			checkMalformed(t, dial(s))
		})
	}
}

// TestMalformedAsQEMU: a real QEMU gives the same answers. QEMU 11.1 has other texts.
func TestMalformedAsQEMU(t *testing.T) {
	qemutest.Run(t, []string{"7.2", "10.0"}, func(t *testing.T, q *qemutest.QEMU) {
		if q.Major < 6 || q.AtLeast(11, 0) { // the variable QEMU may name one
			t.Skip("this QEMU has other error texts")
		}
		conn, err := net.Dial("unix", q.Start(t, qemutest.Config{}).Socket())
		require.NoError(t, err)
		defer conn.Close()
		checkMalformed(t, conn)
	})
}

// dialers connect to a server by hand in the two ways that there are. On a pipe, which has no
// buffer, a goroutine takes what the server writes.
func dialers(t *testing.T) map[string]func(*qmptest.Server) net.Conn {
	return map[string]func(*qmptest.Server) net.Conn{
		"pipe": func(s *qmptest.Server) net.Conn { return buffered(s.Pipe()) },
		"socket": func(s *qmptest.Server) net.Conn {
			conn, err := net.Dial("unix", s.Addr())
			require.NoError(t, err)
			t.Cleanup(func() { _ = conn.Close() })
			return conn
		},
	}
}

// buffered returns the other end of a connection that takes all that comes at once.
func buffered(conn net.Conn) net.Conn {
	chunks := make(chan []byte, 1<<16)
	go func() {
		defer close(chunks)
		for {
			b := make([]byte, 4096)
			n, err := conn.Read(b)
			if err != nil {
				return
			}
			chunks <- b[:n]
		}
	}()
	return &bufferedConn{Conn: conn, chunks: chunks}
}

type bufferedConn struct {
	net.Conn
	chunks chan []byte
	rest   []byte
}

func (c *bufferedConn) Read(b []byte) (int, error) {
	for len(c.rest) == 0 {
		chunk, ok := <-c.chunks
		if !ok {
			return 0, net.ErrClosed
		}
		c.rest = chunk
	}
	n := copy(b, c.rest)
	c.rest = c.rest[n:]
	return n, nil
}
