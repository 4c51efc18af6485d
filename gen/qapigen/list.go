package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/qmpkit/qmpkit/qapi/facts"
)

// newList makes the subcommand that lists the differences between the QEMUs of a range.
func newList() *cobra.Command {
	var asJSON bool
	var want listRequest
	var versions string
	var k knowing
	cmd := &cobra.Command{
		Use:   "list -qemu FIRST..LAST [-new] [-gone] [-deprecated] [-json] [-server SERVER] [-facts FILE] [MODULE...]",
		Short: "list what QEMU added, removed and deprecated in a range of versions",
		Long: `List prints the differences between the QEMUs of a range. It prints a line for each path that QEMU
added after FIRST, that LAST no longer has, or that is deprecated in LAST. The flags -new, -gone and
-deprecated choose among the three. If a command is new, list prints the command and not its members.

MODULE is the file that defines a command or an event, such as block-core. Without MODULE, list looks
at all files.

With -json, list prints an array of objects, as since does. In each object, "lists" gives the reasons
why list prints it: "new", "gone", "deprecated" or several of them.

` + statusHelp,
		Example: `  qapigen list -qemu 7.2..11.1 -gone
  qapigen list -qemu 8.2..10.0 -new -deprecated block-core block-export`,
		ValidArgsFunction: func(cmd *cobra.Command, _ []string, typed string) ([]string, cobra.ShellCompDirective) {
			return matching("", typed, moduleNames(schemaNamed(cmd.Context(), ""))), cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(cmd *cobra.Command, modules []string) error {
			var err error
			if want.first, want.last, err = parseRange(versions); err != nil {
				return err
			}
			if !want.new && !want.gone && !want.deprecated {
				want.new, want.gone, want.deprecated = true, true, true
			}
			want.modules = modules
			tables, err := k.tables()
			if err != nil {
				return err
			}
			if err := want.check(tables[0]); err != nil {
				return err
			}
			found, err := want.among(tables[0])
			if err != nil {
				return err
			}
			if asJSON {
				rows := []factRow{}
				for _, l := range found {
					if last := len(rows) - 1; last >= 0 && rows[last].Path == l.fact.Path {
						rows[last].Lists = append(rows[last].Lists, l.kind)
						continue
					}
					row := newFactRow(l.fact)
					row.Lists = []string{l.kind}
					rows = append(rows, row)
				}
				return writeJSON(cmd.OutOrStdout(), rows)
			}
			w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
			for _, l := range found {
				fmt.Fprintf(w, "%s\t%s\t%s\n", l.kind, l.fact.Path, factText(l.fact))
			}
			return w.Flush()
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&versions, "qemu", "", "the range of `VERSIONS`, such as 7.2..11.1")
	flags.BoolVar(&want.new, "new", false, "list what QEMU added after FIRST")
	flags.BoolVar(&want.gone, "gone", false, "list what FIRST or a later version has, and LAST does not")
	flags.BoolVar(&want.deprecated, "deprecated", false, "list what is deprecated in LAST")
	flags.BoolVar(&asJSON, "json", false, "print an array of objects")
	k.flags(cmd, "qemu")
	cobra.CheckErr(cmd.MarkFlagRequired("qemu"))
	cobra.CheckErr(cmd.RegisterFlagCompletionFunc("qemu", completeFrom()))
	return cmd
}

// parseRange reads FIRST..LAST.
func parseRange(text string) (first, last string, err error) {
	first, last, ok := strings.Cut(text, "..")
	switch {
	case !ok || !versionPattern.MatchString(first) || !versionPattern.MatchString(last):
		return "", "", &usageError{fmt.Sprintf("-qemu %s: want a range such as 7.2..11.1", text)}
	case facts.Compare(first, last) > 0:
		return "", "", &usageError{fmt.Sprintf("-qemu %s: want a range from an older version to a newer one", text)}
	}
	return first, last, nil
}

// check returns an error for a version that is newer than the facts, and for modules that there are not.
func (l *listRequest) check(t *facts.Table) error {
	versions := t.Versions()
	if newest := versions[len(versions)-1]; facts.Compare(facts.Release(l.last), newest) > 0 {
		return &usageError{fmt.Sprintf("-qemu %s..%s: the newest QEMU that is known is %s", l.first, l.last, newest)}
	}
	known := map[string]bool{}
	for path := range t.Paths() {
		known[t.Module(path)] = true
	}
	delete(known, "")
	for i, m := range l.modules {
		if l.modules[i] = strings.TrimSuffix(m, ".json"); !known[l.modules[i]] {
			return &usageError{fmt.Sprintf("there is no module %q: modules are %s", m, strings.Join(slices.Sorted(maps.Keys(known)), ", "))}
		}
	}
	return nil
}

// A listRequest is what list was asked for.
type listRequest struct {
	first, last           string
	new, gone, deprecated bool
	modules               []string
}

// A listing is a line of it.
type listing struct {
	kind string // "new", "gone" or "deprecated"
	fact *facts.Fact
}

// among goes through a table.
func (l *listRequest) among(t *facts.Table) (found []listing, err error) {
	told := map[string]bool{}
	for path := range t.Paths() {
		if len(l.modules) > 0 && !slices.Contains(l.modules, t.Module(path)) {
			continue
		}
		f, err := t.Fact(path)
		if err != nil {
			return nil, err
		}
		for _, kind := range l.kinds(f) {
			told[kind+" "+path] = true
			if !toldAbove(told, kind, path) {
				found = append(found, listing{kind, f})
			}
		}
	}
	slices.SortStableFunc(found, func(a, b listing) int { return strings.Compare(a.fact.Path, b.fact.Path) })
	return found, nil
}

// kinds returns what the list says of a fact: new, gone, deprecated. The features deprecated and unstable are
// said with what has them, so they are not listed themselves.
func (l *listRequest) kinds(f *facts.Fact) (kinds []string) {
	in := func(d facts.Date) bool {
		return d.Release != "" && facts.Compare(d.Release, l.first) > 0 && facts.Compare(d.Release, l.last) <= 0
	}
	last := f.Path[strings.LastIndexByte(f.Path, '/')+1:]
	if name := strings.TrimLeft(last, "$"); name != last && (name == "deprecated" || name == "unstable") {
		return nil
	}
	if l.new && in(f.Since) && !f.In(l.first) {
		kinds = append(kinds, "new")
	}
	if l.gone && in(f.Removed) && !f.In(l.last) {
		kinds = append(kinds, "gone")
	}
	if d := f.Deprecated; l.deprecated && d != nil && facts.Compare(d.Release, l.last) <= 0 && f.In(l.last) {
		kinds = append(kinds, "deprecated")
	}
	return kinds
}

// toldAbove reports whether the same was told of what a path is below.
func toldAbove(told map[string]bool, kind, path string) bool {
	for i := strings.LastIndexByte(path, '/'); i > 0; i = strings.LastIndexByte(path[:i], '/') {
		if told[kind+" "+path[:i]] {
			return true
		}
	}
	return false
}
