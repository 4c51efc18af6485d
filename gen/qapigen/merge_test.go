package main

import (
	"bytes"
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/internal/diff"
	"github.com/qmpkit/qmpkit/internal/gogen"
	"github.com/qmpkit/qmpkit/internal/qemutest"
	"github.com/qmpkit/qmpkit/internal/unmask"
	"github.com/qmpkit/qmpkit/qapi"
	"github.com/qmpkit/qmpkit/qapi/facts"
)

const capturedDir = "../../testdata/schema/captured/"

// TestMergeServers merges what real servers say and real source trees, in several mixes. A client of the
// merged schema is one of each source: nothing that this one takes is refused, and nothing is expected
// that it does not send.
func TestMergeServers(t *testing.T) {
	tree := func(version, main string) string { return filepath.Join(qemutest.Source(t, version), main) }
	newest := "../../testdata/schema/11.1/"
	for _, c := range []struct {
		name    string
		sources []string
	}{
		{"answers", []string{capturedDir + "5.2/qemu.json", capturedDir + "11.1/qemu.json", capturedDir + "7.2/qemu.json", capturedDir + "10.0/qemu.json"}},
		{"trees", []string{tree("5.2", "qapi/qapi-schema.json"), tree("7.2", "qapi/qapi-schema.json"), tree("10.0", "qapi/qapi-schema.json")}},
		{"mixed", []string{capturedDir + "7.2/qemu.json", newest + "qapi/qapi-schema.json", tree("5.2", "qapi/qapi-schema.json")}},
		{"storage", []string{newest + "storage-daemon/qapi/qapi-schema.json", capturedDir + "5.2/storage.json"}},
		{"guest", []string{tree("5.2", "qga/qapi-schema.json"), tree("10.0", "qga/qapi-schema.json")}},
	} {
		t.Run(c.name, func(t *testing.T) {
			merged, parts, err := mergeSchemas(t.Context(), c.sources, "", func(*unmask.Snapshot, string) {}, &bytes.Buffer{})
			require.NoError(t, err)
			require.Len(t, parts, len(c.sources))
			view := merged.Introspect(qapi.IntrospectOptions{Unmask: true})
			for _, p := range parts {
				changes, err := diff.Compare(p.inspect(), view)
				require.NoError(t, err)
				for _, change := range changes {
					if change.Breaking && !isLooser(change) {
						t.Errorf("the package lacks something of %s: %+v", p.name, change)
					}
				}
				changes, err = diff.Compare(view, p.inspect())
				require.NoError(t, err)
				for _, change := range changes {
					isMember := change.What == diff.Member && change.Direction != diff.Sent
					if isMember && change.Path != "query-sev/ret-type/sev-type" && (change.Kind == diff.Optional || change.Kind == diff.Removed && !strings.HasPrefix(change.Old, "optional ")) {
						t.Errorf("%s may leave out what the package needs: %+v", p.name, change)
					}
				}
			}
		})
	}
}

// isLooser reports whether a change is one to a looser form: something became optional, a string an enum, which
// Go has as a string, or one of the alternatives; a struct got branches, to which some of its members went
// (in a reply without a discriminator a RawBranch has them).
func isLooser(c diff.Change) bool {
	switch c.Kind {
	case diff.Optional, diff.Added:
		return true
	case diff.Retyped:
		return strings.HasPrefix(c.New, c.Old) || c.Old == "string" && c.New == "enum"
	}
	return strings.HasPrefix(c.New, "only in +")
}

