// Package syntax reads the text of a QAPI schema file into a small tree with positions, and
// prints such a tree.
//
//	file := syntax.Parse(text)
//	for _, err := range file.Errors() {
//		fmt.Println(err) // "3:14: expected …"
//	}
//
// A schema file is a sequence of JSON-like objects, with single quotes and without numbers, and
// with documentation comments between them. Package qapi knows what the objects mean. This
// package does not read files.
//
// QEMU's docs/devel/qapi-code-gen.rst describes the notation. Positions and the order of errors
// are those of QEMU's parser. A [Dialect] selects the rules for documentation comments: those of
// one version of QEMU, or for [DialectAny] those of QEMU 10.2 and whatever else QEMU 5.2 to 10.0
// allowed.
//
// No input makes a function panic. Time and memory are linear in the size of the input. Several
// goroutines can call all functions.
package syntax
