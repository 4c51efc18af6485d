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
//   - A name of the schema is split into words, at separators and at capitals, and the words are
//     joined in Go's way: device_add is DeviceAdd, node-name NodeName, CpuInfoFast CPUInfoFast. This
//     holds for types, members, alternatives, enum values, commands, events and features alike.
//   - A word of the lists below is written as it stands there: CPU, NVMe, IOThread. A word that
//     the schema runs together stays one word (Hostname, Blockdev), unless there is an initialism in
//     it (macaddr is MACAddr) or a type of the schema writes it with a capital inside (BlockStats).
//   - An enum value's constant is the type's name and the value's: RunStatePaused. A digit
//     that separates digits is kept apart: 2_5 of PCIELinkSpeed is PCIELinkSpeed2_5.
//   - An event is a type with the suffix Event, so that STOP does not meet stop: StopEvent. The
//     constant for its name has Event as a prefix: EventStop.
//   - A command keeps its name. A type of the same Go name is one type with the command if it is the
//     command's argument (BlockdevBackup). Otherwise the type takes the suffix Result, whatever it is
//     used for: the command guest-exec is GuestExec, and the struct GuestExec, which it returns, is
//     GuestExecResult. In QEMU's schemas all such types are results. The rule looks at the commands of
//     the whole schema, so a name depends neither on the order of the definitions nor on what is
//     selected.
//   - A constant for a feature's path is FeatureOwnerFeature.
//   - A struct's fields give way to its methods and are given the suffix Member.
//
// Any other two things that would have one name are an error, until one of them has a row in the
// table exceptions. Only in a schema with a server's names (qapi's ServerNames), which no rule of
// QAPI keeps apart, the later one has a number: the values a-b and a.b of Kind are KindAB and
// KindAB2. Package unmask keeps the names of types in such a schema apart.

// initialisms are the words that Go writes in capitals, and words that people write with capitals inside
// (NVMe). A short form of one word (rx, mem, dev) is not here, and neither is a name
// that people write small (qcow2, virtio, vsock).
//
// The list is closed: another word in it renames what programs use.
const initialisms = `
	3DES AArch AC ACPI AEAD AES AF AIO ALSA API ARM ASCII ASL ATA AVR BAR BE BIOS BPS CAN CAST5 CBC
	CBW CCW CDROM CID CLI CME COLO COR COW CP437 CPER CPI CPR CPU CPUID CPUs CRB CRC CRC32C CRIS
	CSSID CTR CVME CXL DES DH DHCP DHCPv6 DIMM DMA DMG DNS DPA DRAM DSP EAX EBP EBPF EBX ECB ECC
	ECDSA ECX EDI EDX EGD EGL ELF ENOSPC EOF EPC ES ESI ESP ESSIV ESX FAT FD FDC FDs FIFO FLC FMW
	FQDN FTP FTPS FUSE GB GHES GIC GID GL GPA GPU GTK GUID HMAC HMAT HMP HPPA HTTP HTTPS HV HVF HW
	ICMP ID IDE IDs IEEE IGVM IO IOMMUFD IOPS IOs IOV IP IPI IPv4 IPv6 IRQ IRTT ISA ISCSI ISER ISR
	IV JACK JIT JSON KP KVM L2TPv3 LB LBA LD LF LKCF LM32 LoongArch LUKS LUN LZO MAC MD5 MIPS MIPSel
	MMC MPTCP MSHV MSI MTT MTU NAT NBD NDP NFS NIC NIP NMI NPC NUMA NVDIMM NVMe NVMM OEM OOB OR1K OS
	OSPM OSS OST P2P PA PAM PC PCI PCIE PDH PEF PID PIRQ PKCS PLDM PMEM PNG PPC PPM PR PSK PSW PTY
	PV QAPI QATzip QED QEMU QGA QMP QOM QPL RA RAID RAM RBD RDMA RFB RIPEMD160 RISCV RMW RNG RO ROM
	ROMs RSA RSS RTC RW SAS SASL SATA SCLP SCSI SD SDL SEPT SEV SGX SH4 SH4eb SHA SKB SM3 SM4 SMART
	SMB SMBIOS SMP SNP SP SPAPR SPARC SPICE SSA SSH SSID SVQ SYN TCG TCP TDX TFTP TIS TLS TN3270 TOS
	TPM TTL TTY UADK UDP UEFI UI UID UML URI URL USB UTF UUID VC VCEK VCPU VCPUs VDE VDI VDPA VDUSE
	VE VFIO VFU VHDX VIRQ VLAN VM VMDK VNC VPC VQ VQs VVFAT WAV WHPX XBZRLE XDP XTS`

