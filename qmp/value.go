package qmp

// Value returns *p, and the zero value when p is nil: it reads an optional member when absent
// and zero mean the same. To set one, write new(v).
func Value[T any](p *T) T {
	if p == nil {
		var zero T
		return zero
	}
	return *p
}
