package qmptest

import (
	"bytes"
	"compress/gzip"
	"embed"
	"fmt"
	"io"
	"sync"

	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/introspect"
)

//go:generate go test -run ^Test.*OfBindings$ -update .

// schemas are the schemas of the generated packages qemu and guest, as answers to query-qmp-schema.
//
//go:embed schemas/qemu.json.gz schemas/guest.json.gz
var schemas embed.FS

//go:embed schemas/VERSION
var versionText string

// versionOfQEMU returns the version of QEMU that the generated package qemu is of.
func versionOfQEMU() (v qmp.Version) {
	if _, err := fmt.Sscanf(versionText, "%d.%d.%d", &v.Major, &v.Minor, &v.Micro); err != nil {
		panic(err)
	}
	return v
}

// The schemas are read when a server first checks a request, which takes some milliseconds.
var (
	schemaOfQEMU  = sync.OnceValue(func() *introspect.Schema { return readSchema("schemas/qemu.json.gz") })
	schemaOfGuest = sync.OnceValue(func() *introspect.Schema { return readSchema("schemas/guest.json.gz") })
)

func readSchema(name string) *introspect.Schema {
	compressed, err := schemas.ReadFile(name)
	if err != nil {
		panic(err)
	}
	z, err := gzip.NewReader(bytes.NewReader(compressed))
	if err != nil {
		panic(err)
	}
	answer, err := io.ReadAll(z)
	if err != nil {
		panic(err)
	}
	schema, err := introspect.Read(answer)
	if err != nil {
		panic(err)
	}
	return schema
}