// runTogether are the words that the schema runs together and Go does not. The last line has the words
// that the schema writes in two ways and Go in one.
const runTogether = `
	AddFD AkCipher AuthZ BlockStats CANBus CloseFD CPUStats DBus DevID DHCPStart DiskStats DNSSearch
	DumpDTB FDName FDSet FDSets FSInfo GetFD HubID HubPort HWVersion IOThread IOThreads IOType
	IOWait IVGen KeyID ListFile MACAddr MaxCPUs MRConfigID MROwner MROwnerConfig MultiFD NoCOW
	NodeID NVQs OSInfo PasswordID PVShutdown RAMBlock ReadOnly SaveVM SMBServer SocketCAN SoftIRQ
	SPICEPort SPICEVMC SSLVerify VDAgent VhostFD VhostFDs VMExit VMState
	Mem Netdev Netfilter Qcow Virtio`

// spellings are both lists, by the words in small letters.
var spellings = func() map[string]string {
	all := map[string]string{}
	for word := range strings.FieldsSeq(initialisms + runTogether) {
		all[strings.ToLower(word)] = word
	}
	return all
}()

// exceptions are the names of the schema to which the rules give a wrong Go name, or a name that is taken.
var exceptions = []struct{ name, goName, reason string }{
	{"can-offline", "CanOffline", "can is the verb here and the bus elsewhere"},
	{"CpuS390State", "CPUS390State", "the capital is not that of CPUs"},
	{"CxlCorErrorType", "CXLCorErrorType", "cor is correctable here and copy-on-read elsewhere"},
}

// goName returns the Go form of a name in the schema.
func goName(name string) string {
	for _, e := range exceptions {
		if e.name == name {
			return e.goName
		}
	}
	return joinWords(name)
}

func joinWords(name string) string {
	if name == strings.ToUpper(name) {
		name = strings.ToLower(name) // an event's name, or a constant in C's manner
	}
	var b strings.Builder
	for _, part := range strings.FieldsFunc(name, isSeparator) {
		for part != "" {
			word, rest := cutWord(part)
			appendWord(&b, goWord(word))
			part = rest
		}
	}
	return b.String()
}

func isSeparator(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) }

// cutWord cuts the first word off a part of a name without separators. That is the longest word with
// a spelling that ends before a capital. If there is none, the capitals mark it: QCryptoKey is Q,
// Crypto and Key.
func cutWord(part string) (word, rest string) {
	for end := len(part); end > 0; end-- {
		if end < len(part) && !isUpper(part[end]) {
			continue
		}
		if _, ok := spelling(part[:end]); ok {
			return part[:end], part[end:]
		}
	}
	for end := 1; end < len(part); end++ {
		if isUpper(part[end]) && (!isUpper(part[end-1]) || end+1 < len(part) && !isUpper(part[end+1])) {
			return part[:end], part[end:]
		}
	}
	return part, ""
}

// spelling returns a word as spellings has it, also if a number follows.
func spelling(word string) (string, bool) {
	lower := strings.ToLower(word)
	if s, ok := spellings[lower]; ok {
		return s, true
	}
	number := strings.IndexFunc(word, unicode.IsDigit)
	if number < 1 || strings.ContainsFunc(word[number:], unicode.IsUpper) {
		return "", false
	}
	s, ok := spellings[lower[:number]]
	return s + word[number:], ok
}

func goWord(word string) string {
	if s, ok := spelling(word); ok {
		return s
	}
	return strings.ToUpper(word[:1]) + word[1:]
}