// TestMergedComments merges what servers of several versions say. Each thing of the package that the facts know to be
// removed or deprecated says so, whichever source has it. No comment contradicts itself, or names a file that no QEMU has.
func TestMergedComments(t *testing.T) {
	for _, c := range []struct {
		server   string
		versions []string
	}{
		{"qemu", []string{"5.2", "11.1"}},
		{"qemu", []string{"5.2", "7.2", "10.0"}},
		{"qemu", []string{"5.2", "7.2", "10.0", "11.1"}},
		{"storage", []string{"5.2", "10.0"}},
	} {
		t.Run(c.server+" "+strings.Join(c.versions, " "), func(t *testing.T) {
			var sources, args []string
			for _, v := range c.versions {
				sources = append(sources, capturedDir+v+"/"+c.server+".json")
				args = append(args, "-schema", sources[len(sources)-1])
			}
			out := filepath.Join(t.TempDir(), "p")
			status, text := runQapigen(t, append([]string{"generate", "-package", "p", "-out", out}, args...)...)
			require.Zero(t, status, text)
			comments := commentsIn(t, out)
			for name, text := range comments {
				text = strings.Join(strings.Fields(text), " ")
				comments[name] = text
				if strings.Contains(text, "Removed ") && strings.Contains(text, "will remove") || strings.Contains(text, "new.json") {
					t.Errorf("the comment of %s: %s", name, text)
				}
			}

			merged, _, err := mergeSchemas(t.Context(), sources, "", func(*unmask.Snapshot, string) {}, &bytes.Buffer{})
			require.NoError(t, err)
			names, err := gogen.Names(merged)
			require.NoError(t, err)
			known := factsFor(func(command string) bool { return merged.Lookup(command) != nil })
			newest := c.versions[len(c.versions)-1]
			gone, deprecated := 0, 0
			for _, part := range partsOf(merged, known) {
				goName := names[part.owner]
				if part.name != "" {
					goName += "." + names[part.owner+"/"+part.name]
				}
				if value, ok := strings.CutPrefix(part.name, "^"); ok {
					goName = names[part.owner+"/^"+value]
				}
				comment, ok := comments[goName]
				if !ok {
					continue // it vanished: the data of a simple union's branch
				}
				if part.removedBy(newest) {
					gone++
					if !strings.Contains(comment, "Removed ") {
						t.Errorf("%s (%s) was removed in %v: %q", goName, part.paths, part.facts[0].Removed, comment)
					}
				}
				if part.deprecatedBy(newest) {
					deprecated++
					if !strings.Contains(comment, "Deprecated: QEMU") {
						t.Errorf("%s (%s) was deprecated in %v: %q", goName, part.paths, part.facts[0].Deprecated, comment)
					}
				}
			}
			t.Log(gone, "removed,", deprecated, "deprecated")
			if c.server == "qemu" {
				require.Greater(t, gone, 50)
				require.Greater(t, deprecated, 40)
			}
		})
	}
}

