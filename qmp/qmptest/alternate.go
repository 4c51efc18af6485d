package qmptest

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/introspect"
)

// alternate checks a value against the one of t's types that is of its kind.
func (v visitor) alternate(path, name string, t *introspect.Alternate, value json.RawMessage) *qmp.Error {
	var kinds []string
	for _, typ := range t.Types {
		k := v.kindOf(typ)
		if k == kind(value) || k == "value" {
			return v.value(path, name, typ, value)
		}
		kinds = append(kinds, k)
	}
	return wrongType(name, v.nameOf(t, kinds))
}

// kindOf returns the kind of JSON that a type's values are.
func (v visitor) kindOf(typ string) string {
	json := introspect.JSONType(v.schema.Lookup(typ))
	if json == "int" {
		return "number"
	}
	return json
}

// alternates are QEMU's, whose texts name them, while introspection hides their names: by what they
// may be, and by the first member of what is an object there. A row counts for QEMUs before a
// version, if it has one, and the first that fits counts.
var alternates = []struct {
	name, kinds, member string
	before              qmp.Version
}{
	{name: "StrOrNull", kinds: "null string"},
	{name: "BlockdevRef", kinds: "object string", member: "driver"},
	{name: "BlockdevRefOrNull", kinds: "null object string", member: "driver"},
	{name: "BlockDirtyBitmapMergeSource", kinds: "object string", member: "node", before: qmp.Version{Major: 7, Minor: 1}},
	{name: "BlockDirtyBitmapOrStr", kinds: "object string", member: "node"},
	{name: "Qcow2OverlapChecks", kinds: "object string", member: "template"},
	{name: "BlockExportIothreads", kinds: "array string"},
	{name: "GuestFileWhence", kinds: "number string"},
	{name: "GuestExecCaptureOutput", kinds: "boolean string"},
}

// nameOf returns the name that QEMU has for an alternate; for one that it does not know, and
// whose name is hidden, the kinds.
func (v visitor) nameOf(t *introspect.Alternate, kinds []string) string {
	if strings.Trim(t.Name, "0123456789") != "" {
		return t.Name // not hidden
	}
	member := ""
	for _, typ := range t.Types {
		if o, ok := v.schema.Lookup(typ).(*introspect.Object); ok && len(o.Members) > 0 {
			member = o.Members[0].Name
		}
	}
	slices.Sort(kinds)
	for _, known := range alternates {
		if known.before != (qmp.Version{}) && v.version.Compare(known.before) >= 0 {
			continue
		}
		if known.kinds == strings.Join(kinds, " ") && known.member == member {
			return known.name
		}
	}
	return strings.Join(kinds, " or ")
}
