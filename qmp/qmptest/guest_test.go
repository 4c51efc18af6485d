package qmptest_test

import (
	"bytes"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/internal/qemutest"
	"github.com/qmpkit/qmpkit/qmp/qmptest"
	"github.com/qmpkit/qmpkit/testdata/schema"
)

// agentSession is what a client sends an agent, and what comes back, without blanks.
var agentSession = []struct{ input, want string }{
	{`{"execute":"guest-ping"}`, `{"return":{}}` + "\n"},
	{"\xFF" + `{"execute":"guest-sync-delimited","arguments":{"id":42}}`,
		`{"error":{"class":"GenericError","desc":"JSONparseerror,stray'\ufffd'"}}` + "\n\xFF" + `{"return":42}` + "\n"},
	{`{"execute":"guest-p` + "\xFF" + `{"execute":"guest-sync-delimited","arguments":{"id":43},"id":7}`,
		`{"error":{"class":"GenericError","desc":"JSONparseerror,stray'\"guest-p\ufffd'"}}` + "\n\xFF" + `{"return":43,"id":7}` + "\n"},
	{`{"execute":"guest-sync","arguments":{"id":-1}}`, `{"return":-1}` + "\n"},
	{`{"execute":"guest-sync-delimited","arguments":{"id":"x"}}`,
		`{"error":{"class":"GenericError","desc":"Invalidparametertypefor'id',expected:integer"}}` + "\n"},
	{`{"execute":"guest-sync-delimited"}`, `{"error":{"class":"GenericError","desc":"Parameter'id'ismissing"}}` + "\n"},
	{`{"execute":"guest-sync","arguments":{"id":1,"x":1}}`, `{"error":{"class":"GenericError","desc":"Parameter'x'isunexpected"}}` + "\n"},
	{`{"execute":"qmp_capabilities"}`,
		`{"error":{"class":"CommandNotFound","desc":"Thecommandqmp_capabilitieshasnotbeenfound"}}` + "\n"},
	{`{"exec-oob":"guest-ping"}`, `{"error":{"class":"GenericError","desc":"QMPinputmember'exec-oob'isunexpected"}}` + "\n"},
	{`{"execute":"guest-shutdown","arguments":{"mode":1}}`,
		`{"error":{"class":"GenericError","desc":"Invalidparametertypefor'mode',expected:string"}}` + "\n"},
}

// withoutBlanks takes out what QEMU writes more of, and has its escapes in small letters.
func withoutBlanks(b []byte) string {
	b = bytes.ReplaceAll(b, []byte(" "), nil)
	return string(bytes.ReplaceAll(b, []byte(`\uFFFD`), []byte(`\ufffd`)))
}

func checkAgent(t *testing.T, conn net.Conn) {
	t.Helper()
	require.NoError(t, conn.SetDeadline(time.Now().Add(time.Minute)))
	for _, test := range agentSession {
		_, err := conn.Write([]byte(test.input))
		require.NoError(t, err)
		var got []byte
		for lines := bytes.Count([]byte(test.want), []byte("\n")); lines > 0; {
			b := make([]byte, 1)
			n, err := conn.Read(b)
			require.NoError(t, err)
			got = append(got, b[:n]...)
			lines -= bytes.Count(b, []byte("\n"))
		}
		require.Equal(t, test.want, withoutBlanks(got), test.input)
	}
}

func TestAgent(t *testing.T) {
	for name, dial := range dialers(t) {
		t.Run(name, func(t *testing.T) {
			s := qmptest.NewServer(t, &qmptest.Options{Guest: true, Schema: snapshot(t, schema.Guest)})
			s.Handle("guest-ping", qmptest.Return(nil))
			conn := dial(s)
			s.Event("STOP", nil) // an agent has no events
			checkAgent(t, conn)
		})
	}
}

// TestAgentAsReal: a real agent gives the same answers.
func TestAgentAsReal(t *testing.T) {
	qemutest.Run(t, []string{"7.2", "10.0"}, func(t *testing.T, q *qemutest.QEMU) {
		conn, err := net.Dial("unix", q.StartAgent(t).Socket())
		require.NoError(t, err)
		defer conn.Close()
		checkAgent(t, conn)
	})
}

// TestAgentsSilence: the server does not answer commands that end the guest, unless they fail or
// the test sets an answer. The test can also answer the synchronization itself.
func TestAgentsSilence(t *testing.T) {
	s := qmptest.NewServer(t, &qmptest.Options{Guest: true})
	s.Expect("guest-shutdown")
	s.Expect("guest-suspend-ram").Refuse("GenericError", "no")
	s.Expect("guest-shutdown").Reply(1)
	s.Expect("guest-sync-delimited").Reply(5)
	s.Expect("guest-sync").Handle(qmptest.NoReply)
	conn := dialers(t)["socket"](s)
	require.Equal(t, `{"error":{"class":"GenericError","desc":"no"}}`,
		exchange(t, conn, `{"execute":"guest-shutdown"}{"execute":"guest-suspend-ram"}`))
	require.Equal(t, `{"return":1}`, exchange(t, conn, `{"execute":"guest-shutdown"}`))
	require.Equal(t, "\xFF"+`{"return":5}`, exchange(t, conn, `{"execute":"guest-sync-delimited","arguments":{"id":6}}`))
	require.Equal(t, `{"return":2}`, exchange(t, conn,
		`{"execute":"guest-sync","arguments":{"id":1}}{"execute":"guest-sync","arguments":{"id":2}}`))
	require.Len(t, s.Requests(), 5, "commands that the server answers itself are left out")
}
