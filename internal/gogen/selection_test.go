package gogen_test

import (
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/internal/gogen"
	"github.com/qmpkit/qmpkit/qapi"
	"github.com/qmpkit/qmpkit/testdata/schema"
)

// TestOnlyEach generates a package for each command and each event of the snapshots alone: it is
// complete, everything in it is there for that one, and it has the name that it has among all.
func TestOnlyEach(t *testing.T) {
	std := newImporter()
	for _, tree := range trees {
		s, err := qapi.LoadFS(schema.FS, "10.2/"+tree.main, nil)
		require.NoError(t, err)
		all, err := gogen.Generate(s, gogen.Options{Package: tree.name})
		require.NoError(t, err)
		whole := check(t, std, all)
		for _, d := range s.Definitions {
			switch d.(type) {
			case *qapi.Command, *qapi.Event:
			default:
				continue
			}
			name := d.Head().Name
			files, err := gogen.Generate(s, gogen.Options{Package: tree.name, Selection: gogen.Selection{Only: []string{name}}})
			require.NoError(t, err, name)
			p := check(t, std, files)
			seeds := p.withMethod("Do", "EventName")
			require.Len(t, seeds, 1, name)
			require.Contains(t, whole.users, seeds[0], "a name of its own for %s", name)
			needed := p.reached(seeds[0])
			needed["RawBranch"] = true // of every package with unions
			for typ := range p.users {
				require.True(t, needed[typ], "%s is there for %s, which does not need it", typ, name)
			}
		}
	}
}

// cachedImporter imports from source, each package once: the importer below asks the go command
// each time where a package is.
type cachedImporter struct {
	types.Importer
	known map[string]*types.Package
}

func newImporter() *cachedImporter {
	return &cachedImporter{importer.ForCompiler(token.NewFileSet(), "source", nil), map[string]*types.Package{}}
}

func (c *cachedImporter) Import(path string) (p *types.Package, err error) {
	if c.known[path] == nil {
		c.known[path], err = c.Importer.Import(path)
	}
	return c.known[path], err
}

// checkedPackage is a package that was type-checked: its types, with the names that each of them uses
// in its declaration and its methods.
type checkedPackage struct {
	users   map[string]map[string]bool
	methods map[string][]string
}

// check type-checks a generated package.
func check(t *testing.T, imports types.Importer, files map[string][]byte) *checkedPackage {
	t.Helper()
	fset := token.NewFileSet()
	var parsed []*ast.File
	for _, name := range slices.Sorted(maps.Keys(files)) {
		f, err := parser.ParseFile(fset, name, files[name], parser.SkipObjectResolution)
		require.NoError(t, err)
		parsed = append(parsed, f)
	}
	config := types.Config{Importer: imports}
	pkg, err := config.Check("p", fset, parsed, nil)
	require.NoError(t, err)
	checkExamples(t, imports, pkg, files["package_gen.go"])
	p := &checkedPackage{map[string]map[string]bool{}, map[string][]string{}}
	for _, f := range parsed {
		for _, d := range f.Decls {
			switch d := d.(type) {
			case *ast.GenDecl:
				for _, spec := range d.Specs {
					if spec, ok := spec.(*ast.TypeSpec); ok {
						p.use(spec.Name.Name, spec.Type)
					}
				}
			case *ast.FuncDecl:
				if d.Recv == nil {
					continue
				}
				receiver := strings.TrimPrefix(types.ExprString(d.Recv.List[0].Type), "*")
				p.methods[receiver] = append(p.methods[receiver], d.Name.Name)
				p.use(receiver, d.Type)
				p.use(receiver, d.Body)
			}
		}
	}
	return p
}

func (p *checkedPackage) use(typ string, node ast.Node) {
	if p.users[typ] == nil {
		p.users[typ] = map[string]bool{}
	}
	ast.Inspect(node, func(n ast.Node) bool {
		if id, ok := n.(*ast.Ident); ok {
			p.users[typ][id.Name] = true
		}
		return true
	})
}

// withMethod returns the types with a method of one of the names.
func (p *checkedPackage) withMethod(names ...string) (found []string) {
	for typ, methods := range p.methods {
		if slices.ContainsFunc(methods, func(m string) bool { return slices.Contains(names, m) }) {
			found = append(found, typ)
		}
	}
	return found
}

// reached returns the types that one needs, itself among them.
func (p *checkedPackage) reached(typ string) map[string]bool {
	found := map[string]bool{}
	for next := []string{typ}; len(next) > 0; {
		name := next[0]
		next = next[1:]
		if _, ours := p.users[name]; !ours || found[name] {
			continue
		}
		found[name] = true
		next = slices.AppendSeq(next, maps.Keys(p.users[name]))
	}
	return found
}

// TestModulesAreAll: what all modules hold is the whole package, but for the types that nothing
// uses.
func TestModulesAreAll(t *testing.T) {
	s, err := qapi.LoadFS(schema.FS, "10.2/"+schema.Guest, nil)
	require.NoError(t, err)
	all, err := gogen.Generate(s, gogen.Options{Package: "guest"})
	require.NoError(t, err)
	some, err := gogen.Generate(s, gogen.Options{Package: "guest", Selection: gogen.Selection{Modules: []string{"qapi-schema"}}})
	require.NoError(t, err)
	require.Equal(t, slices.Sorted(maps.Keys(all)), slices.Sorted(maps.Keys(some)))
	require.Equal(t, string(all["qapi_schema_gen.go"]), string(some["qapi_schema_gen.go"]))
}

// TestDefineBuilds generates the snapshots for builds with all symbols and with none.
func TestDefineBuilds(t *testing.T) {
	std := newImporter()
	for _, tree := range trees {
		s, err := qapi.LoadFS(schema.FS, "10.2/"+tree.main, nil)
		require.NoError(t, err)
		for _, sel := range []gogen.Selection{{Define: []string{}}, {Undefine: []string{}}, {Define: []string{"CONFIG_LINUX"}}} {
			files, err := gogen.Generate(s, gogen.Options{Package: tree.name, Selection: sel})
			require.NoError(t, err)
			check(t, std, files)
			for name, data := range files {
				require.NotContains(t, string(data), "Only in a QEMU built with", name)
			}
		}
	}
}
