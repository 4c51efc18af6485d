package gogen

import (
	"cmp"
	"go/ast"
	"go/parser"
	"go/token"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/qapi"
)

// namedBuilder is a builder that has given all names of a schema.
func namedBuilder(t *testing.T, s *qapi.Schema) *builder {
	b := &builder{
		whole: s, schema: s, scope: names{}, commandArgs: commandArgs(s), claimed: map[qapi.Definition]bool{},
		commands: map[*qapi.Command]string{}, events: map[*qapi.Event]string{}, eventConstants: map[*qapi.Event]string{},
		constantsOf: map[*qapi.Enum]map[string]string{}, merged: map[string]*qapi.Command{},
	}
	require.NoError(t, b.claim())
	return b
}

// goNameOf is the Go name of a definition, and, after a dot, of its member, value or alternative. It is
// empty if the schema has none.
func (b *builder) goNameOf(name string) string {
	name, part, _ := strings.Cut(name, ".")
	d := b.whole.Lookup(name)
	switch {
	case d == nil:
		return ""
	case part != "":
		return strings.Trim(b.memberNames(d)[part], "[]")
	}
	link, _ := (&namer{b: b}).link(name)
	return strings.Trim(link, "[]")
}

// guesses are Go names that a programmer expects who knows Go and QEMU, but not qapigen.
var guesses = map[string]string{
	// types
	"CpuInfoFast": "CPUInfoFast", "NbdServerOptionsLegacy": "NBDServerOptionsLegacy", "BlockdevOptions": "BlockdevOptions",
	"BlockdevOptionsNbd": "BlockdevOptionsNBD", "BlockdevOptionsQcow2": "BlockdevOptionsQcow2",
	"BlockdevOptionsNVMe": "BlockdevOptionsNVMe", "BlockdevOptionsNvmeIoUring": "BlockdevOptionsNVMeIOUring",
	"BlockdevOptionsIscsi": "BlockdevOptionsISCSI", "BlockdevOptionsCurlHttps": "BlockdevOptionsCurlHTTPS",
	"ACPIOSTInfo": "ACPIOSTInfo", "ImageInfoSpecificQCow2": "ImageInfoSpecificQcow2", "KvmInfo": "KVMInfo",
	"QCryptoBlockInfoLUKS": "QCryptoBlockInfoLUKS", "PciBridgeInfo": "PCIBridgeInfo", "UuidInfo": "UUIDInfo",
	"IOThreadInfo": "IOThreadInfo", "IothreadProperties": "IOThreadProperties", "VncBasicInfo": "VNCBasicInfo",
	"TpmTypeOptions": "TPMTypeOptions", "SpiceInfo": "SPICEInfo", "PCIELinkSpeed": "PCIELinkSpeed",
	"VirtioMEMDeviceInfo": "VirtioMemDeviceInfo", "X86CPURegister32": "X86CPURegister32", "GuestIpAddress": "GuestIPAddress",
	"TlsCredsX509Properties": "TLSCredsX509Properties", "AddfdInfo": "AddFDInfo", "FdsetInfo": "FDSetInfo",
	"NetdevL2TPv3Options": "NetdevL2TPv3Options", "BlockDirtyBitmapSha256": "BlockDirtyBitmapSHA256",
	// types that a command's name is taken from
	"GuestExec": "GuestExecResult", "GuestFsfreezeStatus.thawed": "GuestFsfreezeStatusResultThawed",
	// members
	"CpuInfoFast.cpu-index": "CPUIndex", "BlockExportOptions.iothread": "IOThread", "NetdevTapOptions.vhostfds": "VhostFDs",
	"migrate-set-parameters.multifd-channels": "MultiFDChannels", "SocketAddress.type": "Type", "BlockDeviceInfo.ro": "RO",
	"BlockDeviceInfo.iops_rd": "IOPSRd", "SMPConfiguration.maxcpus": "MaxCPUs", "NetLegacyNicOptions.macaddr": "MACAddr",
	"ChardevSocket.tls-authz": "TLSAuthZ", "InetSocketAddress.ipv6": "IPv6", "guest-exec.input-data": "InputData",
	"GuestMemoryBlock.can-offline": "CanOffline", "MigrateSetParameters.tls-hostname": "TLSHostname",
	// alternatives
	"StrOrNull.s": "S", "BlockdevRef.definition": "Definition",
	// values
	"DisplayProtocol.spice": "DisplayProtocolSPICE", "BlockdevDriver.vmdk": "BlockdevDriverVMDK",
	"BlockdevDriver.io_uring": "BlockdevDriverIOUring", "BlockdevDriver.qcow2": "BlockdevDriverQcow2",
	"SocketAddressType.vsock": "SocketAddressTypeVsock", "NetClientDriver.hubport": "NetClientDriverHubPort",
	"RunState.io-error": "RunStateIOError", "QCryptoHashAlgo.sha256": "QCryptoHashAlgoSHA256",
	"QCryptoCipherAlgo.aes-256": "QCryptoCipherAlgoAES256", "PCIELinkSpeed.2_5": "PCIELinkSpeed2_5",
	"BlockdevOnError.enospc": "BlockdevOnErrorENOSPC", "X86CPURegister32.EAX": "X86CPURegister32EAX",
	"ObjectType.memory-backend-ram": "ObjectTypeMemoryBackendRAM", "ObjectType.iothread": "ObjectTypeIOThread",
	"GuestPanicInformationType.hyper-v": "GuestPanicInformationTypeHyperV", "SysEmuTarget.x86_64": "SysEmuTargetX86_64",
	"BlockdevVmdkSubformat.twoGbMaxExtentFlat": "BlockdevVMDKSubformatTwoGBMaxExtentFlat",
	// commands
	"query-cpus-fast": "QueryCPUsFast", "device_add": "DeviceAdd", "nbd-server-start": "NBDServerStart",
	"query-iothreads": "QueryIOThreads", "getfd": "GetFD", "query-fdsets": "QueryFDSets", "query-qmp-schema": "QueryQMPSchema",
	"query-blockstats": "QueryBlockStats", "x-colo-lost-heartbeat": "XCOLOLostHeartbeat", "guest-exec": "GuestExec",
	"guest-get-osinfo": "GuestGetOSInfo", "guest-ssh-get-authorized-keys": "GuestSSHGetAuthorizedKeys",
	"blockdev-backup": "BlockdevBackup", "query-spice": "QuerySPICE", "guest-get-vcpus": "GuestGetVCPUs",
	// events
	"ACPI_DEVICE_OST": "ACPIDeviceOSTEvent", "DEVICE_DELETED": "DeviceDeletedEvent", "VNC_CONNECTED": "VNCConnectedEvent",
	"SPICE_MIGRATE_COMPLETED": "SPICEMigrateCompletedEvent", "BLOCK_IO_ERROR": "BlockIOErrorEvent", "COLO_EXIT": "COLOExitEvent",
}

