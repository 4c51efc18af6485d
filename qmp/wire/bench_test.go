package wire_test

import (
	"encoding/json"
	"testing"

	"github.com/qmpkit/qmpkit/qmp/wire"
)

// BenchmarkDecode decodes typical replies into typed values, with this package and with
// encoding/json.
func BenchmarkDecode(b *testing.B) {
	benchmarkReply[status](b, "query-status", statusReply, func(d *wire.Decoder) {
		var v status
		d.Object(&v)
	})
	benchmarkReply[[]blockInfo](b, "query-block", blockReply(4), func(d *wire.Decoder) {
		list(d, func(v *blockInfo) { d.Object(v) })
	})
	benchmarkReply[[]typeInfo](b, "qom-list-types", typesReply(440), func(d *wire.Decoder) {
		list(d, func(v *typeInfo) { d.Object(v) })
	})
	benchmarkReply[[]flatSchemaInfo](b, "query-qmp-schema", schemaReply(270), func(d *wire.Decoder) {
		list(d, func(v *schemaInfo) { d.Object(v) })
	})
	benchmarkReply[json.RawMessage](b, "skip", schemaReply(270), (*wire.Decoder).Skip)
}

// flatSchemaInfo is schemaInfo for encoding/json, which knows no unions.
type flatSchemaInfo struct {
	Name     string   `json:"name"`
	MetaType string   `json:"meta-type"`
	Features []string `json:"features"`
	schemaObject
	schemaEnum
	schemaCommand
}

func benchmarkReply[T any](b *testing.B, name, reply string, decode func(*wire.Decoder)) {
	text := []byte(reply)
	b.Run(name+"/wire", func(b *testing.B) {
		b.ReportAllocs()
		b.SetBytes(int64(len(text)))
		d := new(wire.Decoder)
		for b.Loop() {
			d.Reset(text)
			decode(d)
			if err := d.End(); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run(name+"/encoding-json", func(b *testing.B) {
		b.ReportAllocs()
		b.SetBytes(int64(len(text)))
		for b.Loop() {
			var v T
			if err := json.Unmarshal(text, &v); err != nil {
				b.Fatal(err)
			}
		}
	})
}
