package wire

// The methods of Encoder below write an optional member of the object being written, or nothing when
// v is nil. They stand for three lines of generated code each, a thousand times. The methods of
// Decoder read a value and return a pointer to it. They allocate several such values at a time.

// OptString writes a member that is a string.
//
//go:noinline
func (e *Encoder) OptString(name string, v *string) {
	if v != nil {
		e.Name(name).String(*v)
	}
}

// OptSecret writes a member that is a secret; see Secret.
//
//go:noinline
func (e *Encoder) OptSecret(name string, v *string) {
	if v != nil {
		e.Name(name).Secret(*v)
	}
}

// OptBool writes a member that is true or false.
//
//go:noinline
func (e *Encoder) OptBool(name string, v *bool) {
	if v != nil {
		e.Name(name).Bool(*v)
	}
}

// OptInt writes a member that is a signed integer.
//
//go:noinline
func (e *Encoder) OptInt(name string, v *int64) {
	if v != nil {
		e.Name(name).Int(*v)
	}
}

// OptUint writes a member that is an unsigned integer.
//
//go:noinline
func (e *Encoder) OptUint(name string, v *uint64) {
	if v != nil {
		e.Name(name).Uint(*v)
	}
}

// OptString reads a string.
//
//go:noinline
func (d *Decoder) OptString() *string { return d.newString(d.String()) }

// OptEnum reads a string that is one of a few values.
//
//go:noinline
func (d *Decoder) OptEnum() *string { return d.newString(d.Enum()) }

func (d *Decoder) newString(s string) *string {
	if d.pieces.isFew() {
		return new(s)
	}
	return add(&d.pieces.forValues().strings, s)
}

// OptBool reads true or false.
//
//go:noinline
func (d *Decoder) OptBool() *bool {
	v := d.Bool()
	if d.pieces.isFew() {
		return new(v)
	}
	return add(&d.pieces.forValues().bools, v)
}

// OptInt64 reads an integer that an int64 holds.
//
//go:noinline
func (d *Decoder) OptInt64() *int64 {
	v := d.Int64()
	if d.pieces.isFew() {
		return new(v)
	}
	return add(&d.pieces.forValues().ints, v)
}

// OptUint64 reads an integer that a uint64 holds.
//
//go:noinline
func (d *Decoder) OptUint64() *uint64 {
	v := d.Uint64()
	if d.pieces.isFew() {
		return new(v)
	}
	return add(&d.pieces.forValues().uints, v)
}
