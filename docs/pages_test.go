// Package docs has the pages. Its tests check that the Go code on the pages compiles, that the commands of a page
// with a program run in their order, and that links and file names exist.
package docs

import (
	"bytes"
	"context"
	"fmt"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/internal/qemutest"
	"github.com/qmpkit/qmpkit/qmp"
)

const root = ".."

// A block is a fenced block of a page.
type block struct {
	kind string // "go", "sh", "text" or none
	text string
	line int
}

var fenced = regexp.MustCompile("(?ms)^```(\\w*)\n(.*?)^```$")

// readPage returns a page below the module's folder, and its blocks.
func readPage(t *testing.T, page string) (text string, blocks []block) {
	t.Helper()
	read, err := os.ReadFile(filepath.Join(root, page))
	require.NoError(t, err)
	text = string(read)
	for _, m := range fenced.FindAllStringSubmatchIndex(text, -1) {
		blocks = append(blocks, block{text[m[2]:m[3]], text[m[4]:m[5]], 2 + strings.Count(text[:m[0]], "\n")})
	}
	return text, blocks
}

// allPages returns the pages of the module, as paths below its folder.
func allPages(t *testing.T) []string {
	t.Helper()
	var pages []string
	for _, pattern := range []string{"*.md", "docs/*.md"} {
		found, err := filepath.Glob(filepath.Join(root, pattern))
		require.NoError(t, err)
		for _, path := range found {
			page, err := filepath.Rel(root, path)
			require.NoError(t, err)
			pages = append(pages, filepath.ToSlash(page))
		}
	}
	require.Greater(t, len(pages), 12)
	return pages
}

// surroundings is what a block has in scope that is not a whole file.
const surroundings = `package page

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/qmpkit/qmpkit/block"
	"github.com/qmpkit/qmpkit/guestagent"
	"github.com/qmpkit/qmpkit/hotplug"
	"github.com/qmpkit/qmpkit/job"
	"github.com/qmpkit/qmpkit/launch"
	"github.com/qmpkit/qmpkit/machine"
	"github.com/qmpkit/qmpkit/migration"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/guest"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
	"github.com/qmpkit/qmpkit/qmp/introspect"
	"github.com/qmpkit/qmpkit/qmp/qmpfd"
	"github.com/qmpkit/qmpkit/qmp/qmplibvirt"
	"github.com/qmpkit/qmpkit/qmp/qmplibvirt/sasl"
	"github.com/qmpkit/qmpkit/qmp/qmpschema"
	"github.com/qmpkit/qmpkit/qmp/qmptest"
	"github.com/qmpkit/qmpkit/qmp/qmptls"
	"github.com/qmpkit/qmpkit/qom"
)

func page(ctx context.Context, t *testing.T, client *qmp.Client, vm *hotplug.VM, disks *block.VM, agent *guestagent.Agent, source, destination *qmp.Client,
	schema *introspect.Schema, answer []byte, checked qmp.Conn, add qemu.BlockdevAdd, mirror qemu.BlockdevMirror,
	taps []*os.File, core *os.File, p *launch.Process, conn *qmplibvirt.Conn, web *qmplibvirt.Domain,
	pool *x509.CertPool, own []tls.Certificate, password string) error {
	{
//line %s:%d
%s
	}
	return nil
}
`

// TestCode checks that Go code on the pages compiles. Blocks without a package clause are statements. The
// blocks of generate.md are files of modules that tests of gen/qapigen build.
func TestCode(t *testing.T) {
	fset := token.NewFileSet()
	exports := exportData(t)
	imports := importer.ForCompiler(fset, "gc", func(path string) (io.ReadCloser, error) {
		return os.Open(exports[path])
	})
	checkFiles := func(page string, ignoreUnused bool, sources ...string) {
		var files []*ast.File
		for _, source := range sources {
			file, err := parser.ParseFile(fset, page, source, 0)
			if err != nil {
				t.Error(err)
				return
			}
			files = append(files, file)
		}
		config := types.Config{Importer: imports, Error: func(err error) {
			if e, ok := err.(types.Error); !ok || !e.Soft || !ignoreUnused {
				t.Error(err)
			}
		}}
		_, _ = config.Check("page", fset, files, nil) // Error has the errors
	}
	for _, page := range allPages(t) {
		if page == "docs/generate.md" {
			continue
		}
		packages := map[string][]string{} // the files of a package, by its name
		_, blocks := readPage(t, page)
		for _, b := range blocks {
			clause := regexp.MustCompile(`\Apackage (\w+)`).FindStringSubmatch(b.text)
			switch {
			case b.kind != "go":
			case clause != nil:
				source := fmt.Sprintf("//line %s:%d\n%s", filepath.Base(page), b.line, b.text)
				packages[clause[1]] = append(packages[clause[1]], source)
			default:
				checkFiles(page, true, fmt.Sprintf(surroundings, filepath.Base(page), b.line, b.text))
			}
		}
		for _, files := range packages {
			checkFiles(page, false, files...)
		}
	}
}