// appendWord adds a word to a name. Between two numbers it adds a separator.
func appendWord(b *strings.Builder, word string) {
	if s := b.String(); s != "" && word != "" && isDigit(s[len(s)-1]) && isDigit(word[0]) {
		b.WriteByte('_')
	}
	b.WriteString(word)
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

func isUpper(c byte) bool { return 'A' <= c && c <= 'Z' }

// plainTypeName returns the Go name of a type by its name in the schema, or by the name that QEMU makes for
// the branches of a simple union.
func plainTypeName(name string) string { return exported(goName(strings.TrimPrefix(name, "q_obj_"))) }

// commandArgs returns the Go names of a schema's commands, each with the name of the arguments' type that
// has the same Go name, or "".
func commandArgs(schema *qapi.Schema) map[string]string {
	args := map[string]string{}
	for _, c := range schema.Commands() {
		name := commandName(c)
		if _, taken := args[name]; taken {
			continue
		}
		args[name] = ""
		if hasNamedArg(c) && plainTypeName(c.Arg.Head().Name) == name && !c.NoGen {
			args[name] = c.Arg.Head().Name
		}
	}
	return args
}

// typeName returns the Go name of a type.
func (b *builder) typeName(d qapi.Definition) string {
	name := plainTypeName(d.Head().Name)
	if arg, taken := b.commandArgs[name]; taken && arg != d.Head().Name {
		return name + "Result"
	}
	return name
}

// constantName returns the name of a value's constant. Only the answer of a server can have values without
// a letter or a digit.
func constantName(enum, value string) string {
	var b strings.Builder
	b.WriteString(enum)
	appendWord(&b, cmp.Or(goName(value), "Empty"))
	return b.String()
}

func commandName(c *qapi.Command) string { return exported(goName(c.Name)) }

func eventName(e *qapi.Event) string { return exported(goName(e.Name)) + "Event" }

// eventConstant returns the name of the constant for an event's name.
func eventConstant(e *qapi.Event) string { return "Event" + exported(goName(e.Name)) }

// exported returns a Go name for a name that can begin with a digit, as with the vendor's prefix in
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

// fileName returns the name of the generated file for a module of the schema. A suffix avoids names such as
// misc_arm.go, which the go command builds on one architecture only. A prefix avoids names that the go
// command ignores, and the names of the package's own files.
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

// methodNames are the names of methods of generated types. A field cannot have such a name.
var methodNames = map[string]bool{
	"Do": true, "MarshalJSON": true, "UnmarshalJSON": true, "String": true, "EventName": true,
	"EncodeMembers": true, "EncodeValue": true, "DecodeMember": true, "DecodeValue": true,
	"MarshalMembers": true, "UnmarshalMember": true, "UnmarshalBranch": true,
	"DecodeBranch": true, "Discriminator": true,
}

// fieldName returns the name of the field for a member or an alternative.
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
		name := b.typeName(d)
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

// Names returns the Go names in a package for the whole schema, by paths from a definition:
//
//	device_add                              DeviceAdd
//	BlockdevOptionsFile/aio                 AIO, a field
//	BlockdevOptions/+file                   BlockdevOptionsFile, the type of the branch
//	BlockdevAioOptions/^io_uring            BlockdevAioOptionsIOUring
//	device_add/$json-cli-hotplug            FeatureDeviceAddJSONCLIHotplug
//
// The path of a feature is the value of its constant. If arguments have no named type, they are members of the type that
// QEMU makes for them; in a path, this type has the name of the command or the event.
func Names(schema *qapi.Schema) (map[string]string, error) {
	b, err := build(schema, schema, schema, Options{})
	if err != nil {
		return nil, err
	}
	found := map[string]string{}
	for _, d := range schema.Definitions {
		b.namesOf(found, d)
	}
	for _, f := range b.pkg.features {
		found[f.path] = f.name
	}
	return found, nil
}

// namesOf adds the names of a definition and of its parts.
func (b *builder) namesOf(found map[string]string, d qapi.Definition) {
	name := d.Head().Name
	switch d := d.(type) {
	case *qapi.Command:
		found[name] = b.commands[d]
		b.namesOfArguments(found, d.Arg, found[name])
		return
	case *qapi.Event:
		found[name] = b.events[d]
		b.namesOfArguments(found, d.Arg, found[name])
		return
	case *qapi.Enum:
		for value, constant := range b.constants(d) {
			found[name+"/^"+value] = constant
		}
	case *qapi.Alternate:
		for _, a := range d.Alternatives {
			found[name+"/|"+a.Name] = fieldName(a.Name)
		}
	case *qapi.Union:
		for _, br := range d.Branches {
			if br.Type != nil && b.vanishes(br.Type) {
				found[name+"/+"+br.Value] = b.dataName(d, br, dataMember(br.Type).Type)
			} else if br.Type != nil {
				found[name+"/+"+br.Value] = b.typeName(br.Type)
			}
		}
	}
	if b.vanishes(d) {
		return
	}
	found[name] = b.typeName(d)
	if t, ok := d.(qapi.ObjectType); ok {
		b.namesOfMembers(found, t)
	}
}

// namesOfArguments adds the names of arguments without a named type.
func (b *builder) namesOfArguments(found map[string]string, t qapi.ObjectType, owner string) {
	if t != nil && t.Head().Implicit {
		found[t.Head().Name] = owner
		b.namesOfMembers(found, t)
	}
}

func (b *builder) namesOfMembers(found map[string]string, t qapi.ObjectType) {
	for member, field := range b.fieldNames(t) {
		found[t.Head().Name+"/"+member] = field
	}
}

// keepApart returns Go names by the schema's names. If the names come from the answer of a server, equal Go
// names get numbers.
func keepApart[T any](b *builder, all []T, name func(T) (wire, goName string)) map[string]string {
	scope, found := names{}, map[string]string{}
	for _, t := range all {
		wire, goName := name(t)
		if b.whole.ServerNames {
			goName = scope.free(goName)
			scope[goName] = wire
		}
		found[wire] = goName
	}
	return found
}

// names is a scope: each name occurs once.
type names map[string]string

// take claims a name. what describes its use in the error.
func (n names) take(name, what string) error {
	if other, ok := n[name]; ok {
		return fmt.Errorf("%s and %s would both be %s in Go: qapigen has no rule for such names, report it",
			other, what, name)
	}
	n[name] = what
	return nil
}

// free returns the first of the candidates that nothing has claimed, or the last one with a number.
func (n names) free(candidates ...string) string {
	for _, name := range candidates {
		if _, taken := n[name]; !taken {
			return name
		}
	}
	last := candidates[len(candidates)-1]
	for i := 2; ; i++ {
		name := last + strconv.Itoa(i)
		if _, taken := n[name]; !taken {
			return name
		}
	}
}
