// Package libvirt reads and writes messages of libvirt's remote protocol, the one of libvirtd and virtqemud. It has the
// few procedures that package qmplibvirt needs, for both sides of a connection: tests have daemons of their own.
//
// A message is a [Header] and a body. The body is a [Message], a struct whose method XDR lists its fields in the order
// of the wire. The same method encodes and decodes it.
package libvirt

import (
	"encoding/binary"
	"io"
	"slices"
	"strconv"
)

// A Program is a group of procedures.
type Program uint32

// The programs.
const (
	Remote    Program = 0x20008086
	QEMU      Program = 0x20008087
	KeepAlive Program = 0x6b656570
)

// Version is the version of all programs.
const Version = 1

// A Type is the kind of a message.
type Type uint32

// The types of messages. Other types belong to streams.
const (
	Call          Type = 0
	Reply         Type = 1
	Event         Type = 2
	CallWithFiles Type = 4 // a word with the number of descriptors comes before the body
)

// A Status says what the body of a reply is.
type Status uint32

// The statuses. Calls and events have OK.
const (
	OK     Status = 0
	Failed Status = 1 // the body is an Error
)

// The limits of the protocol.
const (
	HeaderLen  = 28         // the length of a packet without a body, the word of the length included
	MaxPacket  = 32<<20 + 4 // the length of the longest packet
	MaxString  = 4 << 20    // the length of the longest string
	MaxDomains = 16384      // the number of domains in a list
	maxStats   = 4096       // the number of values of a domain
	maxAuths   = 20         // the number of ways to authenticate
	maxSASL    = 65536      // the number of bytes of a step of SASL
	chunk      = 64 << 10   // how much is allocated for bytes that have not come yet
)

// A Header begins each message.
type Header struct {
	Procedure
	Type   Type
	Serial uint32 // of the call; also in its reply
	Status Status
}

// A Procedure is what a call asks for, or an event reports.
type Procedure struct {
	Program Program
	Number  uint32
}

// The procedures, and the types of their arguments and results.
var (
	ConnectOpen         = Procedure{Remote, 1}   // OpenArgs
	ConnectClose        = Procedure{Remote, 2}   // nothing; the daemon then closes the connection
	DomainCreateXML     = Procedure{Remote, 10}  // CreateXMLArgs, DomainBody
	DomainDestroy       = Procedure{Remote, 12}  // DomainBody
	DomainLookupByName  = Procedure{Remote, 23}  // StringBody, DomainBody
	DomainLookupByUUID  = Procedure{Remote, 24}  // UUIDBody, DomainBody
	SupportsFeature     = Procedure{Remote, 60}  // IntBody, IntBody
	AuthList            = Procedure{Remote, 66}  // nothing, AuthListResult
	AuthSASLInit        = Procedure{Remote, 67}  // nothing, StringBody
	AuthSASLStart       = Procedure{Remote, 68}  // SASLStartArgs, SASLResult
	AuthSASLStep        = Procedure{Remote, 69}  // SASLData, SASLResult
	AuthPolkit          = Procedure{Remote, 70}  // nothing, IntBody
	RegisterLifecycle   = Procedure{Remote, 316} // RegisterAnyArgs, IntBody
	DeregisterLifecycle = Procedure{Remote, 317} // IntBody
	LifecycleEvent      = Procedure{Remote, 318} // LifecycleBody
	AllDomainStats      = Procedure{Remote, 344} // StatsArgs, StatsResult

	MonitorCommand          = Procedure{QEMU, 1} // CommandArgs, StringBody
	AgentCommand            = Procedure{QEMU, 3} // AgentArgs, OptStringBody
	RegisterMonitorEvents   = Procedure{QEMU, 4} // RegisterMonitorArgs, IntBody
	DeregisterMonitorEvents = Procedure{QEMU, 5} // IntBody
	MonitorEvent            = Procedure{QEMU, 6} // MonitorEventBody
	MonitorCommandWithFiles = Procedure{QEMU, 7} // CommandArgs, StringBody

	Ping = Procedure{KeepAlive, 1}
	Pong = Procedure{KeepAlive, 2}
)

var names = map[Procedure]string{
	ConnectOpen: "open", ConnectClose: "close", DomainCreateXML: "domain-create-xml", DomainDestroy: "domain-destroy",
	DomainLookupByName: "domain-lookup-by-name", DomainLookupByUUID: "domain-lookup-by-uuid",
	SupportsFeature: "supports-feature", AuthList: "auth-list", AuthSASLInit: "auth-sasl-init", AuthSASLStart: "auth-sasl-start", AuthSASLStep: "auth-sasl-step",
	AuthPolkit: "auth-polkit", RegisterLifecycle: "register-lifecycle", DeregisterLifecycle: "deregister-lifecycle", LifecycleEvent: "lifecycle",
	AllDomainStats: "all-domain-stats", MonitorCommand: "monitor-command", AgentCommand: "agent-command",
	RegisterMonitorEvents: "register-monitor-events", DeregisterMonitorEvents: "deregister-monitor-events",
	MonitorEvent: "monitor-event", MonitorCommandWithFiles: "monitor-command-with-files", Ping: "ping", Pong: "pong",
}