// TestCommentsOfAnswers looks at packages of servers' answers: what they say of types that have other names in newer
// QEMUs, or whose names qapigen made up, of what newer QEMUs removed, and of files that the server's QEMU does not have.
func TestCommentsOfAnswers(t *testing.T) {
	for _, c := range []struct {
		sources string
		want    map[string]string
	}{
		{"5.2", map[string]string{
			"SocketAddressLegacyTypeInet": "", // of a type that has another name now
			"SocketAddressLegacyType":     "SocketAddressLegacyType is the enum SocketAddressLegacyKind of sockets.json.",
			"QueryCPUsResultSPARC":        "QueryCPUsResultSPARC is the struct CpuInfoSPARC of machine.json. Removed in QEMU 6.0.",
			"QueryCPUsResultSPARC.PC":     "",
			"BlockPasswd":                 "BlockPasswd executes block_passwd. See block-core.json. Removed in QEMU 6.0.",
			"XBlockdevReopen":             "XBlockdevReopen executes x-blockdev-reopen. See block-core.json. Removed in QEMU 6.1. Use blockdev-reopen.",
			"Migrate.Blk":                 "Removed in QEMU 9.1. Use [BlockdevMirror].", // not deprecated in 5.2
		}},
		{"10.0", map[string]string{
			"SGXInfo":    "SGXInfo is the struct [SgxInfo]. [QuerySGX] and [QuerySGXCapabilities] return it. Since QEMU 6.2.",
			"StatusInfo": "StatusInfo is a struct of [run-state.json]. [QueryStatus] returns it.",
		}},
		{"7.2 10.0", map[string]string{
			"SGXInfo.SectionSize": "Removed in QEMU 8.0. Deprecated: QEMU 8.0 removed the member. It was deprecated in QEMU 7.0. Use [SGXInfo.Sections] (sections).",
			"VMDKExtentInfo":      "VMDKExtentInfo is the struct [VmdkExtentInfo] of block-core.json.", // 7.2 has it under another name
			"XQueryRDMA":          "XQueryRDMA executes x-query-rdma and returns [HumanReadableText]. See machine.json. Since QEMU 6.2. Removed in QEMU 9.1. Unstable: any release of QEMU may have changed the command.",
		}},
		{"5.2 11.1", map[string]string{
			"Migrate.Blk":            "Removed in QEMU 9.1. Deprecated: QEMU 9.1 removed the member. It was deprecated in QEMU 8.2. Use [BlockdevMirror].",
			"BlockdevOptionsGluster": "BlockdevOptionsGluster is a struct of block-core.json. Removed ",
			"SGXInfo":                "SGXInfo is the struct [SgxInfo] of misc-i386.json.",
		}},
	} {
		t.Run(c.sources, func(t *testing.T) {
			out := filepath.Join(t.TempDir(), "p")
			args := []string{"generate", "-package", "p", "-out", out}
			for v := range strings.FieldsSeq(c.sources) {
				args = append(args, "-schema", capturedDir+v+"/qemu.json")
			}
			status, text := runQapigen(t, args...)
			require.Zero(t, status, text)
			require.NoFileExists(t, filepath.Join(out, "new_gen.go"))
			comments := commentsIn(t, out)
			for name, want := range c.want {
				comment, ok := comments[name]
				require.True(t, ok, name)
				if comment = strings.Join(strings.Fields(comment), " "); want == "" {
					require.Empty(t, comment, name)
				}
				require.True(t, strings.HasPrefix(comment, want), "%s: %s", name, comment)
			}
		})
	}
}

// commentsIn returns the comments of a package's types, fields and constants.
func commentsIn(t *testing.T, dir string) map[string]string {
	t.Helper()
	found := map[string]string{}
	for name, text := range generatedFiles(t, dir) {
		f, err := parser.ParseFile(token.NewFileSet(), name, text, parser.ParseComments)
		require.NoError(t, err)
		for _, d := range f.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && f.Name.Name == "Do" { // of a command that is one with its argument
				found[f.Recv.List[0].Type.(*ast.Ident).Name] += f.Doc.Text()
			}
			d, ok := d.(*ast.GenDecl)
			if !ok {
				continue
			}
			for _, spec := range d.Specs {
				switch spec := spec.(type) {
				case *ast.ValueSpec:
					found[spec.Names[0].Name] = spec.Doc.Text()
				case *ast.TypeSpec:
					found[spec.Name.Name] += d.Doc.Text()
					s, ok := spec.Type.(*ast.StructType)
					if !ok {
						continue
					}
					for _, field := range s.Fields.List {
						found[spec.Name.Name+"."+field.Names[0].Name] = field.Doc.Text()
					}
				}
			}
		}
	}
	return found
}

// A knownPart is a definition, or a member or a value ("^VALUE") of one, with all that is known of the paths to it.
type knownPart struct {
	owner, name string
	paths       []string
	facts       []*facts.Fact
	whole       *knownPart // the definition, nil if this is it
}

