package wire

// The methods of Encoder below write an optional member of the object being written, or nothing when
// v is nil. They stand for three lines of generated code each, a thousand times. The methods of
// Decoder read a value and return a pointer to it. They allocate several such values at a time.

// OptString writes a member that is a string, or nothing if v is nil.
//
//go:noinline
func (e *Encoder) OptString(name string, v *string) {
	if v != nil {
		e.Name(name).String(*v)
	}
}

// OptSecret writes a member that is a secret (see Secret), or nothing if v is nil.
//
//go:noinline
func (e *Encoder) OptSecret(name string, v *string) {
	if v != nil {
		e.Name(name).Secret(*v)
	}
}

// OptBool writes a member that is true or false, or nothing if v is nil.
//
//go:noinline
func (e *Encoder) OptBool(name string, v *bool) {
	if v != nil {
		e.Name(name).Bool(*v)
	}
}

// OptInt writes a member that is a signed integer, or nothing if v is nil.
//
//go:noinline
func (e *Encoder) OptInt(name string, v *int64) {
	if v != nil {
		e.Name(name).Int(*v)
	}
}

// OptUint writes a member that is an unsigned integer, or nothing if v is nil.
//
//go:noinline
func (e *Encoder) OptUint(name string, v *uint64) {
	if v != nil {
		e.Name(name).Uint(*v)
	}
}

// The methods below read an optional member into a new variable that *v points to. They spare each
// member of generated code the assignment of a pointer, which takes long to compile.

// OptString reads a string and sets *v to a pointer to it.
//
//go:noinline
func (d *Decoder) OptString(v **string) { *v = d.newString(d.String()) }

// OptEnum is like Enum, and returns a pointer to the value.
//
//go:noinline
func (d *Decoder) OptEnum() *string { return d.newString(d.Enum()) }

func (d *Decoder) newString(s string) *string {
	if d.pieces.isFew() {
		return new(s)
	}
	return add(&d.pieces.forValues().strings, s)
}

// OptBool reads true or false and sets *v to a pointer to it.
//
//go:noinline
func (d *Decoder) OptBool(v **bool) {
	b := d.Bool()
	if d.pieces.isFew() {
		*v = new(b)
		return
	}
	*v = add(&d.pieces.forValues().bools, b)
}

// OptInt64 reads an integer that an int64 holds and sets *v to a pointer to it.
//
//go:noinline
func (d *Decoder) OptInt64(v **int64) {
	i := d.Int64()
	if d.pieces.isFew() {
		*v = new(i)
		return
	}
	*v = add(&d.pieces.forValues().ints, i)
}

// OptUint64 reads an integer that a uint64 holds and sets *v to a pointer to it.
//
//go:noinline
func (d *Decoder) OptUint64(v **uint64) {
	u := d.Uint64()
	if d.pieces.isFew() {
		*v = new(u)
		return
	}
	*v = add(&d.pieces.forValues().uints, u)
}
