package qapi_test

import (
	"fmt"
	"log"
	"testing/fstest"

	"github.com/qmpkit/qmpkit/qapi"
	"github.com/qmpkit/qmpkit/qmp/introspect"
	"github.com/qmpkit/qmpkit/testdata/schema"
)

// Load a schema and walk its commands.
func Example() {
	s, err := qapi.LoadFS(schema.FS, "10.2/qga/qapi-schema.json", nil)
	if err != nil {
		log.Fatal(err)
	}
	for _, cmd := range s.Commands() {
		if cmd.NoReply {
			fmt.Println(cmd.Name, "does not answer, since", cmd.Doc.Since)
		}
	}
	// Output:
	// guest-shutdown does not answer, since 0.15.0
	// guest-suspend-disk does not answer, since 1.1
	// guest-suspend-ram does not answer, since 1.1
	// guest-suspend-hybrid does not answer, since 1.1
}

// Find a definition by its name, and a member of it.
func ExampleSchema_Lookup() {
	s, err := qapi.LoadFS(schema.FS, "10.2/qapi/qapi-schema.json", nil)
	if err != nil {
		log.Fatal(err)
	}
	cmd := s.Lookup("netdev_add").(*qapi.Command)
	for _, m := range cmd.Arg.AllMembers() {
		fmt.Println(m.Name, "of type", m.Type.TypeName())
	}
	union := cmd.Arg.(*qapi.Union)
	fmt.Println(union.Discriminator.Name, "selects one of", len(union.Branches), "branches")
	// Output:
	// id of type str
	// type of type NetClientDriver
	// type selects one of 19 branches
}

// The Go type of a definition is its kind.
func ExampleDefinition() {
	s, err := qapi.LoadFS(schema.FS, "10.2/qapi/qapi-schema.json", nil)
	if err != nil {
		log.Fatal(err)
	}
	for _, m := range s.Modules {
		if m.Name != "qdev.json" {
			continue
		}
		for _, d := range m.Definitions {
			switch d := d.(type) {
			case *qapi.Command:
				fmt.Println("command", d.Name)
			case *qapi.Event:
				fmt.Println("event", d.Name)
			default:
				fmt.Println("type", d.Head().Name)
			}
		}
	}
	// Output:
	// command device-list-properties
	// command device_add
	// command device_del
	// event DEVICE_DELETED
	// event DEVICE_UNPLUG_GUEST_ERROR
	// command device-sync-config
}

// Evaluate a condition.
func ExampleEval() {
	s, err := qapi.LoadFS(schema.FS, "10.2/qapi/qapi-schema.json", nil)
	if err != nil {
		log.Fatal(err)
	}
	linux := func(name string) bool { return name == "CONFIG_LINUX" }
	for _, m := range s.Lookup("BlockdevOptionsFile").(*qapi.Struct).AllMembers() {
		if m.If != nil {
			fmt.Println(m.Name, "needs", m.If, qapi.Eval(m.If, linux))
		}
	}
	// Output:
	// drop-cache needs CONFIG_LINUX true
}

// See the schema of one build.
func ExampleSchema_Under() {
	s, err := qapi.LoadFS(schema.FS, "10.2/qapi/qapi-schema.json", nil)
	if err != nil {
		log.Fatal(err)
	}
	headless := s.Under(func(name string) bool { return name != "CONFIG_VNC" && name != "CONFIG_SPICE" })
	fmt.Println(s.Lookup("query-vnc") != nil, headless.Lookup("query-vnc") != nil)
	// Output: true false
}

// Loosen a schema so that generated code also works with a server of another version.
func ExampleSchema_Loosen() {
	s, err := qapi.LoadFS(schema.FS, schema.NewestQEMU, nil)
	if err != nil {
		log.Fatal(err)
	}
	text, err := schema.Captured.ReadFile("captured/7.2/qemu.json")
	if err != nil {
		log.Fatal(err)
	}
	older, err := introspect.Read(text)
	if err != nil {
		log.Fatal(err)
	}
	s.Loosen(older)
	for _, m := range s.Lookup("CpuInfoFast").(*qapi.Union).AllMembers() {
		fmt.Println(m.Name, m.Optional)
	}
	// Output:
	// cpu-index false
	// qom-type true
	// qom-path false
	// thread-id false
	// props true
	// target false
}

// Check a schema by the rules of one version of QEMU.
func ExampleDialect() {
	files := fstest.MapFS{"schema.json": {Data: []byte(`
		{ 'command': 'plot', 'data': { 'x': { 'type': 'int', 'if': 'CONFIG_PLOT' } } }
	`)}}
	for _, d := range qapi.Dialects() {
		_, err := qapi.LoadFS(files, "schema.json", &qapi.Options{Dialect: d})
		fmt.Println(d, err)
	}
	// Output:
	// any <nil>
	// 5.2 <nil>
	// 7.2 <nil>
	// 10.0 schema.json:2: command 'plot': conditional command arguments require 'boxed': true
	// 10.2 schema.json:2: command 'plot': conditional command arguments require 'boxed': true
}

// Make the schema that a running server would send, and ask it for paths.
func ExampleSchema_Introspect() {
	s, err := qapi.LoadFS(schema.FS, "10.2/qapi/qapi-schema.json", nil)
	if err != nil {
		log.Fatal(err)
	}
	view := s.Introspect(qapi.IntrospectOptions{
		Config: func(name string) bool { return name != "CONFIG_LINUX_IO_URING" },
	})
	for _, path := range []string{"blockdev-add/arg-type/+file/aio/^threads", "blockdev-add/arg-type/+file/aio/^io_uring"} {
		has, err := view.Has(path)
		fmt.Println(path, has, err)
	}
	// Output:
	// blockdev-add/arg-type/+file/aio/^threads true <nil>
	// blockdev-add/arg-type/+file/aio/^io_uring false <nil>
}

// Each error in a schema has its place.
func ExampleDiagnostics() {
	files := fstest.MapFS{"schema.json": {Data: []byte(`
		{ 'struct': 'Point', 'data': { 'x': 'number', 'y': 'numbr' } }
		{ 'command': 'plot', 'data': 'Pont' }
	`)}}
	_, err := qapi.LoadFS(files, "schema.json", nil)
	fmt.Println(err)
	// Output:
	// schema.json:2: struct 'Point': member 'y' uses unknown type 'numbr'
	// schema.json:3: command 'plot': command's 'data' uses unknown type 'Pont'
}
