// Package introspect is the view of a QAPI schema that a server gives of itself: the answer to
// query-qmp-schema. It tells what commands and events this very build has, and with what types;
// it does not tell the types' names.
//
//	s, err := introspect.Read(answer)
//	…
//	yes, err := s.Has("blockdev-add/arg-type/+file/$dynamic-auto-read-only")
//
// A schema's source makes the same view, with Introspect of package qapi. This package links
// no parser of sources.
//
// The names are those of QEMU's qmp/introspect.json: an [Info] is a SchemaInfo, and its kinds
// are the meta-types.
package introspect