// TestNames checks that the Go names in the text of pages exist: hotplug.ErrExists, VM.AddDisk.
func TestNames(t *testing.T) {
	exports := exportData(t)
	imports := importer.ForCompiler(token.NewFileSet(), "gc", func(path string) (io.ReadCloser, error) {
		return os.Open(exports[path])
	})
	packages := map[string]*types.Package{}
	for _, path := range []string{"block", "guestagent", "hotplug", "job", "launch", "machine", "migration", "qmp", "qmp/generated/qemu", "qmp/introspect", "qmp/qmpfd",
		"qmp/qmpschema", "qmp/qmptest", "qmp/wire", "qom"} {
		p, err := imports.Import("github.com/qmpkit/qmpkit/" + path)
		require.NoError(t, err)
		packages[p.Name()] = p
	}
	exists := func(of, name string) bool {
		if p := packages[of]; p != nil {
			return p.Scope().Lookup(name) != nil
		}
		for _, p := range packages {
			if o := p.Scope().Lookup(of); o != nil {
				if member, _, _ := types.LookupFieldOrMethod(o.Type(), true, p, name); member != nil {
					return true
				}
			}
		}
		return false
	}
	qualified := regexp.MustCompile(`(?:^|[^\w./])((?:[a-z]\w*\.)?[A-Z]\w*|[a-z]\w*)\.([A-Z]\w*)`)
	for _, page := range []string{"README.md", "docs/block.md", "docs/connect.md", "docs/cpus-and-memory.md", "docs/descriptors.md", "docs/devices.md",
		"docs/events.md", "docs/guest-agent.md", "docs/hotplug.md", "docs/jobs.md", "docs/launch.md", "docs/machine.md", "docs/machines.md",
		"docs/migrate.md", "docs/operations.md", "docs/qom.md", "docs/schemas.md", "docs/testing.md", "docs/versions.md"} {
		text, _ := readPage(t, page)
		for _, code := range quoted.FindAllStringSubmatch(fenced.ReplaceAllString(text, ""), -1) {
			for _, m := range qualified.FindAllStringSubmatch(code[1], -1) {
				of := m[1][strings.LastIndex(m[1], ".")+1:] // qmptest.Options.Schema is Options.Schema
				_, ours := packages[of]
				if (ours || of[0] < 'a') && !exists(of, m[2]) {
					t.Errorf("%s: %s.%s does not exist", page, m[1], m[2])
				}
			}
		}
	}
}

// exportData returns the files with what packages export, by their paths.
func exportData(t *testing.T) map[string]string {
	t.Helper()
	cmd := exec.Command("go", "list", "-deps", "-export", "-f", "{{.ImportPath}} {{.Export}}",
		"./block", "./guestagent", "./hotplug", "./job", "./launch", "./machine", "./migration", "./qmp/...", "./qom", "testing", "log/slog", "os/exec", "os/signal")
	cmd.Dir = root
	out, err := cmd.Output()
	require.NoError(t, err)
	exports := map[string]string{}
	for line := range strings.Lines(string(out)) {
		path, file, _ := strings.Cut(strings.TrimSpace(line), " ")
		exports[path] = file
	}
	return exports
}

// TestPrograms types the commands of pages that show a program, and compares what the program prints with the
// page.
func TestPrograms(t *testing.T) {
	qemutest.Run(t, []string{"7.2", "11.1"}, func(t *testing.T, q *qemutest.QEMU) {
		for _, page := range []string{"block", "connect", "hotplug", "cpus-and-memory", "descriptors", "events", "jobs", "launch", "machine", "migrate", "qom", "schemas"} {
			t.Run(page, func(t *testing.T) {
				t.Parallel()
				newTerminal(t, q, "docs/"+page+".md").typeAll()
			})
		}
	})
}

// TestTesting runs the test on the page about tests.
func TestTesting(t *testing.T) {
	newTerminal(t, nil, "docs/testing.md").typeAll()
}