// TestGuesses: whoever guesses a name is right, in each schema that has it.
func TestGuesses(t *testing.T) {
	found := map[string]bool{}
	for _, v := range versions(t) {
		for _, s := range v.schemas {
			b := namedBuilder(t, s)
			for name, guess := range guesses {
				if got := b.goNameOf(name); got != "" {
					require.Equal(t, guess, got, "%s (QEMU %s)", name, v.name)
					found[name] = true
				}
			}
		}
	}
	for name := range guesses {
		require.True(t, found[name], "no schema has %s", name)
	}
}

// schemaNames yields all names of a schema: of definitions, members, values, alternatives and features.
func schemaNames(s *qapi.Schema, yield func(name string)) {
	features := func(all []*qapi.Feature) {
		for _, f := range all {
			yield(f.Name)
		}
	}
	for _, d := range s.Definitions {
		yield(d.Head().Name)
		features(d.Head().Features)
		switch d := d.(type) {
		case *qapi.Enum:
			for _, v := range d.Values {
				yield(v.Name)
				features(v.Features)
			}
		case *qapi.Alternate:
			for _, a := range d.Alternatives {
				yield(a.Name)
			}
		}
		if o := objectOf(d); o != nil {
			for _, m := range o.AllMembers() {
				yield(m.Name)
				features(m.Features)
			}
		}
	}
}

// TestExceptions: each row is for a name that a schema has, and changes what the rules make of it.
func TestExceptions(t *testing.T) {
	used := map[string]bool{}
	for _, v := range versions(t) {
		for _, s := range v.schemas {
			schemaNames(s, func(name string) { used[name] = true })
		}
	}
	for _, row := range exceptions {
		require.True(t, used[row.name], "no schema has %s: remove the row", row.name)
		require.NotEqual(t, joinWords(row.name), row.goName, "the rules do the same: remove the row")
		require.NotEmpty(t, row.reason)
	}
}

// TestSpellings: the lists are sorted, and no word is in them twice.
func TestSpellings(t *testing.T) {
	byFold := func(a, b string) int { return cmp.Compare(strings.ToLower(a), strings.ToLower(b)) }
	together, twoWays, ok := strings.Cut(strings.TrimSpace(runTogether), "\n\tMem ")
	require.True(t, ok)
	n := 0
	for _, list := range []string{initialisms, together, "Mem " + twoWays} {
		words := strings.Fields(list)
		require.True(t, slices.IsSortedFunc(words, byFold), "%s", words)
		n += len(words)
	}
	require.Len(t, spellings, n)
}

// oneWord are words of the schema that are two words in one of its types, and stay as they are.
var oneWord = map[string]string{
	"hostname": "is one word in Go (os.Hostname), whatever GuestHostName says",
}

