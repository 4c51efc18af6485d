package archtest

// room is a row of the table: a package, and what it may import besides the standard library.
type room struct {
	path    string   // below the module's
	rooms   []string // those of this module, from rows above
	modules []string // those of others

	top     bool // a program that nothing imports: may import every room
	library bool // imported by users: to be in order on every platform
	lean    bool // linked into every user's program: see heavy
	why     string
}

// Third-party modules that packages, other than their tests, may import.
const (
	sys      = "golang.org/x/sys"
	sync     = "golang.org/x/sync"
	jennifer = "github.com/dave/jennifer"
	cobra    = "github.com/spf13/cobra"
	pflag    = "github.com/spf13/pflag"
	pretty   = "github.com/jedib0t/go-pretty/v6"
	gojq     = "github.com/itchyny/gojq"
	xterm    = "golang.org/x/term"
	tools    = "golang.org/x/tools"

	// For what serves tests only.
	testify  = "github.com/stretchr/testify"
	jsontext = "github.com/go-json-experiment/json"
	txtar    = "github.com/rogpeppe/go-internal"
)

// rooms is the table, in dependency order: imports point up only.
var rooms = []room{
	{path: "qmp/wire", library: true, lean: true,
		why: "the codec of generated code: strict decoding, append-style encoding"},
	{path: "qmp/introspect", rooms: []string{"qmp/wire"}, library: true, lean: true,
		why: "the schema that a server sends; it does not link the parser of schema files"},
	{path: "internal/wait", library: true, lean: true,
		why: "helps functions that stop waiting when a context ends: a mutex, locks with names, an answer asked for once, a context for cleaning up"},
	{path: "internal/fdconn", library: true, lean: true,
		why: "reads and writes sockets on which descriptors pass"},
	{path: "qmp", rooms: []string{"qmp/wire", "internal/wait"}, library: true, lean: true,
		why: "the protocol client"},
	{path: "internal/libvirt", library: true, lean: true,
		why: "messages of libvirt's remote protocol, for both sides"},
	{path: "qmp/qmplibvirt", rooms: []string{"qmp/wire", "internal/wait", "internal/fdconn", "qmp", "internal/libvirt"}, library: true, lean: true,
		why: "commands and events of machines that a libvirt daemon runs"},
	{path: "qmp/qmplibvirt/sasl", rooms: []string{"qmp/qmplibvirt"}, library: true,
		why: "logs in to libvirt daemons by a user's name and password; separate, since cryptography makes programs larger"},
	{path: "qmp/qmptls", rooms: []string{"qmp"}, library: true,
		why: "TLS; separate, since crypto/tls makes programs larger"},
	{path: "qmp/generated/qemu", rooms: []string{"qmp", "qmp/wire"}, library: true, lean: true,
		why: "QEMU's commands, events and types"},
	{path: "qmp/generated/storage", rooms: []string{"qmp", "qmp/wire"}, library: true, lean: true,
		why: "commands, events and types of qemu-storage-daemon"},
	{path: "qmp/generated/guest", rooms: []string{"qmp", "qmp/wire"}, library: true, lean: true,
		why: "commands, events and types of the guest agent"},
	{path: "qmp/qmpfd", rooms: []string{"internal/wait", "qmp", "qmp/generated/qemu"}, library: true, lean: true,
		why: "gives QEMU open files; separate, since qmp may not import generated code"},

	{path: "internal/syntax", library: true,
		why: "parses the text of a schema file into a tree with positions; no I/O"},
	{path: "qmp/qmptest", rooms: []string{"internal/wait", "internal/fdconn", "qmp", "qmp/wire", "qmp/introspect"}, library: true,
		why: "a QMP server for tests, which checks requests by a schema"},
	{path: "qmp/qmpschema", rooms: []string{"internal/wait", "qmp", "qmp/wire", "qmp/introspect"}, library: true,
		why: "asks a server for its schema, once for each connection, and compares requests with it"},
	{path: "qom", rooms: []string{"internal/wait", "qmp", "qmp/generated/qemu"}, library: true,
		why: "reads and sets the properties of QEMU's objects"},
	{path: "launch", rooms: []string{"internal/wait", "internal/fdconn", "qmp", "qmp/generated/qemu", "qmp/qmpfd"}, library: true,
		why: "starts QEMU, watches it and ends it; typed command lines"},
	{path: "job", rooms: []string{"internal/wait", "qmp", "qmp/generated/qemu"}, library: true,
		why: "runs QEMU's jobs to their ends"},
	{path: "hotplug", rooms: []string{"internal/wait", "qmp", "qmp/generated/qemu", "qmp/qmpfd", "qmp/qmpschema", "qom", "job", "launch"}, library: true,
		why: "adds and removes devices of a running QEMU"},
	{path: "machine", rooms: []string{"internal/wait", "qmp", "qmp/generated/qemu", "qmp/qmpfd"}, library: true,
		why: "does what takes more than one command on a whole machine: pictures, dumps, HMP, display sessions"},
	{path: "migration", rooms: []string{"internal/wait", "qmp", "qmp/generated/qemu", "qmp/qmpfd", "qmp/qmpschema"}, library: true,
		why: "moves a running machine to another QEMU"},
	{path: "block", rooms: []string{"internal/wait", "qmp", "qmp/generated/qemu", "qmp/qmpfd", "qmp/qmpschema", "qom", "job", "hotplug", "migration"}, library: true,
		why: "works on the storage of a running machine: moves, snapshots, backups; migration with disks"},
	{path: "guestagent", rooms: []string{"internal/wait", "qmp", "qmp/generated/guest", "qmp/generated/qemu"}, library: true,
		why: "works in a guest through its agent: programs, files, freezes, shutdowns"},
	{path: "internal/operate",
		rooms: []string{"qmp", "qmp/generated/guest", "qmp/generated/qemu", "qom", "job", "hotplug", "machine", "migration", "block", "guestagent"},
		why:   "the operations of the shell: arguments of the hand-written rooms as words, dry runs"},
	{path: "qapi", rooms: []string{"internal/syntax", "qmp/introspect"}, library: true,
		why: "the schema model: loading, checks, conditions, the server's view"},
	{path: "internal/diff", rooms: []string{"qmp/introspect"}, library: true,
		why: "lists the changes from one schema to another, as a client sees them"},
	{path: "internal/unmask", rooms: []string{"qapi", "internal/syntax", "qmp/introspect"}, library: true,
		why: "gives a server's schema the names of types of another version, and writes it as a source"},
	{path: "qapi/facts", rooms: []string{"qapi", "internal/syntax", "qmp/introspect"}, library: true,
		why: "says which QEMU added and removed each thing, from the schemas of several versions"},
	{path: "testdata/schema", library: true,
		why: "snapshots of QEMU's schemas, embedded"},

	{path: "internal/rst",
		why: "reads the markup of QEMU's documentation, for comments"},
	{path: "internal/gogen", rooms: []string{"qapi", "qapi/facts", "internal/rst", "qmp/introspect"}, modules: []string{jennifer},
		why: "generates Go files from a schema"},
	{path: "internal/page", rooms: []string{"internal/gogen", "qapi", "qapi/facts"},
		why: "writes the facts as a page for a browser"},
	{path: "gen/vet", rooms: []string{"qapi/facts", "qmp/introspect"}, modules: []string{tools},
		why: "an analyzer that finds uses of things that a QEMU in a range lacks"},
	{path: "internal/address", rooms: []string{"qmp", "qmp/qmplibvirt", "qmp/qmplibvirt/sasl"},
		why: "the addresses of servers on the command lines of programs: reads them, connects, gives advice"},
	{path: "gen/qapigen", modules: []string{cobra, pflag, tools},
		rooms: []string{"internal/address", "internal/gogen", "internal/page", "gen/vet", "qapi", "internal/syntax", "qmp/introspect", "internal/diff", "internal/unmask", "qapi/facts", "qmp", "qmp/qmpschema", "testdata/schema"},
		why:   "the command qapigen: flags and subcommands; print needs only the syntax, generate takes names of types from the snapshots"},
	{path: "internal/cmdline", rooms: []string{"qmp/wire", "qmp", "qmp/introspect", "qapi/facts"},
		why: "reads, completes and explains commands as people type them, by the schema of the server"},
	{path: "internal/show", rooms: []string{"qmp"}, modules: []string{pretty, gojq},
		why: "prints results and events for people: tables, text, units, colours; jq programs"},
	{path: "internal/picture", rooms: []string{"qmp", "qmp/generated/qemu", "qom", "hotplug", "block", "internal/show"},
		why: "draws PCI buses, storage, network and objects of a machine as text, DOT and SVG"},

	{path: "docs",
		why: "the pages, and tests that compile and run the code in them"},
	{path: "internal/archtest",
		why: "tests of this table"},
	{path: "internal/testsummary",
		why: "runs go test and prints a summary"},
	{path: "internal/conformance", rooms: []string{"qapi"},
		why: "runs the checker on QEMU's own test suite"},
	{path: "internal/talk", rooms: []string{"internal/fdconn", "qmp", "qmp/introspect", "qmp/qmptest", "qapi/facts", "testdata/schema"},
		why: "conversations in files: records, prints and explains them, and plays them again"},
	{path: "internal/schematest", rooms: []string{"qapi", "qmp/introspect", "qmp", "qmp/qmptest", "qmp/wire", "testdata/schema"}, modules: []string{testify, jsontext},
		why: "checks a generated package against its schema with random values"},
	{path: "internal/golden", modules: []string{testify, txtar},
		why: "golden files for tests: txtar archives, written anew by -update"},
	{path: "internal/qemutest", rooms: []string{"qmp", "launch"},
		why: "real QEMUs and guests for tests"},
	{path: "internal/libvirttest", rooms: []string{"internal/libvirt", "internal/qemutest"},
		why: "real libvirt daemons with machines for tests"},
	{path: "internal/fakeqemu", rooms: []string{"qmp", "qmp/qmptest", "qmp/generated/qemu"},
		why: "a fake QEMU that keeps track of devices and nodes, for tests and the demo"},
	{path: "internal/update", rooms: []string{"qapi", "qapi/facts", "qmp/introspect", "internal/diff"},
		why: "make update: snapshot, bindings and changelog for another QEMU; runs qapigen"},
	{path: "cmd/qmpsh", top: true, modules: []string{cobra, pflag, xterm, sys},
		why: "the shell: sessions, scripts, the line editor, events; thin, since the rooms do the work"},
	{path: "examples/demo", top: true,
		why: "the program that make demo runs"},
	{path: "examples/backup", top: true,
		why: "a command that backs up the disks of a machine"},
	{path: "examples/hotplug", top: true, modules: []string{sys},
		why: "a command for the operations of hotplug; x/sys opens taps"},
	{path: "examples/fleet", top: true,
		why: "a live table of the machines of several libvirt hosts"},
	{path: "internal/bench", top: true, modules: []string{sync},
		why: "measures generating, building, linking, decoding and the client"},
}

// heavy are packages that a lean room links not even indirectly: each makes a program that uses
// the client bigger, by 36 KB (net/url) to 1 MB (crypto/tls), whether it needs them or not.
var heavy = []string{"crypto/tls", "encoding/json", "fmt", "log/slog", "net/url", "os/exec"}

// platforms are those that the library is for.
var platforms = []platform{
	{"linux", "amd64"},
	{"linux", "arm64"},
	{"linux", "386"},
	{"linux", "s390x"}, // the other byte order
	{"darwin", "arm64"},
	{"freebsd", "amd64"},
	{"windows", "amd64"},
}
