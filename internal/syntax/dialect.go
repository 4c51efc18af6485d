package syntax

// Dialect is the language as one version of QEMU reads it. Dialects differ in the files that they
// refuse. If two dialects accept a file, they read it in the same way.
type Dialect int

// The dialects.
const (
	// DialectAny accepts the files of QEMU 5.2 to 11.0.
	DialectAny Dialect = iota
	QEMU5_2
	QEMU7_2
	QEMU10_0
	QEMU10_2
)

// dialectNames holds the names of the dialects.
var dialectNames = [...]string{DialectAny: "any", QEMU5_2: "5.2", QEMU7_2: "7.2", QEMU10_0: "10.0", QEMU10_2: "10.2"}

// Dialects returns all dialects.
func Dialects() []Dialect { return []Dialect{DialectAny, QEMU5_2, QEMU7_2, QEMU10_0, QEMU10_2} }

// ParseDialect returns the dialect with a name: "any", or a version such as "7.2".
func ParseDialect(name string) (d Dialect, ok bool) {
	for d, n := range dialectNames {
		if n == name {
			return Dialect(d), true
		}
	}
	return DialectAny, false
}

// String returns the dialect's name.
func (d Dialect) String() string {
	if d < 0 || int(d) >= len(dialectNames) {
		return "unknown"
	}
	return dialectNames[d]
}

// parseDocLines is how a dialect cuts a documentation comment into sections.
func (d Dialect) parseDocLines(doc *Doc, lines docLines) *Error {
	switch d {
	case QEMU5_2, QEMU7_2:
		return newClassicDoc(doc, lines).parse()
	case QEMU10_0, QEMU10_2:
		return (&strictDoc{doc: doc, lines: lines, headings: d == QEMU10_0}).parse()
	default:
		return newDocParser(doc, lines).parse()
	}
}
