package libvirt

import (
	"bytes"
	"encoding/binary"
	"io"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"
)

// bodies has a value of each type of body, and its encoding.
func bodies() map[string]Message {
	text, domain := "text", Domain{"web1", UUID{1, 2, 15: 16}, -1}
	return map[string]Message{
		"domain": &DomainBody{domain}, "int": &IntBody{-2}, "string": &StringBody{"äb"}, "uuid": &UUIDBody{UUID{3}},
		"no string": &OptStringBody{}, "some string": &OptStringBody{&text},
		"open": &OpenArgs{URI: &text, Flags: 1}, "create": &CreateXMLArgs{"<domain/>", 2},
		"auth": &AuthListResult{[]IntBody{{0}, {2}}}, "any": &RegisterAnyArgs{3, &domain},
		"start": &SASLStartArgs{"PLAIN", NewSASLData([]byte("\x00\xc3\xa4"))}, "step": &SASLData{IsNil: 1},
		"sasl":      &SASLResult{1, NewSASLData([]byte("v=x"))},
		"lifecycle": &LifecycleBody{1, domain, 5, 3}, "command": &CommandArgs{domain, "{}", 0},
		"agent": &AgentArgs{domain, "{}", -2, 0}, "register": &RegisterMonitorArgs{nil, &text, 3},
		"event": &MonitorEventBody{1, domain, "STOP", -1 << 40, 999999, nil},
		"stats": &StatsArgs{[]Domain{domain, domain}, 1, 1},
		"result": &StatsResult{[]StatsRecord{{domain, []Param{{Name: "a", Type: ParamInt, Int: -1}, {Name: "b", Type: ParamUint, Int: 1 << 31},
			{Name: "c", Type: ParamInt64, Int: -1 << 50}, {Name: "d", Type: ParamUint64, Int: 7}, {Name: "e", Type: ParamFloat, Float: 1.5},
			{Name: "f", Type: ParamBool, Int: 1}, {Name: "g", Type: ParamString, String: "x"}}}}},
		"error": &Error{Code: 42, From: 10, Message: &text, Level: 2, Domain: &domain, Texts: [3]*string{nil, &text}, Ints: [2]int32{-1, 1},
			Network: &network{"n", UUID{9}}},
	}
}

func fresh(m Message) Message { return reflect.New(reflect.TypeOf(m).Elem()).Interface().(Message) }

// TestBodies: each body comes back as it was, and no part of it decodes.
func TestBodies(t *testing.T) {
	for name, m := range bodies() {
		packet, err := AppendPacket([]byte("before"), Header{Procedure: MonitorCommand}, m, 0)
		require.NoError(t, err, name)
		packet, err = ReadPacket(iotest.OneByteReader(bytes.NewReader(packet[len("before"):])), nil)
		require.NoError(t, err)
		h, body, _, err := ParsePacket(packet)
		require.NoError(t, err)
		require.Equal(t, Header{Procedure: MonitorCommand}, h)
		require.Zero(t, len(body)%4, name)
		back := fresh(m)
		require.NoError(t, Decode(body, back), name)
		require.Equal(t, m, back)
		for i := range body {
			require.Equal(t, errCut, Decode(body[:i], fresh(m)), name)
		}
		require.Equal(t, errRest, Decode(append(bytes.Clone(body), 0, 0, 0, 0), fresh(m)))
	}
}

// TestLayout: the bytes are those of the protocol.
func TestLayout(t *testing.T) {
	text := "abcde"
	packet, err := AppendPacket(nil, Header{MonitorCommandWithFiles, CallWithFiles, 9, OK}, &OptStringBody{&text}, 1)
	require.NoError(t, err)
	require.Equal(t, "\x00\x00\x00\x30"+"\x20\x00\x80\x87"+"\x00\x00\x00\x01"+"\x00\x00\x00\x07"+"\x00\x00\x00\x04"+"\x00\x00\x00\x09"+
		"\x00\x00\x00\x00"+"\x00\x00\x00\x01"+"\x00\x00\x00\x01"+"\x00\x00\x00\x05"+"abcde\x00\x00\x00", string(packet))
	_, body, files, err := ParsePacket(packet)
	require.NoError(t, err)
	require.Equal(t, 1, files)
	require.NoError(t, Decode(body, &OptStringBody{}))
}

func TestBadBodies(t *testing.T) {
	words := func(words ...uint32) (b []byte) {
		for _, w := range words {
			b = binary.BigEndian.AppendUint32(b, w)
		}
		return b
	}
	for name, test := range map[string]struct {
		body []byte
		into Message
		want error
	}{
		"padding":         {append(words(1), 'a', 0, 0, 1), &StringBody{}, errPadding},
		"long string":     {words(MaxString + 1), &StringBody{}, errString},
		"huge string":     {words(0xffffffff), &StringBody{}, errString},
		"claimed string":  {words(MaxString), &StringBody{}, errCut},
		"presence":        {words(2), &OptStringBody{}, errOptional},
		"huge array":      {words(0xffffffff), &StatsResult{}, errCount},
		"claimed array":   {words(MaxDomains), &StatsResult{}, errCut},
		"type of a value": {words(1, 0, 0, 0, 0, 0, 0, 1, 0, 8), &StatsResult{}, errParam},
	} {
		require.Equal(t, test.want, Decode(test.body, test.into), name)
	}
	for name, test := range map[string]struct {
		body Message
		want error
	}{
		"string": {&StringBody{strings.Repeat("x", MaxString+1)}, errString},
		"array":  {&StatsArgs{Domains: make([]Domain, MaxDomains+1)}, errCount},
		"param":  {&StatsResult{[]StatsRecord{{Params: []Param{{}}}}}, errParam},
		"packet": {&StatsArgs{Domains: slicesOf(Domain{Name: strings.Repeat("x", MaxString)}, 9)}, errTooLong},
	} {
		b, err := AppendPacket([]byte("before"), Header{}, test.body, 0)
		require.Equal(t, test.want, err, name)
		require.Equal(t, "before", string(b))
	}
}

