package block

// IsRelative is for tests.
var IsRelative = isRelative