// removedBy reports whether all places removed it up to a version, and before its owner.
func (p *knownPart) removedBy(version string) bool {
	for _, f := range p.facts {
		if f.Removed.Release == "" || facts.Compare(f.Removed.Release, version) > 0 {
			return false
		}
		if p.whole != nil && slices.ContainsFunc(p.whole.facts, func(whole *facts.Fact) bool { return whole.Removed.Release != "" }) {
			return false
		}
	}
	return p.facts != nil
}

// deprecatedBy reports whether all places deprecated it up to a version.
func (p *knownPart) deprecatedBy(version string) bool {
	for _, f := range p.facts {
		if f.Deprecated == nil || facts.Compare(f.Deprecated.Release, version) > 0 {
			return false
		}
	}
	isType := p.whole == nil && strings.Contains(p.paths[0], "/") // what uses it is deprecated
	return p.facts != nil && !isType
}

// partsOf walks from the commands and events of a schema to all that they reach.
func partsOf(s *qapi.Schema, known *facts.Table) (parts []*knownPart) {
	byName := map[string]*knownPart{}
	add := func(owner, name, path string) *knownPart {
		p := byName[owner+"/"+name]
		if p == nil {
			p = &knownPart{owner: owner, name: name}
			byName[owner+"/"+name] = p
			parts = append(parts, p)
			if name != "" {
				p.whole = byName[owner+"/"]
			}
		}
		p.paths = append(p.paths, path)
		if f, err := known.Fact(path); err == nil && f != nil {
			p.facts = append(p.facts, f)
		}
		return p
	}
	visited := map[string]int{}
	var walk func(path string, typ qapi.Type)
	walk = func(path string, typ qapi.Type) {
		switch typ := typ.(type) {
		case *qapi.Array:
			walk(path, typ.Element)
		case *qapi.Alternate:
			for _, a := range typ.Alternatives {
				walk(path, a.Type)
			}
		case *qapi.Enum:
			if visited[typ.Name]++; visited[typ.Name] < 20 {
				add(typ.Name, "", path)
				for _, v := range typ.Values {
					add(typ.Name, "^"+v.Name, path+"/^"+v.Name)
				}
			}
		case qapi.ObjectType:
			name := typ.Head().Name
			if visited[name]++; visited[name] > 3 {
				return
			}
			add(name, "", path)
			for _, m := range typ.AllMembers() {
				add(name, m.Name, path+"/"+m.Name)
				walk(path+"/"+m.Name, m.Type)
			}
			if u, ok := typ.(*qapi.Union); ok {
				for _, br := range u.Branches {
					if br.Type != nil {
						walk(path+"/+"+br.Value, br.Type)
					}
				}
			}
		}
	}
	for _, c := range s.Commands() {
		add(c.Name, "", c.Name)
		if c.Arg != nil {
			walk(c.Name+"/arg-type", c.Arg)
		}
		if c.Returns != nil {
			walk(c.Name+"/ret-type", c.Returns)
		}
	}
	for _, e := range s.Events() {
		add(e.Name, "", e.Name)
		if e.Arg != nil {
			walk(e.Name+"/arg-type", e.Arg)
		}
	}
	return parts
}

// versioned writes a schema and the version of its server beside it.
func versioned(t *testing.T, version, text string) string {
	t.Helper()
	main := writeSchema(t, text)
	folder := filepath.Join(filepath.Dir(main), "qapi")
	require.NoError(t, os.Mkdir(folder, 0o777))
	moved := filepath.Join(folder, "qapi-schema.json")
	require.NoError(t, os.Rename(main, moved))
	require.NoError(t, os.WriteFile(filepath.Join(filepath.Dir(main), versionFile), []byte(version+"\n"), 0o666))
	return moved
}

