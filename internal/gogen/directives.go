package gogen

import (
	"github.com/qmpkit/qmpkit/qapi"
	"github.com/qmpkit/qmpkit/qapi/facts"
)

// Directives are for programs that read generated code, such as package vet. They have facts that the
// code does not show. Go's documentation does not show directives.
const (
	directivePrefix = "//qapi:"
	typeDirective   = directivePrefix + "type "
	serverDirective = directivePrefix + "server "
)

// typeDirective returns a type's name in the schema if its name in Go is another one.
func (b *builder) typeDirective(d qapi.Definition) comment {
	if name := b.qemuName(d); name != b.typeName(d) {
		return comment{typeDirective + name}
	}
	return nil
}

// serverDirective says whose schema it is, if not QEMU's.
func (p *pkg) serverDirective() comment {
	switch p.opts.Facts {
	case facts.Storage():
		return comment{serverDirective + "storage"}
	case facts.Guest():
		return comment{serverDirective + "guest"}
	}
	return nil
}
