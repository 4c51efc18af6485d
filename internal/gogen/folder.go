package gogen

import (
	"fmt"
	gobuild "go/build"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// A folder describes the files in a folder before the generated files are written to it.
type folder struct {
	ours   []string // the names of the generated files
	others []string // those of other Go files
}

// readFolder looks at the Go files in dir.
func readFolder(dir string) (folder, error) {
	var f folder
	entries, err := os.ReadDir(dir)
	if err != nil {
		return f, err
	}
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), ".go") {
			continue
		}
		generated, err := isGenerated(filepath.Join(dir, e.Name()))
		regular := e.Type().IsRegular()
		switch {
		case err != nil && regular:
			return f, err
		case !generated:
			f.others = append(f.others, e.Name())
		case regular: // a link to a generated file may be replaced, but is nobody's to remove
			f.ours = append(f.ours, e.Name())
		}
	}
	return f, nil
}

// stale returns the generated files that do not belong to the package any more.
func (f folder) stale(files map[string][]byte) []string {
	return slices.DeleteFunc(slices.Clone(f.ours), func(name string) bool { return files[name] != nil })
}

// checkPackage returns an error if dir has another package. If that package was generated, WriteDir would
// remove its files. If not, Go could not build its files together with the new ones.
func (f folder) checkPackage(dir string, files map[string][]byte) error {
	name := ""
	for _, text := range files {
		name = packageName("", text)
		break
	}
	for _, file := range f.ours {
		if other := packageName(filepath.Join(dir, file), nil); other != name && other != "" {
			return fmt.Errorf("%s holds the generated package %s: choose another folder for the package %s, or remove its files first: %s",
				dir, other, name, strings.Join(f.ours, " "))
		}
	}
	for _, file := range f.others {
		if other := foreignPackage(dir, file); other != name && other != "" {
			return fmt.Errorf("%s belongs to the package %s: choose another folder for the package %s, or use that name",
				filepath.Join(dir, file), other, name)
		}
	}
	return nil
}

// foreignPackage returns the name of the package that a file belongs to, or "" if Go ignores the file.
func foreignPackage(dir, file string) string {
	if built, err := gobuild.Default.MatchFile(dir, file); err != nil || !built {
		return ""
	}
	name := packageName(filepath.Join(dir, file), nil)
	if strings.HasSuffix(file, "_test.go") {
		name = strings.TrimSuffix(name, "_test")
	}
	if name == "documentation" { // which Go ignores
		return ""
	}
	return name
}

// packageName returns the name in the package clause of a file, or of the text of one; "" if it
// has none.
func packageName(path string, text []byte) string {
	var source any
	if text != nil {
		source = text
	}
	f, err := parser.ParseFile(token.NewFileSet(), path, source, parser.PackageClauseOnly)
	if err != nil {
		return ""
	}
	return f.Name.Name
}
