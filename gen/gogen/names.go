package gogen

import (
	"cmp"
	"fmt"
	"path"
	"strconv"
	"strings"
	"unicode"

	"github.com/qmpkit/qmpkit/qapi"
)

// All names of the generated code are made here.
//
//   - A type keeps the schema's spelling, so that it can be looked up: NbdServerOptions.
//   - The names of commands, events, members, alternatives and enum values are split into
//     words, which are joined in Go's way: device_add is DeviceAdd, node-name NodeName,
//     query-qmp-schema QueryQMPSchema.
//   - An enum value's constant is the type's name and the value's: RunStatePaused. A digit
//     that separates digits is kept apart: 2_5 of PCIELinkSpeed is PCIELinkSpeed2_5.
//   - An event is a type with the suffix Event, so that STOP does not meet stop: StopEvent. The
//     constant for its name has Event as a prefix: EventStop.
//   - A command whose argument is a type of the same Go name is one type with it
//     (BlockdevBackup). Where the name is taken by something else the command has the suffix
//     Command (GuestExecCommand, since GuestExec is what guest-exec returns). All else is named
//     before the commands, so that the order of a schema does not matter.
//   - A constant for a feature's path is FeatureOwnerFeature. Where that is taken its suffix is
//     Path.
//   - A struct's fields give way to its methods and are given the suffix Member.
//
// Any other two things that would have one name are an error: nobody is renamed unseen. Only in a
// schema with a server's names (qapi's ServerNames), which no rule of QAPI keeps apart, the later
// one has a number: the values a-b and a.b of Kind are KindAB and KindAB2.

// initialisms are the words that Go writes in one case. The list is closed: another entry
// would rename what programs use.
var initialisms = map[string]string{}

func init() {
	const list = `
		ACPI AES AIO API ASCII BIOS BPS CBC CLI CPU CPUs CPUID CRC32 CRC32C CXL DHCP DIMM DMA DNS
		EBPF ECB ECDSA FQDN FTP FTPS GPU GUID HMAC HMAT HMP HTTP HTTPS ID IDs IDE IO IOPS IP
		IPv4 IPv6 IRQ ISA ISCSI JSON KVM LBA LUKS LUN MAC MD5 MSI MTU NBD NFS NIC NMI NUMA
		NVDIMM NVMe OEM OOB OS PCI PCIE PID PNG PTY QAPI QEMU QMP QOM RAM RBD RDMA RNG ROM
		RSA RTC SASL SCSI SEV SGX SHA1 SHA224 SHA256 SHA384 SHA512 SMP SSH TCG TCP TDX TLS
		TPM TTL TTY UDP UI UID URI URL USB UTF8 UUID VCPU VCPUs VFIO VLAN VM VNC VSOCK XBZRLE XTS
		X509`
	for word := range strings.FieldsSeq(list) {
		initialisms[strings.ToLower(word)] = word
	}
}

// goName joins the words of a schema's name in Go's way.
func goName(name string) string {
	var b strings.Builder
	for _, word := range strings.FieldsFunc(name, isSeparator) {
		appendWord(&b, goWord(word))
	}
	return b.String()
}

func isSeparator(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) }

