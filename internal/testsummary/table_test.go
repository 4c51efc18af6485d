package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTable(t *testing.T) {
	p := proofs{}
	for _, name := range []string{
		"TestA", "TestA/qemu-5.2", "TestA/qemu-5.2/pc", "TestA/qemu-5.2/pc/part", "TestA/qemu-5.2/q35",
		"TestA/qemu-7.2", "TestA/qemu-7.2/q35", "TestB/tcp/qemu-5.2", "TestC/qemu-7.2/pc", "TestC/qemu-7.2/none", "TestFake", "TestD/qemu-7.2",
	} {
		p.add(name, "")
	}
	p.add("TestC/qemu-7.2/pc/two_words", "")
	p.add("TestE/qemu-7.2", "it lacks a part")
	p.add("TestE/qemu-5.2/part", "it lacks all")
	p.add("TestE/qemu-5.2", "")
	p.add("TestB/qemu-7.2", "it has no such thing")
	p.add("TestC/qemu-7.2/q35/two_words", "it has half of it")
	got := p.fill("# Table\n\n" +
		"| what | tests | 5.2 | 7.2 |\n|---|---|---|---|\n" +
		"| a | `TestA` | old | old |\n| b | `TestB` | | |\n| d | `TestD`, `TestE`, `TestFake` | | |\n" +
		"| both | `TestA`, `TestC` |||\n| part | `TestC/two words` |||\n| by hand | none | x | y |\n\n" +
		"| another | 1 |\n|---|---|\n| a | `TestA` |\n")
	require.Equal(t, "# Table\n\n"+
		"| what | tests | 5.2 | 7.2 |\n|---|---|---|---|\n"+
		"| a | `TestA` | pc, q35 | q35 |\n| b | `TestB` | yes | no: it has no such thing |\n| d | `TestD`, `TestE`, `TestFake` | no: it lacks all | yes; otherwise no: it lacks a part |\n"+
		"| both | `TestA`, `TestC` | pc, q35 | pc, q35; otherwise no: it has half of it |\n| part | `TestC/two words` |  | pc; otherwise no: it has half of it |\n| by hand | none | x | y |\n\n"+
		"| another | 1 |\n|---|---|\n| a | `TestA` |\n", got)

	others := "| tests | 5.2 |\n|---|---|\n| `TestNone` | yes |\n| `TestA`, `TestNone` | pc |\n" // of packages that did not run
	require.Equal(t, others, p.fill(others))
}

// TestTableOfARun has the document written by a run, unless a test fails.
func TestTableOfARun(t *testing.T) {
	const before = "| tests | 5.2 |\n|---|---|\n| `TestA` | |\n"
	for result, want := range map[string]string{
		"t.Log()":        "| tests | 5.2 |\n|---|---|\n| `TestA` | pc |\n",
		`t.Skip("none")`: "| tests | 5.2 |\n|---|---|\n| `TestA` | no: none |\n",
		"t.Fail()":       before,
	} {
		dir := t.TempDir()
		document := filepath.Join(dir, "table.md")
		for name, text := range map[string]string{
			"go.mod":    "module example.org/m\n",
			"table.md":  before,
			"m_test.go": "package m\n\nimport \"testing\"\n\nfunc TestA(t *testing.T) {\n\tt.Run(\"qemu-5.2\", func(t *testing.T) { t.Run(\"pc\", func(t *testing.T) { " + result + " }) })\n}\n",
		} {
			require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
		}
		var out bytes.Buffer
		t.Chdir(dir)
		err := run([]string{"-table", "table.md", "-count=1", "."}, &out, &out)
		require.Equal(t, result == "t.Fail()", err != nil, out.String())
		got, err := os.ReadFile(document)
		require.NoError(t, err)
		require.Equal(t, want, string(got), out.String())
	}
	var out bytes.Buffer
	require.ErrorIs(t, run([]string{"-table", "none.md", "-run=None", "."}, &out, &out), os.ErrNotExist)
}
