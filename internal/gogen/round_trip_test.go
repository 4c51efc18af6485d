package gogen_test

import (
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/internal/gogen"
	"github.com/qmpkit/qmpkit/internal/qemutest"
	"github.com/qmpkit/qmpkit/internal/unmask"
	"github.com/qmpkit/qmpkit/qapi"
	"github.com/qmpkit/qmpkit/testdata/schema"
)

// These tests let package schematest check generated packages with random values. It needs
// values of types that the test itself cannot import, of packages that were not there when it
// was compiled. So a test is made for them in folders that exist in an overlay of the go command
// only: the tree stays as it is.

const module = "github.com/qmpkit/qmpkit"

// trees are the schemas of a QEMU tree, with the packages that are generated from them.
var trees = []struct{ name, main string }{
	{"qemu", schema.QEMU},
	{"storage", schema.Storage},
	{"guest", schema.Guest},
}

// TestCommitted checks the packages in the tree.
func TestCommitted(t *testing.T) {
	root := moduleRoot(t)
	o := newOverlay(t, root, "committed")
	for _, tree := range trees {
		files := map[string][]byte{}
		names, err := filepath.Glob(filepath.Join(root, "qmp/generated", tree.name, "*_gen.go"))
		require.NoError(t, err)
		for _, name := range names {
			files[name], err = os.ReadFile(name)
			require.NoError(t, err)
		}
		o.addTest(checked{
			name:   tree.name,
			path:   module + "/qmp/generated/" + tree.name,
			schema: fmt.Sprintf("schematest.Committed(t, %q)", tree.name),
			types:  exportedTypes(t, files),
		})
	}
	o.run()
}

// TestOtherVersions checks packages that are generated from QEMU's own schemas of other versions.
func TestOtherVersions(t *testing.T) {
	for _, version := range qemutest.SourceVersions {
		t.Run(version, func(t *testing.T) {
			checkTree(t, qemutest.Source(t, version))
		})
	}
}

// TestMerged checks packages for QEMU 10.0 and 5.2.
func TestMerged(t *testing.T) {
	dir := t.TempDir()
	for _, tree := range trees {
		s, err := qapi.Load(filepath.Join(qemutest.Source(t, "10.0"), tree.main), nil)
		require.NoError(t, err)
		old, err := qapi.Load(filepath.Join(qemutest.Source(t, "5.2"), tree.main), nil)
		require.NoError(t, err)
		merged, err := unmask.Join(s, old.Introspect(qapi.IntrospectOptions{Unmask: true}), unmask.JoinOptions{Looser: true})
		require.NoError(t, err)
		folder := filepath.Dir(filepath.Join(dir, tree.main))
		require.NoError(t, os.MkdirAll(folder, 0o777))
		for name, text := range merged.Files {
			require.NoError(t, os.WriteFile(filepath.Join(folder, name), text, 0o666))
		}
	}
	checkTree(t, dir)
}

func checkTree(t *testing.T, dir string) {
	o := newOverlay(t, moduleRoot(t), "other")
	for _, tree := range trees {
		main := filepath.Join(dir, tree.main)
		s, err := qapi.Load(main, nil)
		require.NoError(t, err)
		files, err := gogen.Generate(s, gogen.Options{Package: tree.name})
		require.NoError(t, err)
		for name, data := range files {
			o.add(path.Join(tree.name, name), data)
		}
		o.addTest(checked{
			name:   tree.name,
			path:   o.path + "/" + tree.name,
			schema: fmt.Sprintf("schematest.Load(t, %q)", main),
			types:  exportedTypes(t, files),
		})
	}
	o.run()
}

func moduleRoot(t *testing.T) string {
	root, err := filepath.Abs("../..")
	require.NoError(t, err)
	return root
}

