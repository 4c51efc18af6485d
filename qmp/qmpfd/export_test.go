package qmpfd

// Flags that not all platforms have, for tests.
const (
	DirectFlag = int(directFlag)
	PathFlag   = int(pathFlag)
)
