package gogen_test

import (
	"go/doc/comment"
	"go/format"
	"go/parser"
	"go/scanner"
	"go/token"
	"maps"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/internal/gogen"
	"github.com/qmpkit/qmpkit/internal/qemutest"
	"github.com/qmpkit/qmpkit/qapi"
)

// TestProse generates from QEMU's own schemas with their documentation: no markup is left in the
// comments, and they are as gofmt writes them.
func TestProse(t *testing.T) {
	for _, version := range qemutest.SourceVersions {
		t.Run(version, func(t *testing.T) {
			dir := qemutest.Source(t, version)
			m := newUserModule(t)
			for _, tree := range trees {
				s, err := qapi.Load(filepath.Join(dir, tree.main), nil)
				require.NoError(t, err)
				files, err := gogen.Generate(s, gogen.Options{Package: tree.name, Docs: true})
				require.NoError(t, err)
				plain, err := gogen.Generate(s, gogen.Options{Package: tree.name})
				require.NoError(t, err)
				require.Equal(t, slices.Sorted(maps.Keys(plain)), slices.Sorted(maps.Keys(files)))
				checkLinks(t, dir, files)
				for name, data := range files {
					require.Contains(t, string(data), "SPDX-License-Identifier: GPL-2.0-or-later", name)
					require.NotContains(t, string(plain[name]), "GPL", name)
					checkComments(t, name, data)
					require.Equal(t, codeOf(plain[name]), codeOf(data), "the prose changed the code of %s", name)
					m.add(t, path.Join(tree.name, name), data)
				}
			}
			m.run(t, "vet")
		})
	}
}

// markup is what is left of markup that was not understood, in text that is not code.
var markup = regexp.MustCompile("`|(^|[^*])\\*\\*([^*]|$)|:[a-z]+:`|^\\.\\. |\\.\\. [a-z-]+::|::$|^:[a-z]+:|(^|[ (])@[a-z]|\\\\\\*")

// checkComments checks the doc comments of a generated file.
func checkComments(t *testing.T, name string, data []byte) {
	t.Helper()
	formatted, err := format.Source(data)
	require.NoError(t, err)
	require.Equal(t, string(formatted), string(data), "%s is not as gofmt writes it", name)
	f, err := parser.ParseFile(token.NewFileSet(), name, data, parser.ParseComments)
	require.NoError(t, err)
	for _, group := range f.Comments {
		text := group.Text()
		doc := new(comment.Parser).Parse(text)
		require.Equal(t, text, string(new(comment.Printer).Comment(doc)), name)
		if group.End() < f.Package && group != f.Doc {
			continue // the head of the file
		}
		for _, block := range doc.Content {
			switch block := block.(type) {
			case *comment.Heading:
				if group != f.Doc {
					t.Errorf("%s: a heading in %s", name, text)
				}
			case *comment.Paragraph:
				checkPlain(t, name, block.Text)
			case *comment.List:
				for _, item := range block.Items {
					for _, p := range item.Content {
						checkPlain(t, name, p.(*comment.Paragraph).Text)
					}
				}
			}
		}
		require.Empty(t, doc.Links, "%s: %s", name, text)
	}
}

var linkPattern = regexp.MustCompile(`\[([A-Z][A-Za-z0-9_]*)\]`)

// checkLinks checks that the links in comments lead to what the package declares. What is in
// brackets in QEMU's own text is none.
func checkLinks(t *testing.T, dir string, files map[string][]byte) {
	t.Helper()
	declared := map[string]bool{}
	for name, data := range files {
		f, err := parser.ParseFile(token.NewFileSet(), name, data, 0)
		require.NoError(t, err)
		maps.Copy(declared, keys(f.Scope.Objects))
	}
	links := 0
	for name, data := range files {
		for line := range strings.Lines(string(data)) {
			text, ok := strings.CutPrefix(strings.TrimSpace(line), "// ")
			if !ok {
				continue
			}
			for _, link := range linkPattern.FindAllStringSubmatch(text, -1) {
				if !declared[link[1]] && !inTree(t, dir, link[0]) {
					t.Errorf("%s: nothing is named %s in %s", name, link[1], text)
				}
				links++
			}
		}
	}
	require.NotZero(t, links)
}

func keys[V any](of map[string]V) map[string]bool {
	set := map[string]bool{}
	for k := range of {
		set[k] = true
	}
	return set
}

// inTree tells whether a schema file of a QEMU tree has the text.
func inTree(t *testing.T, dir, text string) bool {
	for _, pattern := range []string{"qapi/*.json", "qga/*.json", "storage-daemon/qapi/*.json"} {
		paths, err := filepath.Glob(filepath.Join(dir, pattern))
		require.NoError(t, err)
		for _, path := range paths {
			data, err := os.ReadFile(path)
			require.NoError(t, err)
			if strings.Contains(string(data), text) {
				return true
			}
		}
	}
	return false
}

// checkPlain checks the text of a paragraph.
func checkPlain(t *testing.T, name string, text []comment.Text) {
	var b strings.Builder
	for _, part := range text {
		if plain, ok := part.(comment.Plain); ok {
			b.WriteString(string(plain))
		}
	}
	for line := range strings.Lines(b.String()) {
		if markup.MatchString(strings.TrimSpace(line)) {
			t.Errorf("%s: markup in %q", name, line)
		}
	}
}

// codeOf is the tokens of a generated file, without its comments.
func codeOf(data []byte) string {
	var s scanner.Scanner
	s.Init(token.NewFileSet().AddFile("", -1, len(data)), data, nil, 0)
	var b strings.Builder
	for {
		_, tok, text := s.Scan()
		if tok == token.EOF {
			return b.String()
		}
		if text == "" {
			text = tok.String()
		}
		b.WriteString(text + " ")
	}
}

// FuzzProse documents a command and its argument with anything: the comments are as gofmt writes
// them, and the code stays the same.
func FuzzProse(f *testing.F) {
	for _, seed := range []string{
		"Text.\n\nA heading\n\nMore.", "# no heading\n\nnext", "[a]: https://example.org\n\n[a]", "- a\n\n::\n\n - b",
		"1. a::\n\n    b\n\n2. c", "::\n\n - a\n - b", "Deprecated: no", "- a\n\n  b\n- c\n\n.. note::\n\n  - d\n\n1. e", "::\n\n  a\n\n- b\n- c",
		"''quoted'' ``a''b``", ".. code::\n\n  1. a\n\n  b", "a\n-------", "go:generate x", "+build x", "line 1\n//x", "::\n\n  #a\n\n\n  b",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var doc strings.Builder
		for line := range strings.SplitSeq(text, "\n") {
			doc.WriteString("# " + line + "\n")
		}
		schema := "##\n# @Arg:\n#\n" + doc.String() + "#\n# @a: x\n##\n{ 'struct': 'Arg', 'data': { 'a': 'str' } }\n" +
			"##\n# @stop:\n#\n# Note:\n#  " + strings.ReplaceAll(strings.TrimPrefix(doc.String(), "# "), "\n# ", "\n#  ") +
			"##\n{ 'command': 'stop', 'data': 'Arg' }\n"
		s, err := qapi.LoadFS(fstest.MapFS{schemaName: {Data: []byte(schema)}}, schemaName, nil)
		if err != nil {
			t.Skipf("the language has its own rules for what a comment may be: %v", err)
		}
		files, err := gogen.Generate(s, gogen.Options{Package: "p", Docs: true})
		require.NoError(t, err)
		data := files["schema_gen.go"]
		formatted, err := format.Source(data)
		require.NoError(t, err)
		require.Equal(t, string(formatted), string(data))
	})
}
