package archtest

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"text/template"

	"github.com/stretchr/testify/require"
)

// A publicPackage is a package that users import and people write.
type publicPackage struct {
	Path    string
	files   *token.FileSet
	syntax  []*ast.File
	Structs []string // the exported structs without type parameters
}

// here is the platform of the test.
var here = platform{runtime.GOOS, runtime.GOARCH}

// publicPackages parses all public packages except generated ones, as they are on this platform.
func publicPackages(t *testing.T) (public []*publicPackage) {
	t.Helper()
	packages := list(t, here)
	for _, path := range slices.Sorted(maps.Keys(packages)) {
		p := packages[path]
		room, ok := p.room()
		if first, _, _ := strings.Cut(room, "/"); !ok || p.Name == "main" || slices.Contains([]string{"internal", "docs", "testdata"}, first) ||
			strings.HasPrefix(room, "qmp/generated/") {
			continue
		}
		found := &publicPackage{Path: path, files: token.NewFileSet()}
		for _, name := range p.GoFiles {
			file, err := parser.ParseFile(found.files, filepath.Join(p.Dir, name), nil, parser.ParseComments|parser.SkipObjectResolution)
			require.NoError(t, err)
			found.syntax = append(found.syntax, file)
		}
		public = append(public, found)
	}
	require.Greater(t, len(public), 10)
	return public
}

// TestPublicComments checks that each exported identifier of a public package has a comment. Fields, methods of an
// interface and the elements of a group can share that of the whole.
func TestPublicComments(t *testing.T) {
	for _, p := range publicPackages(t) {
		for _, file := range p.syntax {
			report(t, commentFaults(p.files, file))
		}
	}
}

func TestCommentFaults(t *testing.T) {
	files := token.NewFileSet()
	file, err := parser.ParseFile(files, "x.go", `package x

type A struct{ B int }
// C is one.
type C interface{ D() }
type e struct{}
func (e) F() {}
func (C) G() {}
func h() {}
func I() {}
var J = 1
// K and L share it.
const (
	K = 1
	L = 2
)
var (
	// M is one.
	M = 1
	N = 2 // N is two
	O = 3
)
`, parser.ParseComments)
	require.NoError(t, err)
	require.Equal(t, []string{
		"x.go:3:6 A has no comment", "x.go:8:10 C.G has no comment", "x.go:10:6 I has no comment",
		"x.go:11:5 J has no comment", "x.go:21:2 O has no comment",
	}, commentFaults(files, file))
}

// commentFaults finds the exported identifiers of a file that have no comment.
func commentFaults(files *token.FileSet, file *ast.File) (faults []string) {
	check := func(name *ast.Ident, of string, comments ...*ast.CommentGroup) {
		if name.IsExported() && !slices.ContainsFunc(comments, func(c *ast.CommentGroup) bool { return c != nil }) {
			faults = append(faults, files.Position(name.Pos()).String()+" "+of+name.Name+" has no comment")
		}
	}
	for _, d := range file.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			if d.Recv == nil {
				check(d.Name, "", d.Doc)
			} else if of := receiver(d.Recv.List[0].Type); of.IsExported() {
				check(d.Name, of.Name+".", d.Doc)
			}
		case *ast.GenDecl:
			for _, s := range d.Specs {
				switch s := s.(type) {
				case *ast.TypeSpec:
					check(s.Name, "", d.Doc, s.Doc, s.Comment)
				case *ast.ValueSpec:
					for _, name := range s.Names {
						check(name, "", d.Doc, s.Doc, s.Comment)
					}
				}
			}
		}
	}
	return faults
}

// receiver returns the name of a receiver's type.
func receiver(e ast.Expr) *ast.Ident {
	switch e := e.(type) {
	case *ast.StarExpr:
		return receiver(e.X)
	case *ast.IndexExpr:
		return receiver(e.X)
	case *ast.IndexListExpr:
		return receiver(e.X)
	}
	return e.(*ast.Ident)
}

// TestRedactedPrintsStructs runs a program that fills each public struct, pointers included, and prints it with
// qmp.Redacted. The text may not have an address, and not say that such a type is refused.
func TestRedactedPrintsStructs(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: the program links all packages")
	}
	public := publicPackages(t)
	var want []string
	for _, p := range public {
		for _, file := range p.syntax {
			for _, d := range file.Decls {
				if g, ok := d.(*ast.GenDecl); ok && g.Tok == token.TYPE {
					p.addStructs(g)
				}
			}
		}
		want = append(want, p.Structs...)
	}
	require.Contains(t, want, "DeviceInfo")
	public = slices.DeleteFunc(public, func(p *publicPackage) bool { return p.Structs == nil })

	var program bytes.Buffer
	require.NoError(t, printProgram.Execute(&program, public))
	path := filepath.Join(t.TempDir(), "main.go")
	require.NoError(t, os.WriteFile(path, program.Bytes(), 0o600))
	out, err := goTool(here, "run", path).CombinedOutput()
	require.NoError(t, err, "%s", out)
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	require.Len(t, lines, len(want))
	for _, line := range lines {
		require.NotContains(t, line, "0x")
		require.NotContains(t, line, "cannot be sent") // a union can still be wrong, without its discriminator
	}
}

func (p *publicPackage) addStructs(g *ast.GenDecl) {
	for _, s := range g.Specs {
		s := s.(*ast.TypeSpec)
		if _, ok := s.Type.(*ast.StructType); ok && s.Name.IsExported() && s.TypeParams == nil {
			p.Structs = append(p.Structs, s.Name.Name)
		}
	}
}

// printProgram prints the filled structs of packages, one on each line.
var printProgram = template.Must(template.New("main.go").Parse(`package main

import (
	"fmt"
	"reflect"

	"github.com/qmpkit/qmpkit/qmp"
{{range $i, $p := .}}	p{{$i}} "{{$p.Path}}"
{{end}})

// fill makes what pointers and slices can hold. Some types refer to themselves.
func fill(v reflect.Value, depth int) {
	switch v.Kind() {
	case reflect.Pointer:
		if depth < 5 {
			v.Set(reflect.New(v.Type().Elem()))
			fill(v.Elem(), depth+1)
		}
	case reflect.Slice:
		if depth < 5 {
			v.Set(reflect.MakeSlice(v.Type(), 1, 1))
			fill(v.Index(0), depth+1)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				fill(v.Field(i), depth)
			}
		}
	}
}

func show[T any]() {
	var v T
	fill(reflect.ValueOf(&v).Elem(), 0)
	fmt.Printf("%T %v\n", v, qmp.Redacted(&v))
}

func main() {
{{range $i, $p := .}}{{range $p.Structs}}	show[p{{$i}}.{{.}}]()
{{end}}{{end}}}
`))
