package main

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/format"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
)

const compilationLimit = 5 // × bare structs

// generated is the package that is compiled, a path below the module's.
const generated = "qmp/generated/qemu"

// measureCompilation compares compiling the bindings with compiling their types as bare structs. It takes the
// CPU time of the compiler alone: what the go command does before and after it is the same for both.
func measureCompilation(b *bench) {
	files := must(filepath.Glob(filepath.Join(b.root, filepath.FromSlash(generated), "*_gen.go")))
	bare, lines := writeBare(b, files)
	compiler := must(output(goTool(b.ctx, b.root, "tool", "-n", "compile")))
	// The go command compiles what the bindings need, and prints where that is.
	exports := must(output(goTool(b.ctx, b.root, "list", "-deps", "-export",
		"-f", "{{with .Export}}packagefile {{$.ImportPath}}={{.}}{{end}}", "./"+generated)))
	imports := b.file("imports")
	check(os.WriteFile(imports, []byte(exports+"\n"), 0o666))
	compile := func(files []string) sample {
		args := append([]string{"-p", "example.org/" + generated, "-lang=go1.26", "-complete", "-pack",
			"-importcfg", imports, "-o", b.file("out.a")}, files...)
		return cpuTime(true, func() *exec.Cmd { return exec.CommandContext(b.ctx, compiler, args...) })
	}
	times := b.inTurn(slow, compile(files), compile(bare))
	b.row("compile the bindings, CPU time", times[0].String(),
		atMost(times[0].over(times[1]), "× the same types as bare structs", compilationLimit),
		fmt.Sprintf("bare structs: %s, %d lines", times[1], lines))
}

// writeBare writes generated files anew without their codec: it keeps constants and types with tags. It returns the
// new files and the number of their lines.
func writeBare(b *bench, files []string) (bare []string, lines int) {
	for _, path := range files {
		fset := token.NewFileSet()
		file := must(parser.ParseFile(fset, path, nil, parser.SkipObjectResolution)) // without comments
		file.Decls = slices.DeleteFunc(file.Decls, func(d ast.Decl) bool {
			g, ok := d.(*ast.GenDecl)
			return !ok || !keepBare(g)
		})
		var text bytes.Buffer
		check(format.Node(&text, fset, file))
		out := b.file(filepath.Base(path))
		check(os.WriteFile(out, text.Bytes(), 0o666))
		bare = append(bare, out)
		lines += bytes.Count(text.Bytes(), []byte("\n"))
	}
	return bare, lines
}

// keepBare reports whether a declaration is of constants or of types, which it makes bare.
func keepBare(d *ast.GenDecl) bool {
	switch d.Tok {
	case token.CONST:
		return d.Specs[0].(*ast.ValueSpec).Names[0].Name != "_" // const _ = wire.GeneratedV3
	case token.TYPE:
		for _, spec := range d.Specs {
			t := spec.(*ast.TypeSpec)
			t.Type = bareType(t.Type)
		}
		return true
	}
	return false
}

// bareType returns a type without names of other packages: any for the interface of a branch, and the underlying types
// of package qmp's types.
func bareType(t ast.Expr) ast.Expr {
	switch t := t.(type) {
	case *ast.InterfaceType:
		return ast.NewIdent("any")
	case *ast.StarExpr:
		t.X = bareType(t.X)
	case *ast.ArrayType:
		t.Elt = bareType(t.Elt)
	case *ast.SelectorExpr:
		switch t.Sel.Name {
		case "RawJSON":
			return &ast.ArrayType{Elt: ast.NewIdent("byte")}
		case "Args":
			return &ast.MapType{Key: ast.NewIdent("string"), Value: ast.NewIdent("any")}
		default: // Null
			return &ast.StructType{Fields: &ast.FieldList{}}
		}
	case *ast.StructType:
		for _, f := range t.Fields.List {
			f.Type = bareType(f.Type)
			if f.Tag == nil && len(f.Names) > 0 {
				f.Tag = &ast.BasicLit{Kind: token.STRING, Value: strconv.Quote("json:\"" + f.Names[0].Name + ",omitzero\"")}
			}
		}
	}
	return t
}