// TestOneSpelling: a word of the schemas has one spelling in names of all kinds, and is nowhere written
// as two.
func TestOneSpelling(t *testing.T) {
	spelled, pairs := map[string]string{}, map[string]string{}
	for _, v := range versions(t) {
		for _, s := range v.schemas {
			schemaNames(s, func(name string) {
				if slices.ContainsFunc(exceptions, func(row struct{ name, goName, reason string }) bool { return row.name == name }) {
					return
				}
				if name == strings.ToUpper(name) {
					name = strings.ToLower(name)
				}
				for _, part := range strings.FieldsFunc(name, isSeparator) {
					before := ""
					for part != "" {
						var word string
						word, part = cutWord(part)
						lower := strings.ToLower(word)
						if other, ok := spelled[lower]; ok {
							require.Equal(t, other, goWord(word), "%s in %s (QEMU %s): add the word to a list", word, name, v.name)
						}
						spelled[lower] = goWord(word)
						if before != "" {
							pairs[before+lower] = name
						}
						before = lower
					}
				}
			})
		}
	}
	for word, name := range pairs {
		if _, ok := spelled[word]; ok && oneWord[word] == "" {
			t.Errorf("%s is one word elsewhere, and two in %s: add it to runTogether", word, name)
		}
	}
	for word := range oneWord {
		require.NotEmpty(t, pairs[word], "no schema has %s as two words", word)
	}
}

// TestNoInitialismInWrongCase looks for one, such as Cpu, in every exported name that is generated.
func TestNoInitialismInWrongCase(t *testing.T) {
	var wrong []string
	for word := range strings.FieldsSeq(initialisms) {
		if title := strings.ToUpper(word[:1]) + strings.ToLower(word[1:]); title != word {
			wrong = append(wrong, title)
		}
	}
	pattern := regexp.MustCompile(`(` + strings.Join(wrong, "|") + `)([A-Z0-9]|$)`)
	var right []string // what looks wrong and is not, such as the Os of IOs
	for _, row := range exceptions {
		right = append(right, row.goName)
	}
	for _, word := range spellings {
		if pattern.MatchString(word) {
			right = append(right, word)
		}
	}
	seen := 0
	for _, v := range versions(t) {
		for _, s := range v.schemas {
			files, err := Generate(s, Options{Package: "p"})
			require.NoError(t, err)
			for _, file := range files {
				for _, id := range exportedNames(t, file) {
					seen++
					rest := id
					for _, word := range right {
						rest = strings.ReplaceAll(rest, word, "")
					}
					if found := pattern.FindString(rest); found != "" {
						t.Errorf("%s has %s in it (QEMU %s)", id, found, v.name)
					}
				}
			}
		}
	}
	require.Greater(t, seen, 10_000)
}

// exportedNames are those of types, constants, fields and methods that a file declares.
func exportedNames(t *testing.T, file []byte) []string {
	f, err := parser.ParseFile(token.NewFileSet(), "x.go", file, parser.SkipObjectResolution)
	require.NoError(t, err)
	var all []string
	add := func(ids ...*ast.Ident) {
		for _, id := range ids {
			if id.IsExported() {
				all = append(all, id.Name)
			}
		}
	}
	ast.Inspect(f, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.TypeSpec:
			add(n.Name)
		case *ast.ValueSpec:
			add(n.Names...)
		case *ast.Field:
			add(n.Names...)
		}
		return true
	})
	return all
}

// TestResultInEveryBuild: a type has the suffix Result also in a build that has no such command.
func TestResultInEveryBuild(t *testing.T) {
	s := loadText(t, `
{ 'struct': 'GoFar', 'data': { 'miles': 'int' } }
{ 'command': 'go-far', 'returns': 'GoFar', 'if': 'CONFIG_FAR' }
{ 'command': 'query-far', 'returns': 'GoFar' }
`)
	files, err := Generate(s, Options{Package: "p", Selection: Selection{Undefine: []string{"CONFIG_FAR"}}})
	require.NoError(t, err)
	require.Contains(t, string(files["s_gen.go"]), "(GoFarResult, error)")
}

// TestServersNames: a server's commands that would have one name are numbered, and a type with the name
// of a command has the suffix as elsewhere.
func TestServersNames(t *testing.T) {
	b := namedBuilder(t, loadText(t, `
{ 'pragma': { 'server-names': true } }
{ 'struct': 'GoFar', 'data': { 'miles': 'int', 'mi-les': 'int', 'mi.les': 'int' } }
{ 'enum': 'GoOn', 'data': [ 'b-c', 'b.c' ] }
{ 'command': 'go-far', 'returns': 'GoFar' }
{ 'command': 'go.far' }
{ 'command': 'go_on', 'data': { 'mode': 'GoOn' } }
`))
	for name, want := range map[string]string{
		"go-far": "GoFar", "go.far": "", "GoFar": "GoFarResult", "GoFar.mi-les": "MiLes",
		"go_on": "GoOn", "GoOn.b-c": "GoOnResultBC",
	} {
		require.Equal(t, want, b.goNameOf(name), name)
	}
	require.Equal(t, "GoFar2", b.commands[b.whole.Lookup("go.far").(*qapi.Command)])
	require.Equal(t, "GoOnResultBC2", b.constants(b.whole.Lookup("GoOn").(*qapi.Enum))["b.c"])
}

func loadText(t *testing.T, text string) *qapi.Schema {
	s, err := qapi.LoadFS(fstest.MapFS{"s.json": {Data: []byte(text)}}, "s.json", nil)
	require.NoError(t, err)
	return s
}
