package qapi

// Schema is a loaded QAPI schema: every definition, resolved and checked.
//
// A Schema is not modified after it was loaded, unless by [Schema.Loosen], and may be read by
// several goroutines.
type Schema struct {
	// Modules holds the schema's files in the order in which they are first mentioned:
	// the file that was loaded comes first.
	Modules []*Module

	// Definitions holds all definitions in schema order: where a file includes another,
	// the definitions of the included file come first. Types that the language makes
	// implicitly (see [Header.Implicit]) are not among them.
	Definitions []Definition

	// ServerNames reports that members, values, features, commands and events have the names that
	// a server gave, which may be names that QAPI does not allow: with dots, digits first, empty, or
	// the same in C as another one. A pragma of package unmask says so.
	ServerNames bool

	index map[string]Definition
}

// Module is one file of a schema.
type Module struct {
	// Name is the file's path relative to the folder of the schema's main file, with
	// slashes: "block-core.json", "../../qapi/block-core.json".
	Name string
	// Path is the file's path as diagnostics show it.
	Path string
	// Definitions holds the file's own definitions in order.
	Definitions []Definition
}

// Lookup returns the definition with that name, or nil. Types, commands and events share
// one name space; predefined types are not in it.
func (s *Schema) Lookup(name string) Definition { return s.index[name] }

// Commands returns the schema's commands, in schema order.
func (s *Schema) Commands() []*Command { return definitions[*Command](s) }

// Events returns the schema's events, in schema order.
func (s *Schema) Events() []*Event { return definitions[*Event](s) }

// Enums returns the enums that the schema names, in schema order.
func (s *Schema) Enums() []*Enum { return definitions[*Enum](s) }

// Structs returns the structs that the schema names, in schema order.
func (s *Schema) Structs() []*Struct { return definitions[*Struct](s) }

// Unions returns the schema's unions, in schema order.
func (s *Schema) Unions() []*Union { return definitions[*Union](s) }

// Alternates returns the schema's alternates, in schema order.
func (s *Schema) Alternates() []*Alternate { return definitions[*Alternate](s) }

func definitions[D Definition](s *Schema) []D {
	var of []D
	for _, d := range s.Definitions {
		if d, ok := d.(D); ok {
			of = append(of, d)
		}
	}
	return of
}
