package main

import (
	"cmp"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
)

// A table in a document says what was proven on which QEMU: it has a column with tests, by their
// names, and one for each version. What those hold is written by a run of the tests.
//
//	| operation | tests | 5.2 | 7.2 |
//	|---|---|---|---|
//	| add a disk | `TestAddDisk` | pc, q35 | pc |
//
// `TestGuest/disk` is the subtest of that name, on whichever version and machine.
//
// A cell lists the machines on which the tests passed ("yes" for tests that run no machine of the
// matrix), or why they were skipped.

// proof is what the tests of a name showed on one version.
type proof struct {
	machines map[string]bool // "" for none
	skipped  string          // the reason
}

// proofs are by test and version, which is "" if the name of the test has none.
type proofs map[[2]string]*proof

var (
	versionPart = regexp.MustCompile(`^qemu-(\d+\.\d+)$`)
	testName    = regexp.MustCompile("`(Test\\w+(?:/[\\w -]+)?)`")
)

// machines are the machine types that a cell can name.
var machines = []string{"pc", "q35"}

// add notes a test that passed, or was skipped for a reason.
func (p proofs) add(name, skipped string) {
	parts := strings.Split(name, "/")
	version, machine := "", ""
	for _, part := range parts[1:] {
		if m := versionPart.FindStringSubmatch(part); m != nil {
			version = m[1]
		}
		if slices.Contains(machines, part) {
			machine = part
		}
	}
	p.note([2]string{parts[0], version}, machine, skipped)
	if last := strings.ReplaceAll(parts[len(parts)-1], "_", " "); last != machine && !strings.HasPrefix(last, "qemu-") {
		p.note([2]string{parts[0] + "/" + last, version}, machine, skipped)
	}
}

func (p proofs) note(key [2]string, machine, skipped string) {
	if p[key] == nil {
		p[key] = &proof{machines: map[string]bool{}}
	}
	if skipped != "" {
		p[key].skipped = skipped
		return
	}
	p[key].machines[machine] = true
}

// cell returns what tests, given by name, showed on a version.
func (p proofs) cell(tests []string, version string) string {
	passed := map[string]bool{}
	skipped, whole := "", false
	for _, test := range tests {
		if found := p[[2]string{test, version}]; found != nil {
			maps.Copy(passed, found.machines)
			whole = whole || found.skipped == "" && found.machines[""] // else its parent passed
			skipped = cmp.Or(skipped, found.skipped)
		}
	}
	on := slices.DeleteFunc(slices.Clone(machines), func(m string) bool { return !passed[m] })
	switch {
	case len(on) == 0 && whole:
		on = []string{"yes"}
	case len(on) == 0 && skipped != "":
		return "no: " + skipped
	}
	text := strings.Join(on, ", ")
	if text != "" && skipped != "" {
		text += "; otherwise no: " + skipped
	}
	return text
}

// has reports whether a test has run on any version.
func (p proofs) has(test string) bool {
	for key := range p {
		if key[0] == test {
			return true
		}
	}
	return false
}

// fill writes the cells of each row whose tests have run. Other rows stay as they are.
func (p proofs) fill(text string) string {
	var out strings.Builder
	var versions map[int]string // by column
	for line := range strings.Lines(text) {
		cells := strings.Split(strings.TrimSpace(line), "|")
		switch {
		case len(cells) < 3:
			versions = nil
		case versions == nil:
			versions = versionColumns(cells)
		default:
			line = p.fillRow(cells, versions) + "\n"
		}
		out.WriteString(line)
	}
	return out.String()
}

func versionColumns(header []string) map[int]string {
	columns := map[int]string{}
	for i, cell := range header {
		if m := versionPart.FindStringSubmatch("qemu-" + strings.TrimSpace(cell)); m != nil {
			columns[i] = m[1]
		}
	}
	return columns
}

func (p proofs) fillRow(cells []string, versions map[int]string) string {
	var tests []string
	for _, m := range testName.FindAllStringSubmatch(strings.Join(cells, "|"), -1) {
		tests = append(tests, m[1])
	}
	if len(tests) > 0 && len(versions) > 0 {
		if slices.ContainsFunc(tests, func(test string) bool { return !p.has(test) }) {
			return strings.Join(cells, "|") // this run had other packages
		}
		for i, version := range versions {
			cells[i] = " " + p.cell(tests, version) + " "
		}
	}
	return strings.Join(cells, "|")
}

// update fills in the tables of the document at path.
func (p proofs) update(path string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	return os.WriteFile(path, []byte(p.fill(string(text))), 0o644)
}