// String returns the name of the procedure, or its numbers if this package does not have it.
func (p Procedure) String() string {
	if name, ok := names[p]; ok {
		return name
	}
	return "procedure " + strconv.Itoa(int(p.Number)) + " of program 0x" + strconv.FormatUint(uint64(p.Program), 16)
}

// AppendPacket appends a packet to b. A nil body is empty. files is the number of descriptors of a message of the type
// CallWithFiles: each descriptor follows the packet, together with one byte. If the body exceeds a limit, the error names
// the limit, and b is unchanged.
func AppendPacket(b []byte, h Header, body Message, files int) ([]byte, error) {
	start := len(b)
	x := Coder{b: append(b, 0, 0, 0, 0)}
	for _, word := range []uint32{uint32(h.Program), Version, h.Number, uint32(h.Type), h.Serial, uint32(h.Status)} {
		x.Uint32(&word)
	}
	if h.Type == CallWithFiles {
		n := uint32(files)
		x.Uint32(&n)
	}
	if body != nil {
		body.XDR(&x)
	}
	length := len(x.b) - start
	if x.err == nil && length > MaxPacket {
		x.err = errTooLong
	}
	if x.err != nil {
		return b, x.err
	}
	binary.BigEndian.PutUint32(x.b[start:], uint32(length))
	return x.b, nil
}

// A FormatError says what is wrong with a packet.
type FormatError string

func (e FormatError) Error() string { return string(e) }

const (
	errTooLong  = FormatError("packet is longer than 32 MiB")
	errTooShort = FormatError("packet is shorter than its header")
	errVersion  = FormatError("packet has another version than 1")
	errCut      = FormatError("packet ends in a value")
	errRest     = FormatError("packet has bytes after its last value")
	errPadding  = FormatError("padding is not zero")
	errString   = FormatError("string is too long")
	errCount    = FormatError("array is too long")
	errOptional = FormatError("presence of a value is neither 0 nor 1")
	errParam    = FormatError("value has an unknown type")
)

// ReadPacket reads a packet into the memory of b, which it replaces if it is too small. It returns io.EOF if r ends
// before the packet, and io.ErrUnexpectedEOF if r ends in it. A packet that claims to be long takes memory only as its
// bytes come.
func ReadPacket(r io.Reader, b []byte) (packet []byte, err error) {
	b = slices.Grow(b[:0], HeaderLen)[:4]
	if _, err := io.ReadFull(r, b); err != nil {
		return b[:0], err
	}
	length := int(binary.BigEndian.Uint32(b))
	switch {
	case length < HeaderLen:
		return b[:0], errTooShort
	case length > MaxPacket:
		return b[:0], errTooLong
	}
	for len(b) < length {
		n := min(length-len(b), max(chunk, len(b)))
		b = slices.Grow(b, n)
		m, err := io.ReadFull(r, b[len(b):len(b)+n])
		b = b[:len(b)+m]
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		if err != nil {
			return b, err
		}
	}
	return b, nil
}

// ParsePacket returns the header and the body of a packet from ReadPacket. files is the number of descriptors that
// follow the packet. The body is a part of the packet.
func ParsePacket(packet []byte) (h Header, body []byte, files int, err error) {
	if len(packet) < HeaderLen {
		return h, nil, 0, errTooShort
	}
	word := func(i int) uint32 { return binary.BigEndian.Uint32(packet[4*i:]) }
	h = Header{Procedure{Program(word(1)), word(3)}, Type(word(4)), word(5), Status(word(6))}
	if word(2) != Version {
		return h, nil, 0, errVersion
	}
	body = packet[HeaderLen:]
	if h.Type == CallWithFiles {
		if len(body) < 4 {
			return h, nil, 0, errTooShort
		}
		files, body = int(int32(word(7))), body[4:]
		if files < 0 || files > MaxFiles {
			return h, nil, 0, errCount
		}
	}
	return h, body, files, nil
}

// MaxFiles is the number of descriptors that libvirt takes with one message.
const MaxFiles = 32

// Decode reads a body, all of it. It copies everything that it keeps.
func Decode(body []byte, into Message) error {
	x := Coder{b: body, decodes: true}
	into.XDR(&x)
	if x.err == nil && len(x.b) > 0 {
		x.err = errRest
	}
	return x.err
}
