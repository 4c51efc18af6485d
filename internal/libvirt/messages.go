package libvirt

// A UUID identifies a domain.
type UUID [16]byte

// String returns the UUID in its usual form.
func (u UUID) String() string {
	const digits = "0123456789abcdef"
	text := make([]byte, 0, 36)
	for i, b := range u {
		if i == 4 || i == 6 || i == 8 || i == 10 {
			text = append(text, '-')
		}
		text = append(text, digits[b>>4], digits[b&15])
	}
	return string(text)
}

// ParseUUID reads the form of String, also in upper case.
func ParseUUID(text string) (u UUID, ok bool) {
	if len(text) != 36 {
		return u, false
	}
	digit := 0
	for i := range len(text) {
		c := text[i]
		if i == 8 || i == 13 || i == 18 || i == 23 {
			if c != '-' {
				return UUID{}, false
			}
			continue
		}
		var value byte
		switch {
		case '0' <= c && c <= '9':
			value = c - '0'
		case 'a' <= c|0x20 && c|0x20 <= 'f':
			value = c | 0x20 - 'a' + 10
		default:
			return UUID{}, false
		}
		u[digit/2] = u[digit/2]<<4 | value
		digit++
	}
	return u, true
}

// A Domain names a domain. A domain that does not run has the ID -1.
type Domain struct {
	Name string
	UUID UUID
	ID   int32
}

// XDR is for [Message], like the methods XDR below.
func (m *Domain) XDR(x *Coder) {
	x.String(&m.Name)
	x.Fixed(m.UUID[:])
	x.Int32(&m.ID)
}

// The bodies that are a single value.
type (
	DomainBody    struct{ Domain Domain }
	IntBody       struct{ Value int32 }
	StringBody    struct{ Value string }
	OptStringBody struct{ Value *string }
	UUIDBody      struct{ UUID UUID }
)

func (m *DomainBody) XDR(x *Coder)    { m.Domain.XDR(x) }
func (m *IntBody) XDR(x *Coder)       { x.Int32(&m.Value) }
func (m *StringBody) XDR(x *Coder)    { x.String(&m.Value) }
func (m *OptStringBody) XDR(x *Coder) { x.OptString(&m.Value) }
func (m *UUIDBody) XDR(x *Coder)      { x.Fixed(m.UUID[:]) }

// OpenArgs opens a driver. A nil URI lets the daemon choose it.
type OpenArgs struct {
	URI   *string
	Flags uint32
}

func (m *OpenArgs) XDR(x *Coder) { x.OptString(&m.URI); x.Uint32(&m.Flags) }

// CreateXMLArgs starts a domain.
type CreateXMLArgs struct {
	XML   string
	Flags uint32
}

func (m *CreateXMLArgs) XDR(x *Coder) { x.String(&m.XML); x.Uint32(&m.Flags) }

// FeatureKeepAlive of SupportsFeature makes the daemon ping.
const FeatureKeepAlive = 10

// The ways to authenticate.
const (
	AuthNone     = 0
	AuthSASL     = 1
	AuthIsPolkit = 2
)

// AuthListResult lists the ways to authenticate that the daemon takes.
type AuthListResult struct{ Types []IntBody }

func (m *AuthListResult) XDR(x *Coder) { Array(x, &m.Types, maxAuths) }

// SASLData is what one side says in a step of SASL. Nothing (IsNil 1) is not the same as no bytes. The protocol sends each
// byte as a word.
type SASLData struct {
	IsNil int32
	Words []IntBody
}

func (m *SASLData) XDR(x *Coder) { x.Int32(&m.IsNil); Array(x, &m.Words, maxSASL) }

// NewSASLData returns bytes, or nothing, as SASLData.
func NewSASLData(b []byte) SASLData {
	if b == nil {
		return SASLData{IsNil: 1}
	}
	words := make([]IntBody, len(b))
	for i, c := range b {
		words[i].Value = int32(int8(c))
	}
	return SASLData{Words: words}
}

// Bytes returns the bytes, or nil for nothing. A sender may have extended the sign of a byte, or not.
func (m *SASLData) Bytes() []byte {
	if m.IsNil != 0 {
		return nil
	}
	b := make([]byte, len(m.Words))
	for i, word := range m.Words {
		b[i] = byte(word.Value)
	}
	return b
}

// SASLStartArgs begin a login by a mechanism.
type SASLStartArgs struct {
	Mechanism string
	Data      SASLData
}

func (m *SASLStartArgs) XDR(x *Coder) { x.String(&m.Mechanism); m.Data.XDR(x) }

// SASLResult is the daemon's answer to a step. The login has succeeded if Complete is not 0.
type SASLResult struct {
	Complete int32
	Data     SASLData
}

func (m *SASLResult) XDR(x *Coder) { x.Int32(&m.Complete); m.Data.XDR(x) }

// RegisterAnyArgs registers for an event of libvirt, by its number, of one domain or of all.
type RegisterAnyArgs struct {
	Event  int32 // 0: lifecycle
	Domain *Domain
}