func slicesOf[T any](v T, n int) (all []T) {
	for range n {
		all = append(all, v)
	}
	return all
}

func TestBadPackets(t *testing.T) {
	good, err := AppendPacket(nil, Header{Procedure: Ping, Type: Event}, nil, 0)
	require.NoError(t, err)
	read := func(edit func(b []byte) []byte) error {
		packet, err := ReadPacket(bytes.NewReader(edit(bytes.Clone(good))), nil)
		if err == nil {
			_, _, _, err = ParsePacket(packet)
		}
		return err
	}
	require.NoError(t, read(func(b []byte) []byte { return b }))
	for i := range good {
		want := io.ErrUnexpectedEOF
		if i == 0 {
			want = io.EOF
		}
		require.Equal(t, want, read(func(b []byte) []byte { return b[:i] }))
	}
	word := func(i int, v uint32) func(b []byte) []byte {
		return func(b []byte) []byte { binary.BigEndian.PutUint32(b[4*i:], v); return b }
	}
	require.Equal(t, errTooShort, read(word(0, HeaderLen-1)))
	require.Equal(t, errTooShort, read(word(0, 0)))
	require.Equal(t, errTooLong, read(word(0, MaxPacket+1)))
	require.Equal(t, errTooLong, read(word(0, 0xffffffff)))
	require.Equal(t, errVersion, read(word(2, 2)))
	require.Equal(t, errTooShort, read(word(4, uint32(CallWithFiles))))
	_, _, _, err = ParsePacket(nil)
	require.Equal(t, errTooShort, err)
	for _, n := range []uint32{MaxFiles + 1, 0xffffffff} {
		packet, err := AppendPacket(nil, Header{Type: CallWithFiles}, nil, int(n))
		require.NoError(t, err)
		_, _, _, err = ParsePacket(packet)
		require.Equal(t, errCount, err)
	}
}

// TestClaimedLength: a packet that only claims to be long does not take memory.
func TestClaimedLength(t *testing.T) {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range 100 {
		_, err := ReadPacket(strings.NewReader("\x02\x00\x00\x00"), nil)
		require.Equal(t, io.ErrUnexpectedEOF, err)
		require.Error(t, Decode([]byte("\x00\x00\x40\x00\x00\x00\x00\x00"), &StatsResult{}))
	}
	runtime.ReadMemStats(&after)
	require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(100<<20))
}

func TestUUID(t *testing.T) {
	const text = "0123abcd-4567-89ab-cdef-001122334455"
	for _, from := range []string{text, strings.ToUpper(text)} {
		u, ok := ParseUUID(from)
		require.True(t, ok)
		require.Equal(t, text, u.String())
	}
	for _, bad := range []string{"", "web1", text + "0", strings.Replace(text, "-", "0", 1), "g" + text[1:], "/" + text[1:], "\x10" + text[1:]} {
		_, ok := ParseUUID(bad)
		require.False(t, ok, bad)
	}
}

func TestProcedureNames(t *testing.T) {
	require.Equal(t, "monitor-command", MonitorCommand.String())
	require.Equal(t, "procedure 99 of program 0x20008086", Procedure{Remote, 99}.String())
	require.Len(t, names, 24)
}

func TestSASLData(t *testing.T) {
	for _, b := range [][]byte{nil, {}, []byte("a\x00\xff")} {
		data := NewSASLData(b)
		require.Equal(t, b, data.Bytes())
	}
	require.Equal(t, []byte{0xff, 0xff}, (&SASLData{Words: []IntBody{{-1}, {255}}}).Bytes()) // of daemons with and without signs
}

// FuzzDecode: no body makes the decoder panic, and what decodes is encoded to the same bytes.
func FuzzDecode(f *testing.F) {
	all := bodies()
	for _, m := range all {
		packet, err := AppendPacket(nil, Header{}, m, 0)
		require.NoError(f, err)
		f.Add(packet[HeaderLen:])
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		for name, m := range all {
			into := fresh(m)
			if Decode(body, into) != nil {
				continue
			}
			packet, err := AppendPacket(nil, Header{}, into, 0)
			require.NoError(t, err, name)
			require.Equal(t, string(body), string(packet[HeaderLen:]), name)
		}
	})
}

// FuzzReadPacket: packets end where they say, in whatever pieces they come.
func FuzzReadPacket(f *testing.F) {
	ping, err := AppendPacket(nil, Header{Procedure: Ping, Type: Event}, nil, 0)
	require.NoError(f, err)
	f.Add(append(ping, ping...))
	f.Add([]byte("\x00\x00\x00\x1d"))
	f.Fuzz(func(t *testing.T, text []byte) {
		all, pieces := bytes.NewReader(text), iotest.HalfReader(bytes.NewReader(text))
		var packet []byte
		for {
			one, err := ReadPacket(all, nil)
			var errOfPieces error
			packet, errOfPieces = ReadPacket(pieces, packet)
			require.Equal(t, err, errOfPieces)
			if err != nil {
				return
			}
			require.Equal(t, one, packet)
			if _, body, files, err := ParsePacket(one); err == nil {
				require.LessOrEqual(t, len(body), len(one)-HeaderLen)
				require.LessOrEqual(t, files, MaxFiles)
			}
		}
	})
}
