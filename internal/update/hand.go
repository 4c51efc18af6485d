package main

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// report prints which files changed.
func (u *update) report(changed []string) {
	if len(changed) == 0 {
		u.say("nothing changed: the module is current")
		return
	}
	count := map[string]int{}
	for _, name := range changed {
		count[filepath.ToSlash(filepath.Dir(name))]++
	}
	u.say("changed:")
	for _, dir := range slices.Sorted(maps.Keys(count)) {
		if dir == "." {
			dir = "CHANGELOG.md"
			u.say("  %s", dir)
			continue
		}
		u.say("  %s: %d files", dir, count[dir])
	}
}

// hand lists the things that need a look by hand. old are the declarations before the update.
func (u *update) hand(old map[string]bool, compile bool) error {
	var list []string
	for _, item := range slices.Sorted(maps.Keys(declared(u.root))) {
		if old[item] {
			continue
		}
		name := item[strings.LastIndexByte(item, ' ')+1:]
		switch {
		case strings.Contains(item, " type "):
			list = append(list, "a new name: "+item+" (abbreviations are in internal/gogen/names.go)")
		case secretWord.MatchString(name):
			list = append(list, "maybe a secret: "+item+" (those that are have a row in internal/gogen/secrets.go)")
		}
	}
	if compile {
		if out, err := u.command(u.root, "go", "vet", "./...").CombinedOutput(); err != nil {
			list = append(list, "code that does not compile, or that go vet reports:\n"+string(out))
		}
	}
	if list != nil {
		u.say("look at these by hand:\n- %s", strings.Join(list, "\n- "))
	}
	u.say("now run make test; docs/new-qemu.md says what to do if tests fail")
	return nil
}

// secretWord matches the names of members that can hold a secret.
var secretWord = regexp.MustCompile(`(?i)passw|secret|passphrase|token|credential|private|key$`)

var (
	typeLine   = regexp.MustCompile(`^type (\w+) `)
	stringLine = regexp.MustCompile(`^\t(\w+) +\*?string\b`)
)

// declared returns the types of the committed packages, "qemu type Foo", and their string members,
// "qemu.Foo Bar". It ignores files that it cannot read.
func declared(root string) map[string]bool {
	found := map[string]bool{}
	paths, _ := filepath.Glob(filepath.Join(root, "qmp/generated/*/*_gen.go"))
	for _, path := range paths {
		text, _ := os.ReadFile(path)
		pkg, current := filepath.Base(filepath.Dir(path)), ""
		for line := range strings.Lines(string(text)) {
			if m := typeLine.FindStringSubmatch(line); m != nil {
				current = m[1]
				found[fmt.Sprintf("%s type %s", pkg, current)] = true
			}
			if m := stringLine.FindStringSubmatch(line); m != nil {
				found[fmt.Sprintf("%s.%s %s", pkg, current, m[1])] = true
			}
		}
	}
	return found
}
