package wire

// Null is the Go type of the JSON value null, for alternates in which null is an alternative
// like any other: a pointer to it is not nil when null was received or is to be sent.
type Null struct{}

// MarshalJSON returns null.
func (Null) MarshalJSON() ([]byte, error) { return []byte("null"), nil }
