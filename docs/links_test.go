package docs

import (
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	link      = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	heading   = regexp.MustCompile(`(?m)^#+ (.*)$`)
	quoted    = regexp.MustCompile("`([^`\n]+)`")
	notAnchor = regexp.MustCompile(`[^\p{L}\p{N} _-]`)
)

// TestLinks checks that each relative link on a page leads to a file and, after #, to a heading of it.
func TestLinks(t *testing.T) {
	for _, page := range allPages(t) {
		text, _ := readPage(t, page)
		for _, m := range link.FindAllStringSubmatch(fenced.ReplaceAllString(text, ""), -1) {
			if strings.Contains(m[1], "://") {
				continue
			}
			file, anchor, _ := strings.Cut(m[1], "#")
			target := page
			if file != "" {
				target = path.Join(path.Dir(page), file)
			}
			if _, err := os.Stat(filepath.Join(root, target)); err != nil {
				t.Errorf("%s: the link %s leads nowhere", page, m[1])
				continue
			}
			if anchor != "" && !anchors(t, target)[anchor] {
				t.Errorf("%s: the link %s leads to no heading", page, m[1])
			}
		}
	}
}

// anchors returns the names of a page's headings in links.
func anchors(t *testing.T, page string) map[string]bool {
	t.Helper()
	text, _ := readPage(t, page)
	found := map[string]bool{}
	for _, m := range heading.FindAllStringSubmatch(fenced.ReplaceAllString(text, ""), -1) {
		found[strings.ReplaceAll(notAnchor.ReplaceAllString(strings.ToLower(m[1]), ""), " ", "-")] = true
	}
	return found
}

// TestFileNames checks that files and folders of the module that a page names are there. Names that begin
// with one of the module's folders are its own.
func TestFileNames(t *testing.T) {
	module := regexp.MustCompile(`^(docs|examples|gen|guestagent|hotplug|internal|job|machine|migration|qapi|qmp|qom|scripts|testdata|\.ci)/[\w./*-]*$`)
	tests := regexp.MustCompile(`^(?:Test|Fuzz)\w+$`)
	declared := declaredTests(t)
	for _, page := range allPages(t) {
		text, _ := readPage(t, page)
		if page == "CHANGELOG.md" {
			continue // names of the past
		}
		for _, m := range quoted.FindAllStringSubmatch(fenced.ReplaceAllString(text, ""), -1) {
			name := m[1]
			if module.MatchString(name) {
				found, err := filepath.Glob(filepath.Join(root, name))
				if err != nil || len(found) == 0 {
					t.Errorf("%s: %s does not exist", page, name)
				}
			}
			if test, _, _ := strings.Cut(name, "/"); tests.MatchString(test) && !declared[test] {
				t.Errorf("%s: %s is not a test", page, test)
			}
		}
	}
}

// declaredTests returns the names of all tests and fuzz targets.
func declaredTests(t *testing.T) map[string]bool {
	t.Helper()
	declaration := regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)\w+)`)
	found := map[string]bool{}
	for _, depth := range []string{"*", "*/*", "*/*/*"} {
		files, err := filepath.Glob(filepath.Join(root, depth, "*_test.go"))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range declaration.FindAllSubmatch(text, -1) {
				found[string(m[1])] = true
			}
		}
	}
	return found
}
