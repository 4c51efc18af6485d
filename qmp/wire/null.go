package wire

// Null is the Go type of the JSON value null, for alternates with null as an alternative. A
// pointer to Null that is not nil means that null was received or will be sent.
type Null struct{}

// MarshalJSON returns null.
func (Null) MarshalJSON() ([]byte, error) { return []byte("null"), nil }