// appendWord adds a word to a name, which two numbers keep a separator in.
func appendWord(b *strings.Builder, word string) {
	if s := b.String(); s != "" && word != "" && isDigit(s[len(s)-1]) && isDigit(word[0]) {
		b.WriteByte('_')
	}
	b.WriteString(word)
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

func goWord(word string) string {
	lower := strings.ToLower(word)
	if s, ok := initialisms[lower]; ok {
		return s
	}
	if word == strings.ToUpper(word) {
		word = lower // an event's name, or a constant in C's manner
	}
	return strings.ToUpper(word[:1]) + word[1:]
}

// typeName is the Go name of a type. Only the types that the language makes implicitly, for
// the branches of simple unions, have names that are none in Go.
func typeName(d qapi.Definition) string {
	name := strings.TrimPrefix(d.Head().Name, "q_obj_")
	if strings.ContainsFunc(name, isSeparator) {
		words := strings.FieldsFunc(name, isSeparator)
		for i, w := range words {
			words[i] = strings.ToUpper(w[:1]) + w[1:]
		}
		return exported(strings.Join(words, ""))
	}
	return strings.ToUpper(name[:1]) + name[1:]
}

// constantName is the name of a value's constant. Only a server's name can be one without a letter
// or a digit.
func constantName(enum, value string) string {
	var b strings.Builder
	b.WriteString(enum)
	appendWord(&b, cmp.Or(goName(value), "Empty"))
	return b.String()
}

func commandName(c *qapi.Command) string { return exported(goName(c.Name)) }

func eventName(e *qapi.Event) string { return exported(goName(e.Name)) + "Event" }

// eventConstant is the name of the constant for an event's name.
func eventConstant(e *qapi.Event) string { return "Event" + exported(goName(e.Name)) }

// exported makes a Go name of one that begins with a digit: a vendor's prefix may, as in
// __3com.com_reset.
func exported(name string) string {
	if name == "" || isDigit(name[0]) {
		return "X" + name
	}
	return name
}

// The names of the files of a package that are no module's.
const (
	packageFileName = "package_gen.go"
	featureFileName = "features_gen.go"
)

// fileName is the name of the generated file for a module of the schema. The suffix keeps
// names such as misc_arm.go, which the go command would take for one architecture's, away, and
// a prefix those that it passes over and those that the package itself has.
func fileName(module string) string {
	base := strings.Map(func(r rune) rune {
		if isSeparator(r) {
			return '_'
		}
		return r
	}, strings.TrimSuffix(path.Base(module), ".json"))
	name := base + "_gen.go"
	switch {
	case name == packageFileName || name == featureFileName:
		return "module_" + name
	case strings.HasPrefix(name, "_"):
		return "module" + name
	}
	return name
}

// methodNames are those of generated types; a field may not have them.
var methodNames = map[string]bool{
	"Do": true, "MarshalJSON": true, "String": true, "EventName": true,
	"EncodeMembers": true, "EncodeValue": true, "DecodeMember": true, "DecodeValue": true,
	"DecodeBranch": true, "Discriminator": true,
}

// fieldName is the name of the field for a member or an alternative.
func fieldName(member string) string {
	name := exported(goName(member))
	if methodNames[name] {
		return name + "Member"
	}
	return name
}

// constants returns the names of an enum's constants, by value.
func (b *builder) constants(d *qapi.Enum) map[string]string {
	if b.constantsOf[d] == nil {
		name := typeName(d)
		b.constantsOf[d] = keepApart(b, d.Values, func(v *qapi.EnumValue) (string, string) {
			return v.Name, constantName(name, v.Name)
		})
	}
	return b.constantsOf[d]
}

// fieldNames returns the names of the fields for an object's members, by member.
func (b *builder) fieldNames(t qapi.ObjectType) map[string]string {
	return keepApart(b, t.AllMembers(), func(m *qapi.Member) (string, string) { return m.Name, fieldName(m.Name) })
}

// keepApart returns Go names by the schema's names. In a schema with a server's names, equal Go names
// get numbers.
func keepApart[T any](b *builder, all []T, name func(T) (wire, goName string)) map[string]string {
	scope, found := names{}, map[string]string{}
	for _, t := range all {
		wire, goName := name(t)
		if b.whole.ServerNames {
			goName = scope.free(goName, goName)
			scope[goName] = wire
		}
		found[wire] = goName
	}
	return found
}

// names is a scope in which each name is there once.
type names map[string]string

// take claims a name for something, described for the error.
func (n names) take(name, what string) error {
	if other, ok := n[name]; ok {
		return fmt.Errorf("%s and %s would both be %s in Go: qapigen has no rule for such names, report it",
			other, what, name)
	}
	n[name] = what
	return nil
}

// free returns the first of two candidates that nothing has claimed, or the second one with a
// number.
func (n names) free(first, second string) string {
	name := first
	for i := 1; ; i++ {
		if _, ok := n[name]; !ok {
			return name
		}
		name = second
		if i > 1 {
			name += strconv.Itoa(i)
		}
	}
}