// exportedTypes returns the names of the exported types of a package but for interfaces.
func exportedTypes(t *testing.T, files map[string][]byte) []string {
	require.NotEmpty(t, files)
	var types []string
	for _, name := range slices.Sorted(maps.Keys(files)) {
		f, err := parser.ParseFile(token.NewFileSet(), name, files[name], parser.SkipObjectResolution)
		require.NoError(t, err)
		for _, d := range f.Decls {
			d, ok := d.(*ast.GenDecl)
			if !ok || d.Tok != token.TYPE {
				continue
			}
			for _, spec := range d.Specs {
				spec := spec.(*ast.TypeSpec)
				if _, isInterface := spec.Type.(*ast.InterfaceType); spec.Name.IsExported() && !isInterface {
					types = append(types, spec.Name.Name)
				}
			}
		}
	}
	return types
}

// checked is a generated package to be checked.
type checked struct {
	name   string
	path   string // to import it by
	schema string // the expression for it
	types  []string
}

// overlay is a package of tests that exists for the go command only.
type overlay struct {
	t     *testing.T
	root  string // of the module
	path  string // of the package
	temp  string
	files map[string]string // from places in the tree to where the files are
}

func newOverlay(t *testing.T, root, name string) *overlay {
	return &overlay{
		t:     t,
		root:  root,
		path:  module + "/internal/gogen/internal/" + name,
		temp:  t.TempDir(),
		files: map[string]string{},
	}
}

// add adds a file to the folder of the package.
func (o *overlay) add(name string, data []byte) {
	real := filepath.Join(o.temp, filepath.FromSlash(name))
	require.NoError(o.t, os.MkdirAll(filepath.Dir(real), 0o777))
	require.NoError(o.t, os.WriteFile(real, data, 0o666))
	folder := strings.TrimPrefix(o.path, module+"/")
	o.files[filepath.Join(o.root, filepath.FromSlash(path.Join(folder, name)))] = real
}

// addTest adds a test that checks a package.
func (o *overlay) addTest(c checked) {
	var b strings.Builder
	fmt.Fprintf(&b, `package overlay

import (
	"reflect"
	"testing"

	"github.com/qmpkit/qmpkit/internal/schematest"
	"%s"
)

func Test_%s(t *testing.T) {
	t.Parallel()
	p := &schematest.Package{Schema: %s}
`, c.path, c.name, c.schema)
	b.WriteString("\tfor _, pointer := range []any{\n")
	for _, name := range c.types {
		fmt.Fprintf(&b, "\t\t(*%s.%s)(nil),\n", c.name, name)
	}
	b.WriteString("\t} {\n\t\tp.Types = append(p.Types, reflect.TypeOf(pointer).Elem())\n\t}\n")
	for _, s := range gogen.SecretMembers() {
		fmt.Fprintf(&b, "\tp.Secrets = append(p.Secrets, schematest.Secret{Owner: %q, Member: %q})\n", s[0], s[1])
	}
	fmt.Fprintf(&b, "\tp.SecretInText = %#v\n", gogen.SecretInText())
	fmt.Fprintf(&b, "\tp.Unsent = %#v\n", gogen.UnsentValues())
	if slices.ContainsFunc(c.types, func(name string) bool { return strings.HasSuffix(name, "Event") }) {
		fmt.Fprintf(&b, "\tp.DecodeEvent = %s.DecodeEvent\n", c.name)
	}
	b.WriteString("\tschematest.Check(t, p)\n}\n")
	o.add(c.name+"_test.go", []byte(b.String()))
}

// run compiles the tests and runs them.
func (o *overlay) run() {
	t := o.t
	replace, err := json.Marshal(map[string]any{"Replace": o.files})
	require.NoError(t, err)
	config, program := filepath.Join(o.temp, "overlay.json"), filepath.Join(o.temp, "checks.test")
	require.NoError(t, os.WriteFile(config, replace, 0o666))
	// Vet would look for the folders. Code that runs for a second is not worth optimizing, which
	// takes the compiler as long as all the rest.
	build := exec.CommandContext(t.Context(), "go", "test", "-c", "-vet=off", "-overlay", config,
		"-gcflags="+o.path+"/...=-N -l", "-o", program, o.path)
	build.Dir = o.root
	out, err := build.CombinedOutput()
	require.NoError(t, err, "%s", out)
	out, err = exec.CommandContext(t.Context(), program, "-test.v").CombinedOutput()
	require.NoError(t, err, "%s", out)
	t.Logf("%s", out)
}
