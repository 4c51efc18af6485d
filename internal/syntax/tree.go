package syntax

// File is the content of a schema file.
type File struct {
	// Items has the objects of the file, its documentation comments and its errors, in order.
	// Each is an [*Object], a [*Doc] or an [*Error].
	Items []Item
}

// Item is a part of a [File].
type Item interface {
	// Position returns where the item begins.
	Position() Pos
	item()
}

// Value is a value of the notation: an [*Object], [*Array], [*String] or [*Bool].
type Value interface {
	Position() Pos
	value()
}

// Object is `{ 'key': value, … }`. Keys are unique.
type Object struct {
	Pos     Pos
	Members []Member
}

// Member is one member of an [Object].
type Member struct {
	Key   string
	Pos   Pos // of the key
	Value Value
}

// Array is `[ value, … ]`.
type Array struct {
	Pos      Pos
	Elements []Value
}

// String is `'text'`.
type String struct {
	Pos  Pos
	Text string // printable ASCII
}

// Bool is `true` or `false`.
type Bool struct {
	Pos   Pos
	Value bool
}

// Get returns the value of the member with this key, or nil if there is none.
func (o *Object) Get(key string) Value {
	for i := range o.Members {
		if o.Members[i].Key == key {
			return o.Members[i].Value
		}
	}
	return nil
}

func (o *Object) Position() Pos { return o.Pos }
func (a *Array) Position() Pos  { return a.Pos }
func (s *String) Position() Pos { return s.Pos }
func (b *Bool) Position() Pos   { return b.Pos }
func (d *Doc) Position() Pos    { return d.Pos }
func (e *Error) Position() Pos  { return e.Pos }

func (*Object) value() {}
func (*Array) value()  {}
func (*String) value() {}
func (*Bool) value()   {}

func (*Object) item() {}
func (*Doc) item()    {}
func (*Error) item()  {}
