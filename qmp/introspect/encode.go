package introspect

import (
	"iter"

	"github.com/qmpkit/qmpkit/qmp/wire"
)

// MarshalJSON returns the array without white space. The members of each object are sorted by
// name.
func (s *Schema) MarshalJSON() ([]byte, error) {
	e := wire.NewEncoder(nil)
	e.BeginArray()
	for _, info := range s.Infos {
		encodeInfo(e.Elem(), info)
	}
	e.EndArray()
	return e.Bytes(), e.Err()
}

// Lines returns each entry as a line of JSON, in the order and form of MarshalJSON.
func (s *Schema) Lines() iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		e := wire.NewEncoder(nil)
		for _, info := range s.Infos {
			e.Reset(e.Bytes()[:0])
			encodeInfo(e, info)
			if !yield(string(e.Bytes()), e.Err()) {
				return
			}
		}
	}
}

func encodeInfo(e *wire.Encoder, info Info) {
	e.BeginObject()
	h := info.Head()
	switch info := info.(type) {
	case *Builtin:
		e.Name("json-type").String(info.JSONType)
		encodeHead(e, h, info)
	case *Enum:
		features(e, h.Features)
		if !info.ValuesOnly {
			encodeEnumMembers(e, info)
		}
		e.Name("meta-type").String(info.MetaType())
		e.Name("name").String(h.Name)
		e.Name("values").BeginArray()
		for i := range info.Members {
			e.Elem().String(info.Members[i].Name)
		}
		e.EndArray()
	case *Array:
		e.Name("element-type").String(info.ElementType)
		encodeHead(e, h, info)
	case *Object:
		encodeObject(e, info)
	case *Alternate:
		features(e, h.Features)
		e.Name("members").BeginArray()
		for _, name := range info.Types {
			e.Elem().BeginObject()
			e.Name("type").String(name)
			e.EndObject()
		}
		e.EndArray()
		e.Name("meta-type").String(info.MetaType())
		e.Name("name").String(h.Name)
	case *Command:
		if info.AllowOOB {
			e.Name("allow-oob").Bool(true)
		}
		e.Name("arg-type").String(info.ArgType)
		encodeHead(e, h, info)
		e.Name("ret-type").String(info.RetType)
	case *Event:
		e.Name("arg-type").String(info.ArgType)
		encodeHead(e, h, info)
	default:
		encodeHead(e, h, info)
	}
	e.EndObject()
}

// encodeHead writes the header's members, for entries without members between them.
func encodeHead(e *wire.Encoder, h *Header, info Info) {
	features(e, h.Features)
	e.Name("meta-type").String(info.MetaType())
	e.Name("name").String(h.Name)
}

// features writes features, if there are any.
func features(e *wire.Encoder, names []string) {
	if names == nil {
		return
	}
	e.Name("features").BeginArray()
	for _, name := range names {
		e.Elem().String(name)
	}
	e.EndArray()
}

func encodeEnumMembers(e *wire.Encoder, enum *Enum) {
	e.Name("members").BeginArray()
	for i := range enum.Members {
		e.Elem().BeginObject()
		features(e, enum.Members[i].Features)
		e.Name("name").String(enum.Members[i].Name)
		e.EndObject()
	}
	e.EndArray()
}

func encodeObject(e *wire.Encoder, o *Object) {
	features(e, o.Features)
	e.Name("members").BeginArray()
	for i := range o.Members {
		m := &o.Members[i]
		e.Elem().BeginObject()
		if m.Optional {
			e.Name("default").Null()
		}
		features(e, m.Features)
		e.Name("name").String(m.Name)
		e.Name("type").String(m.Type)
		e.EndObject()
	}
	e.EndArray()
	e.Name("meta-type").String(o.MetaType())
	e.Name("name").String(o.Name)
	if o.Tag == "" {
		return
	}
	e.Name("tag").String(o.Tag)
	e.Name("variants").BeginArray()
	for _, v := range o.Variants {
		e.Elem().BeginObject()
		e.Name("case").String(v.Case)
		e.Name("type").String(v.Type)
		e.EndObject()
	}
	e.EndArray()
}
