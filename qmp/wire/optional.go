package wire

// The methods below write an optional member of the object being written, or nothing when v
// is nil. They stand for three lines of generated code each, a thousand times.

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

// OptString reads a string into a new variable that *v points to.
//
//go:noinline
func (d *Decoder) OptString(v **string) { *v = new(d.String()) }

// OptBool reads true or false into a new variable that *v points to.
//
//go:noinline
func (d *Decoder) OptBool(v **bool) { *v = new(d.Bool()) }

// OptInt reads an integer into a new variable that *v points to.
//
//go:noinline
func (d *Decoder) OptInt(v **int64) { *v = new(d.Int64()) }

// OptUint reads an integer into a new variable that *v points to.
//
//go:noinline
func (d *Decoder) OptUint(v **uint64) { *v = new(d.Uint64()) }