// TestVet vets the file on the page about vet.
func TestVet(t *testing.T) {
	term := newTerminal(t, nil, "docs/vet.md")
	cmd := exec.Command("go", append([]string{"run", "./gen/qapigen", "vet", "-qemu", "5.2..11.1"}, term.files...)...)
	cmd.Dir = root
	out, err := cmd.Output()
	require.ErrorAs(t, err, new(*exec.ExitError), "vet has something to report")
	printed := regexp.MustCompile(`(?m)^.*/vm\.go:`).ReplaceAllString(string(out), "start.go:")
	require.Contains(t, term.outputs(), printed)
}

// TestHotplugWithGuest runs the program of hotplug.md on a machine that runs Linux, which releases devices.
func TestHotplugWithGuest(t *testing.T) {
	q := qemutest.Get(t, "11.1")
	vm := q.Start(t, qemutest.Config{Machine: "q35", Guest: true})
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	require.NoError(t, vm.WaitGuest(ctx))
	term := newTerminal(t, q, "docs/hotplug.md")
	require.NoError(t, os.Symlink(vm.Socket(), filepath.Join(term.dir, "vm.sock")))
	term.shell("truncate -s 64M /tmp/data1.img")
	require.Contains(t, term.outputs(), term.shell("go run ."))
}

// TestREADME runs the first code of the README on a machine of the type pc.
func TestREADME(t *testing.T) {
	q := qemutest.Get(t, "11.1")
	_, blocks := readPage(t, "README.md")
	require.Equal(t, "go", blocks[0].kind)
	require.LessOrEqual(t, strings.Count(blocks[0].text, "\n"), 15)
	vm := q.Start(t, qemutest.Config{Machine: "pc"})
	term := newTerminal(t, q, "README.md")
	require.NoError(t, os.Symlink(vm.Socket(), filepath.Join(term.dir, "vm.sock")))
	term.writeStatements("hotplug", strings.NewReplacer("/run/vm1/qmp.sock", "/tmp/vm.sock", "/srv/", "/tmp/").Replace(blocks[0].text))
	term.shell("truncate -s 64M /tmp/data1.img")
	require.Equal(t, withoutVersions("11.1.3 running\n"), withoutVersions(term.shell("go run .")))
}

// TestVersions asks QEMU 5.2 for what the first code of versions.md needs.
func TestVersions(t *testing.T) {
	q := qemutest.Get(t, "5.2")
	_, blocks := readPage(t, "docs/versions.md")
	require.Equal(t, "go", blocks[0].kind)
	require.Equal(t, "text", blocks[1].kind)
	term := newTerminal(t, q, "docs/versions.md")
	require.NoError(t, os.Symlink(q.Start(t, qemutest.Config{}).Socket(), filepath.Join(term.dir, "vm.sock")))
	term.writeStatements("qmp/qmpschema", `client, err := qmp.Dial(ctx, "/tmp/vm.sock", nil)
	if err != nil {
		return err
	}
	defer client.Close()
`+blocks[0].text+`
	for _, path := range missing {
		fmt.Println(path)
	}
	return err
`)
	require.Equal(t, blocks[1].text, term.shell("go run ."))
}

// TestMigrateToFile runs the code of migrate.md that saves a machine to a file and loads it.
func TestMigrateToFile(t *testing.T) {
	term := newTerminal(t, qemutest.Get(t, "11.1"), "docs/migrate.md")
	i := slices.IndexFunc(term.blocks, func(b block) bool { return strings.HasPrefix(b.text, "state := migration.File(") })
	require.Positive(t, i)
	code := `fmt.Println("begins")
`
	for _, side := range []string{"source", "destination"} {
		code += side + `, err := qmp.Dial(ctx, "/tmp/` + side + `.sock", nil)
	if err != nil {
		return err
	}
	defer ` + side + `.Close()
`
	}
	term.writeStatements("migration", code+"{\n"+strings.ReplaceAll(term.blocks[i].text, "/srv/", "/tmp/")+"}\n")
	term.start("qemu-system-x86_64 -display none -qmp unix:/tmp/source.sock,server=on,wait=off")
	term.start("qemu-system-x86_64 -display none -qmp unix:/tmp/destination.sock,server=on,wait=off -incoming defer")
	require.Equal(t, "begins\n", term.shell("go run ."))
}

// A terminal types the commands of a page. The folder /tmp of the page is a folder of the test.
type terminal struct {
	t      *testing.T
	dir    string
	path   string // where programs are looked for
	files  []string
	blocks []block
}

