package main

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/format"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"strconv"
)

// writeBare writes generated files again, as what they would be without a codec: types with
// tags, and constants. It returns the new files, and how many lines they have.
func writeBare(folder string, files []string) (bare []string, lines int, err error) {
	for _, path := range files {
		text, err := bareText(path)
		if err != nil {
			return nil, 0, fmt.Errorf("%s as bare structs: %w", path, err)
		}
		out := filepath.Join(folder, filepath.Base(path))
		if err := os.WriteFile(out, text, 0o666); err != nil {
			return nil, 0, err
		}
		bare = append(bare, out)
		lines += bytes.Count(text, []byte("\n"))
	}
	return bare, lines, nil
}

func bareText(path string) ([]byte, error) {
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, path, nil, parser.SkipObjectResolution) // without comments
	if err != nil {
		return nil, err
	}
	var kept []ast.Decl
	for _, decl := range file.Decls {
		d, ok := decl.(*ast.GenDecl)
		if !ok || d.Tok != token.TYPE && d.Tok != token.CONST || assertsRuntime(d) {
			continue
		}
		for _, spec := range d.Specs {
			if t, ok := spec.(*ast.TypeSpec); ok {
				t.Type = bareType(t.Type)
			}
		}
		kept = append(kept, d)
	}
	file.Decls = kept
	var b bytes.Buffer
	err = format.Node(&b, fset, file)
	return b.Bytes(), err
}

// assertsRuntime recognizes "const _ = wire.GeneratedV3".
func assertsRuntime(d *ast.GenDecl) bool {
	v, ok := d.Specs[0].(*ast.ValueSpec)
	return ok && v.Names[0].Name == "_"
}

// bareType returns a type as it would be in a package that imports nothing: an interface for
// branches is any, and qmp's types are those they stand for.
func bareType(t ast.Expr) ast.Expr {
	switch t := t.(type) {
	case *ast.InterfaceType:
		return ast.NewIdent("any")
	case *ast.StarExpr:
		t.X = bareType(t.X)
	case *ast.ArrayType:
		t.Elt = bareType(t.Elt)
	case *ast.SelectorExpr:
		return plainType(t.Sel.Name)
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

// plainType returns the built-in type that one of package qmp is made of.
func plainType(name string) ast.Expr {
	switch name {
	case "RawJSON":
		return &ast.ArrayType{Elt: ast.NewIdent("byte")}
	case "Args":
		return &ast.MapType{Key: ast.NewIdent("string"), Value: ast.NewIdent("any")}
	default: // Null
		return &ast.StructType{Fields: &ast.FieldList{}}
	}
}