func (m *RegisterAnyArgs) XDR(x *Coder) { x.Int32(&m.Event); Optional(x, &m.Domain) }

// LifecycleBody is a change of a domain's life.
type LifecycleBody struct {
	Callback int32
	Domain   Domain
	Event    int32
	Detail   int32
}

func (m *LifecycleBody) XDR(x *Coder) {
	x.Int32(&m.Callback)
	m.Domain.XDR(x)
	x.Int32(&m.Event)
	x.Int32(&m.Detail)
}

// CommandArgs are a command for QEMU's monitor. Flags 0 is QMP.
type CommandArgs struct {
	Domain  Domain
	Command string
	Flags   uint32
}

func (m *CommandArgs) XDR(x *Coder) { m.Domain.XDR(x); x.String(&m.Command); x.Uint32(&m.Flags) }

// AgentArgs are a command for the guest agent.
type AgentArgs struct {
	Domain  Domain
	Command string
	Timeout int32 // seconds; -2 waits without limit
	Flags   uint32
}

func (m *AgentArgs) XDR(x *Coder) {
	m.Domain.XDR(x)
	x.String(&m.Command)
	x.Int32(&m.Timeout)
	x.Uint32(&m.Flags)
}

// RegisterMonitorArgs registers for events of QEMU. nil means all domains, and all events.
type RegisterMonitorArgs struct {
	Domain *Domain
	Event  *string
	Flags  uint32
}

func (m *RegisterMonitorArgs) XDR(x *Coder) {
	Optional(x, &m.Domain)
	x.OptString(&m.Event)
	x.Uint32(&m.Flags)
}

// MonitorEventBody is an event of QEMU. nil Details means that it has no data.
type MonitorEventBody struct {
	Callback int32
	Domain   Domain
	Event    string
	Seconds  int64
	Micros   uint32
	Details  *string
}

func (m *MonitorEventBody) XDR(x *Coder) {
	x.Int32(&m.Callback)
	m.Domain.XDR(x)
	x.String(&m.Event)
	x.Int64(&m.Seconds)
	x.Uint32(&m.Micros)
	x.OptString(&m.Details)
}

// StatsState asks AllDomainStats for states, and StatsActive for the domains that run.
const (
	StatsState  = 1
	StatsActive = 1
)

// StatsArgs asks for values of domains; no domain means all.
type StatsArgs struct {
	Domains []Domain
	Stats   uint32
	Flags   uint32
}

func (m *StatsArgs) XDR(x *Coder) {
	Array(x, &m.Domains, MaxDomains)
	x.Uint32(&m.Stats)
	x.Uint32(&m.Flags)
}

// StatsResult has the values of each domain.
type StatsResult struct{ Records []StatsRecord }

func (m *StatsResult) XDR(x *Coder) { Array(x, &m.Records, MaxDomains) }

// A StatsRecord has the values of a domain.
type StatsRecord struct {
	Domain Domain
	Params []Param
}

func (m *StatsRecord) XDR(x *Coder) { m.Domain.XDR(x); Array(x, &m.Params, maxStats) }

// A Param is a value with its name and type. The field of its type is set.
type Param struct {
	Name   string
	Type   int32
	Int    int64 // also for the other types of integers, and 1 for true
	Float  float64
	String string
}

// The types of a Param.
const (
	ParamInt = 1 + iota
	ParamUint
	ParamInt64
	ParamUint64
	ParamFloat
	ParamBool
	ParamString
)

func (m *Param) XDR(x *Coder) {
	x.String(&m.Name)
	x.Int32(&m.Type)
	switch m.Type {
	case ParamInt, ParamBool:
		v := int32(m.Int)
		x.Int32(&v)
		m.Int = int64(v)
	case ParamUint:
		v := uint32(m.Int)
		x.Uint32(&v)
		m.Int = int64(v)
	case ParamInt64, ParamUint64:
		x.Int64(&m.Int)
	case ParamFloat:
		x.Float64(&m.Float)
	case ParamString:
		x.String(&m.String)
	default:
		x.fail(errParam)
	}
}

// An Error is the body of a reply with the status Failed.
type Error struct {
	Code    int32
	From    int32 // the part of libvirt
	Message *string
	Level   int32
	Domain  *Domain
	Texts   [3]*string
	Ints    [2]int32
	Network *network
}

func (m *Error) XDR(x *Coder) {
	x.Int32(&m.Code)
	x.Int32(&m.From)
	x.OptString(&m.Message)
	x.Int32(&m.Level)
	Optional(x, &m.Domain)
	for i := range m.Texts {
		x.OptString(&m.Texts[i])
	}
	for i := range m.Ints {
		x.Int32(&m.Ints[i])
	}
	Optional(x, &m.Network)
}

// A network is the network that an error is about.
type network struct {
	Name string
	UUID UUID
}

func (m *network) XDR(x *Coder) { x.String(&m.Name); x.Fixed(m.UUID[:]) }