// TestGenerateSeveral merges three builds of a fork, which no facts know.
func TestGenerateSeveral(t *testing.T) {
	old := versioned(t, "5.2.0", `
{ 'command': 'old', 'data': { 'how': 'str' }, 'returns': [ 'Old' ] }
{ 'struct': 'Old', 'data': { 'age': 'int' } }
{ 'command': 'set', 'data': { 'a': 'int', 'b': 'str', 'gone': 'str' } }
{ 'command': 'get', 'returns': 'Info' }
{ 'struct': 'Info', 'data': { 'x': 'int', 'mode': 'Mode' } }
{ 'enum': 'Mode', 'data': [ 'slow', 'fast' ] }`)
	mid := versioned(t, "7.2.0", `
{ 'command': 'set', 'data': { 'a': 'int', 'b': 'str' } }
{ 'command': 'get', 'returns': 'Info' }
{ 'struct': 'Info', 'data': { 'x': 'int', 'y': 'int', 'mode': 'Mode' } }
{ 'enum': 'Mode', 'data': [ 'fast', 'turbo' ] }`)
	now := versioned(t, "10.0.0", `
{ 'alternate': 'StrOrNull', 'data': { 's': 'str', 'n': 'null' } }
{ 'command': 'set', 'data': { 'a': 'int', 'b': 'StrOrNull', 'c': 'int' } }
{ 'command': 'get', 'returns': 'Info' }
{ 'event': 'DONE', 'data': { 'x': 'int' } }
{ 'struct': 'Info', 'data': { 'x': 'int', 'y': 'int', 'mode': 'Mode' } }
{ 'enum': 'Mode', 'data': [ 'fast' ] }`)
	out := filepath.Join(t.TempDir(), "p")
	var stdout, stderr bytes.Buffer
	status := run([]string{"generate", "-json", "-schema", mid, "-schema", old, "-schema", now, "-package", "p", "-out", out}, &stdout, &stderr)
	require.Zero(t, status, stderr.String())
	var done outcome
	require.NoError(t, json.Unmarshal(stdout.Bytes(), &done))
	require.Equal(t, []sourceRow{{now, "10.0.0"}, {mid, "7.2.0"}, {old, "5.2.0"}}, done.Sources)
	require.Equal(t, "10.0.0", done.Version)

	var all string
	for _, text := range generatedFiles(t, out) {
		all += text
	}
	all = strings.Join(strings.Fields(strings.ReplaceAll(all, "//", "")), " ")
	for _, want := range []string{
		"from the schemas of QEMU 10.0.0, 7.2.0 and 5.2.0. DO NOT EDIT.",
		"A member is mandatory if QEMU 10.0.0, 7.2.0 and 5.2.0 always send it.",
		"In the schema of QEMU 5.2 only. type Old struct",
		"In the schema of QEMU 5.2 only. qapi:type Old type OldResult struct { Age int64 `json:\"age\"` }", // Old is the command
		"type Set struct { A int64 `json:\"a\"` B StrOrNull `json:\"b\"` In the schema of QEMU 10.0 only. C *int64 `json:\"c,omitzero\"` In the schema of QEMU 5.2 only. Gone *string",
		"X int64 `json:\"x\"` In the schemas of QEMU 7.2 and 10.0 only. Y *int64 `json:\"y,omitzero\"`",
		"In the schema of QEMU 7.2 only. ModeTurbo Mode = \"turbo\" In the schema of QEMU 5.2 only. ModeSlow",
		"In the schema of QEMU 10.0 only. type DoneEvent struct",
	} {
		require.Contains(t, all, want)
	}

	// Types that nothing in Go takes both of: the error names the place, and nothing is written.
	other := versioned(t, "9.0.0", "{ 'command': 'get', 'returns': 'Info' }\n{ 'struct': 'Info', 'data': { 'x': 'str' } }")
	none := filepath.Join(t.TempDir(), "none")
	status, text := runQapigen(t, "generate", "-schema", now, "-schema", other, "-package", "p", "-out", none)
	require.Equal(t, exitFailure, status)
	require.Contains(t, text, other+": Info.x is str, and int in "+now+": no type takes both")
	require.Contains(t, text, "leave one of the two out")
	require.NoDirExists(t, none)
}
