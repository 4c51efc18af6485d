package gogen_test

import (
	"fmt"
	"go/ast"
	"go/doc/comment"
	"go/parser"
	"go/token"
	"go/types"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestCommittedComments: the examples of the committed packages compile, and every link in their comments
// leads to something.
func TestCommittedComments(t *testing.T) {
	imports := newImporter()
	for _, name := range []string{"qemu", "storage", "guest"} {
		dir := filepath.Join(moduleRoot(t), "qmp", "generated", name)
		pkg, err := imports.Import(module + "/qmp/generated/" + name)
		require.NoError(t, err)
		paths, err := filepath.Glob(filepath.Join(dir, "*_gen.go"))
		require.NoError(t, err)
		links := 0
		for _, path := range paths {
			data, err := os.ReadFile(path)
			require.NoError(t, err)
			if filepath.Base(path) == "package_gen.go" {
				checkExamples(t, imports, pkg, data)
			}
			f, err := parser.ParseFile(token.NewFileSet(), path, data, parser.ParseComments)
			require.NoError(t, err)
			for _, group := range f.Comments {
				links += checkDocLinks(t, imports, pkg, group.Text())
			}
		}
		require.NotZero(t, links)
	}
}

// bracketed is a link that has not become one.
var bracketed = regexp.MustCompile(`\[[^\s\]]+\]`)

// checkDocLinks checks the links in a comment of a package and returns how many there are.
func checkDocLinks(t *testing.T, imports types.Importer, pkg *types.Package, text string) (links int) {
	t.Helper()
	parser := comment.Parser{
		LookupPackage: func(name string) (path string, ok bool) {
			for _, p := range pkg.Imports() {
				if p.Name() == name {
					return p.Path(), true
				}
			}
			return "", false
		},
		LookupSym: func(recv, name string) bool { return true },
	}
	check := func(text []comment.Text) {
		for _, part := range text {
			switch part := part.(type) {
			case *comment.DocLink:
				links++
				in := pkg
				if part.ImportPath != "" {
					var err error
					in, err = imports.Import(part.ImportPath)
					require.NoError(t, err)
				}
				require.True(t, declares(in, part.Recv, part.Name), "%s: nothing is there for the link %v", pkg.Name(), part)
			case *comment.Link:
				require.Regexp(t, `^https://www\.qemu\.org/docs/master/interop/(index\.html|[a-z-]+\.html#[a-z]+-Q(MP|SD|GA)-[a-z0-9-]+\.\S+)$`, part.URL)
				links++
			case comment.Plain:
				require.NotRegexp(t, bracketed, string(part), pkg.Name())
			}
		}
	}
	for _, block := range parser.Parse(text).Content {
		switch block := block.(type) {
		case *comment.Paragraph:
			check(block.Text)
		case *comment.List:
			for _, item := range block.Items {
				for _, p := range item.Content {
					check(p.(*comment.Paragraph).Text)
				}
			}
		}
	}
	return links
}

// declares reports whether a package has a name, or a method or field of a type that it has. A link to the
// package itself has no name.
func declares(pkg *types.Package, recv, name string) bool {
	if recv == "" {
		return name == "" || pkg.Scope().Lookup(name) != nil
	}
	typ := pkg.Scope().Lookup(recv)
	if typ == nil {
		return false
	}
	found, _, _ := types.LookupFieldOrMethod(typ.Type(), true, pkg, name)
	return found != nil
}

// checkExamples type-checks the code in the comment of a generated package, as another package has it.
func checkExamples(t *testing.T, imports types.Importer, pkg *types.Package, packageFile []byte) {
	t.Helper()
	f, err := parser.ParseFile(token.NewFileSet(), "package_gen.go", packageFile, parser.ParseComments|parser.PackageClauseOnly)
	require.NoError(t, err)
	client := "*qmp.Client"
	if strings.Contains(f.Doc.Text(), "DialGuest") {
		client = "*qmp.GuestClient"
	}
	var body strings.Builder
	for i, block := range new(comment.Parser).Parse(f.Doc.Text()).Content {
		if code, ok := block.(*comment.Code); ok {
			fmt.Fprintf(&body, "func _(ctx context.Context, c %s) error {\n// example %d\n%s\nreturn nil\n}\n", client, i, code.Text)
		}
	}
	if body.Len() == 0 {
		return // all commands have many mandatory arguments
	}
	text := "package examples\nimport (\n\"context\"\n"
	for name, path := range map[string]string{
		"fmt": "fmt", "json": "encoding/json", "slog": "log/slog",
		"qmp": module + "/qmp", "qmpschema": module + "/qmp/qmpschema", f.Name.Name: "generated",
	} {
		if strings.Contains(body.String(), name+".") || name == "qmp" {
			text += fmt.Sprintf("%s %q\n", name, path)
		}
	}
	text += ")\n" + body.String()
	fset := token.NewFileSet()
	parsed, err := parser.ParseFile(fset, "examples.go", text, 0)
	require.NoError(t, err, text)
	config := types.Config{Importer: generatedImporter{imports, pkg}}
	_, err = config.Check("examples", fset, []*ast.File{parsed}, nil)
	require.NoError(t, err, text)
}

// generatedImporter imports the generated package besides others.
type generatedImporter struct {
	types.Importer
	generated *types.Package
}

func (i generatedImporter) Import(path string) (*types.Package, error) {
	if path == "generated" {
		return i.generated, nil
	}
	return i.Importer.Import(path)
}
