package qmp

// Value returns *p, or the zero value if p is nil. Use it to read an optional member if absent and zero mean
// the same. To set one, write new(v), or [NonZero](v) to leave it out if v is zero.
func Value[T any](p *T) T {
	if p == nil {
		var zero T
		return zero
	}
	return *p
}

// NonZero returns a pointer to a copy of v, or nil if v is the zero value. Use it for an optional
// member that a request should leave out if the value is zero.
//
//	add := qemu.DeviceAdd{Driver: "virtio-blk-pci", ID: new(id), Bus: qmp.NonZero(bus)}
//
// QEMU then uses its default, which need not be zero. To send false, 0 or "", write new(v).
func NonZero[T comparable](v T) *T {
	var zero T
	if v == zero {
		return nil
	}
	return &v
}
