package qapi

// Schema is a loaded QAPI schema: every definition, resolved and checked.
//
// Only [Schema.Loosen] modifies a Schema after Load. Several goroutines can read it.
type Schema struct {
	// Modules has the schema's files in the order of their first mention. The main file comes
	// first.
	Modules []*Module

	// Definitions has all definitions in schema order: at an include, the definitions of the
	// included file come first. It does not have implicit types; see [Header].Implicit.
	Definitions []Definition

	// ServerNames reports that names of members, values, features, commands and events come from a
	// server, and may be names that QAPI does not allow: with dots, with a digit first, empty, or
	// equal to another name in C. The schema then has the pragma server-names, which qapigen
	// writes.
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
	// Definitions has the definitions in this file, in order.
	Definitions []Definition
}

// Lookup returns the definition with this name, or nil if there is none. Types, commands and
// events share one name space. Lookup does not find predefined types.
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