func newTerminal(t *testing.T, q *qemutest.QEMU, page string) *terminal {
	t.Helper()
	term := &terminal{t: t, dir: t.TempDir(), path: os.Getenv("PATH")}
	if q != nil {
		require.NoError(t, os.Symlink(q.Path, filepath.Join(term.dir, "qemu-system-x86_64")))
		term.path = term.dir + string(os.PathListSeparator) + term.path
	}
	_, term.blocks = readPage(t, page)
	for _, b := range term.blocks {
		switch {
		case b.kind != "go" || !strings.HasPrefix(b.text, "package "):
		case strings.Contains(b.text, "*testing.T"):
			term.write("vm_test.go", b.text)
		case strings.HasPrefix(b.text, "package main"):
			term.write("main.go", b.text)
		default:
			term.write("vm.go", b.text)
		}
	}
	return term
}

func (term *terminal) write(name, text string) {
	term.t.Helper()
	path := filepath.Join(term.dir, name)
	require.NoError(term.t, os.WriteFile(path, []byte(term.here(text)), 0o666))
	if !slices.Contains(term.files, path) {
		term.files = append(term.files, path)
	}
}

// writeStatements writes a program of statements that need a package and end with a return of an error.
func (term *terminal) writeStatements(needs, statements string) {
	term.t.Helper()
	term.write("main.go", `package main
import (
	"context"
	"fmt"
	"log"

	"github.com/qmpkit/qmpkit/`+needs+`"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)
func main() {
	if err := run(context.Background()); err != nil {
		log.Fatal(err)
	}
}
func run(ctx context.Context) error {
`+statements+"}\n")
}

// here replaces the folder /tmp.
func (term *terminal) here(text string) string {
	return strings.ReplaceAll(text, "/tmp/", term.dir+"/")
}

// outputs returns what the page says that commands print.
func (term *terminal) outputs() (texts []string) {
	for _, b := range term.blocks {
		if b.kind == "text" {
			texts = append(texts, b.text)
		}
	}
	return texts
}

// typeAll types all commands of the page. A block "text" after a block is what its commands print.
func (term *terminal) typeAll() {
	term.t.Helper()
	ran := false
	for i, b := range term.blocks {
		if b.kind != "sh" {
			continue
		}
		printed := ""
		for command := range strings.Lines(strings.ReplaceAll(b.text, "\\\n", "")) {
			switch command = strings.TrimSpace(command); {
			case strings.HasPrefix(command, "go mod "), strings.HasPrefix(command, "go get "): // the module is this one
			case strings.HasPrefix(command, "qemu-system-"):
				term.start(command)
			default:
				printed += term.shell(command)
				ran = ran || strings.HasPrefix(command, "go ")
			}
		}
		if i+1 < len(term.blocks) && term.blocks[i+1].kind == "text" {
			require.Equal(term.t, withoutVersions(term.blocks[i+1].text), withoutVersions(printed))
		}
	}
	require.True(term.t, ran, "the page runs no program")
}

// withoutVersions replaces the version of QEMU, which may have that of a package behind it.
func withoutVersions(text string) string {
	return regexp.MustCompile(`\d+\.\d+\.\d+( \([^)]*\))?`).ReplaceAllString(text, "VERSION")
}

// shell types a command and returns what it prints.
func (term *terminal) shell(command string) string {
	term.t.Helper()
	command = regexp.MustCompile(`\Ago (run|test) \.`).ReplaceAllString(term.here(command), "go $1 "+strings.Join(term.files, " "))
	command = strings.Replace(command, "go tool qapigen", "go run ./gen/qapigen", 1) // which is in this module
	cmd := exec.CommandContext(term.t.Context(), "sh", "-ec", command)
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "PATH="+term.path)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	require.NoError(term.t, err, "%s\n%s%s", command, out, &stderr)
	return string(out)
}

// start types a command that runs until the end of the test, and waits for its sockets.
func (term *terminal) start(command string) {
	term.t.Helper()
	var output bytes.Buffer
	cmd := exec.Command("sh", "-ec", "exec "+term.here(command))
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "PATH="+term.path)
	cmd.Stdout, cmd.Stderr = &output, &output
	require.NoError(term.t, cmd.Start())
	term.t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // it was killed
		if term.t.Failed() {
			term.t.Log(output.String())
		}
	})
	for _, m := range regexp.MustCompile(`-qmp unix:([^,]+),`).FindAllStringSubmatch(term.here(command), -1) {
		ctx, cancel := context.WithTimeout(term.t.Context(), time.Minute)
		defer cancel()
		client, err := qmp.DialWait(ctx, m[1], nil, nil)
		require.NoError(term.t, err)
		require.NoError(term.t, client.Close())
	}
}
