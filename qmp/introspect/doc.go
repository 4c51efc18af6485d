// Package introspect reads the schema of a QMP server: the answer to query-qmp-schema. This
// schema has the commands and events of one build of QEMU and the types that they use. Most types
// have numbers instead of names.
//
//	s, err := introspect.Read(answer)
//	…
//	yes, err := s.Has("blockdev-add/arg-type/+file/$dynamic-auto-read-only")
//
// Package qapi makes the same [Schema] from QEMU's schema files, with its method Schema.Introspect.
// This package does not link the parser of these files.
//
// The names are those of QEMU's qapi/introspect.json. An [Info] is a SchemaInfo, and its kinds
// are the meta-types.
package introspect
