package main

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/qmpkit/qmpkit/qapi/facts"
)

// newSince makes the subcommand that prints which QEMU added and removed a thing.
func newSince() *cobra.Command {
	var asJSON, all bool
	var k knowing
	cmd := &cobra.Command{
		Use:   "since [-json] [-server SERVER] [-facts FILE] PATH... | -all",
		Short: "print which QEMU added, deprecated and removed a command, a member, a value or a feature",
		Long: `Since prints a line for each path: the releases of QEMU that added, deprecated and removed it, its
replacement, the build options that it needs, and the source of each date. Help query explains
paths.

"since 8.0 (between the schemas of 7.2 and 10.0)" is not exact: the schema of 7.2 lacks the thing
and that of 10.0 has it. Since then prints the newest possible release, or the oldest possible one
if the documentation names an older release.

With -all, since prints every command, event, member, value, branch and feature. It prints one path
for each, the shortest: types can contain themselves, so the number of paths has no limit.

With -json, since prints an array of objects. A QEMU has the path from the release "since" on, and no
longer in the release "removed". If a date is not exact, "sinceAfter" is the newest known release that
does not have the path yet, and "removedAfter" the newest release that still has it. If a path went and
came back, "times" has each time. If an object has an "if", a build of QEMU may lack the path.

The exit status is 0 if since knows all paths, 1 if no known QEMU has one of them, and 2 if the
command line is wrong.`,
		Example: `  qapigen since blockdev-add/arg-type/+file/drop-cache query-block/ret-type/inserted
  qapigen since -all -json > facts.json
  qapigen since -server guest guest-exec/arg-type/capture-output`,
		Args: func(cmd *cobra.Command, args []string) error {
			if all != (len(args) == 0) {
				return &usageError{"since takes either PATH... or -all"}
			}
			return nil
		},
		ValidArgsFunction: completeKnown,
		RunE: func(cmd *cobra.Command, paths []string) error {
			tables, err := k.tables()
			if err != nil {
				return err
			}
			var found []*facts.Fact
			var errs []error
			if all {
				found, err = allFacts(tables[0])
				errs = append(errs, err)
			}
			for _, path := range paths {
				f, err := factOf(tables, path)
				if err != nil {
					errs = append(errs, err)
					continue
				}
				found = append(found, f)
			}
			if err := printFacts(cmd.OutOrStdout(), found, asJSON); err != nil {
				return err
			}
			return errors.Join(errs...)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print an array of objects")
	cmd.Flags().BoolVar(&all, "all", false, "print all paths, of QEMU unless -server names another server")
	k.flags(cmd, "the first server that has the path")
	return cmd
}

// factOf looks for a path in several tables.
func factOf(tables []*facts.Table, path string) (*facts.Fact, error) {
	for _, t := range tables {
		f, err := t.Fact(path)
		if err != nil {
			return nil, advise(err, "qapigen help query has the grammar")
		}
		if f != nil {
			return f, nil
		}
	}
	return nil, unknownPath(tables, path)
}

// unknownPath is the error for a path that no table has. It names the first component that is unknown.
func unknownPath(tables []*facts.Table, path string) error {
	versions := tables[0].Versions()
	known := fmt.Sprintf("in any known QEMU (%s to %s)", versions[0], versions[len(versions)-1])
	var table *facts.Table // the last table that knows a part of the path; place and components are this part and its continuations
	var place string
	var components []string
	for i := 1; i < len(path); i++ {
		if path[i] != '/' {
			continue
		}
		j := slices.IndexFunc(tables, func(t *facts.Table) bool {
			following, err := t.Components(path[:i])
			if err != nil || following == nil {
				return false
			}
			table, place, components = t, path[:i], following
			return true
		})
		if j < 0 {
			break
		}
	}
	if table != nil {
		unknown, _, _ := strings.Cut(path[len(place)+1:], "/")
		return fmt.Errorf("%s %s%s", lacks(place, unknown), known, suggestion(table, place, unknown, components))
	}
	first, _, _ := strings.Cut(path, "/")
	var names []string
	for _, t := range tables {
		for n := range t.Nodes() {
			if !strings.HasPrefix(n.Name, "q_") && !slices.Contains(names, n.Name) {
				names = append(names, n.Name)
			}
		}
	}
	return fmt.Errorf("there is no %s %s%s", first, known, asQuestion(closest(first, names)))
}

// lacks says that a place has no such component: `migrate has no argument "URI"`.
func lacks(place, component string) string {
	owner, _, _ := strings.Cut(place, "/")
	name := strings.TrimLeft(component, "+^$!* ")
	kind := map[byte]string{'+': "branch", '^': "value", '$': "feature", '!': "value of JSON type", '*': "optional member"}[component[0]]
	switch {
	case kind != "":
	case !strings.Contains(place, "/"):
		kind = "part"
	case place == owner+"/arg-type":
		return fmt.Sprintf("%s has no argument %q", owner, name)
	case place == owner+"/ret-type":
		return fmt.Sprintf("the result of %s has no member %q", owner, name)
	default:
		kind = "member"
	}
	return fmt.Sprintf("%s has no %s %q", place, kind, name)
}

// suggestion proposes another component if a place lacks one: a component with a similar name, or the place
// where the command, the event or the type has a component of this name.
func suggestion(t *facts.Table, place, component string, components []string) string {
	if like := closest(component, components); len(like) > 0 {
		return asQuestion(like)
	}
	owner, _, _ := strings.Cut(place, "/")
	var elsewhere []string
	for path := range t.Paths() {
		if strings.HasPrefix(path, owner+"/") && strings.HasSuffix(path, "/"+component) && len(elsewhere) < 3 {
			elsewhere = append(elsewhere, path)
		}
	}
	if elsewhere == nil && slices.Contains(components, "arg-type") {
		return fmt.Sprintf("; arguments are at %s/arg-type", place)
	}
	return asQuestion(elsewhere)
}

// closest returns the names that are like one, whatever their case and their sign.
func closest(name string, among []string) []string {
	plain := func(s string) string { return strings.ToLower(strings.TrimLeft(s, "+^$!* ")) }
	var same []string
	for _, k := range among {
		if plain(k) == plain(name) {
			same = append(same, k)
		}
	}
	if same != nil {
		return same
	}
	return near(name, among, max(1, len(name)/4))
}

// asQuestion asks whether one of the names was meant.
func asQuestion(names []string) string {
	if len(names) == 0 {
		return ""
	}
	var quoted []string
	for _, n := range names[:min(3, len(names))] {
		quoted = append(quoted, strconv.Quote(n))
	}
	return "; did you mean " + strings.Join(quoted, " or ") + "?"
}

func allFacts(t *facts.Table) (found []*facts.Fact, err error) {
	for path := range t.Paths() {
		f, err := t.Fact(path)
		if err != nil {
			return nil, err
		}
		found = append(found, f)
	}
	return found, nil
}

func printFacts(w io.Writer, found []*facts.Fact, asJSON bool) error {
	if asJSON {
		rows := []factRow{}
		for _, f := range found {
			rows = append(rows, newFactRow(f))
		}
		return writeJSON(w, rows)
	}
	for _, f := range found {
		if _, err := fmt.Fprintf(w, "%s: %s\n", f.Path, factText(f)); err != nil {
			return err
		}
	}
	return nil
}

// factText is a fact in a line.
func factText(f *facts.Fact) string {
	parts := []string{"since " + f.Since.String()}
	if f.Unstable != nil {
		parts = append(parts, "unstable since "+f.Unstable.String())
	}
	if f.Deprecated != nil {
		parts = append(parts, "deprecated since "+f.Deprecated.String())
	}
	if f.Removed.Release != "" {
		parts = append(parts, "removed in "+f.Removed.String())
	}
	if f.Use != "" {
		parts = append(parts, "use "+f.Use)
	}
	if f.If != "" {
		parts = append(parts, "needs "+f.If)
	}
	return strings.Join(parts, "; ")
}

// A factRow is a fact in JSON.
type factRow struct {
	// Lists says why qapigen list has the path: "new", "gone" or "deprecated".
	Lists            []string `json:"lists,omitempty"`
	Path             string   `json:"path"`
	Since            string   `json:"since"`
	SinceAfter       string   `json:"sinceAfter,omitempty"` // the date is not exact: it is later than this
	SinceSource      string   `json:"sinceSource"`
	SinceInstead     []string `json:"sinceInstead,omitempty"` // what documentation says that was not taken
	Unstable         string   `json:"unstable,omitempty"`
	UnstableAfter    string   `json:"unstableAfter,omitempty"`
	UnstableSource   string   `json:"unstableSource,omitempty"`
	Deprecated       string   `json:"deprecated,omitempty"`
	DeprecatedAfter  string   `json:"deprecatedAfter,omitempty"`
	DeprecatedSource string   `json:"deprecatedSource,omitempty"`
	Removed          string   `json:"removed,omitempty"`
	RemovedAfter     string   `json:"removedAfter,omitempty"`
	RemovedSource    string   `json:"removedSource,omitempty"`
	Use              string   `json:"use,omitempty"`
	If               string   `json:"if,omitempty"`
	// Times are all times in which it was there, if it went and came back.
	Times []timeRow `json:"times,omitempty"`
}

// A timeRow is a time: from since on, and no more in removed.
type timeRow struct {
	Since   string `json:"since"`
	Removed string `json:"removed,omitempty"`
}

func newFactRow(f *facts.Fact) factRow {
	r := factRow{Path: f.Path, Use: f.Use, If: f.If}
	r.Since, r.SinceAfter, r.SinceSource, r.SinceInstead = f.Since.Release, f.Since.After, f.Since.Source, f.Since.Instead
	r.Removed, r.RemovedAfter, r.RemovedSource = f.Removed.Release, f.Removed.After, f.Removed.Source
	if d := f.Deprecated; d != nil {
		r.Deprecated, r.DeprecatedAfter, r.DeprecatedSource = d.Release, d.After, d.Source
	}
	if d := f.Unstable; d != nil {
		r.Unstable, r.UnstableAfter, r.UnstableSource = d.Release, d.After, d.Source
	}
	if times := f.Times(); len(times) > 1 {
		for _, s := range times {
			r.Times = append(r.Times, timeRow{s.Since.Release, s.Removed.Release})
		}
	}
	return r
}

// completeKnown completes a path that is known, a component at a time.
func completeKnown(_ *cobra.Command, _ []string, typed string) ([]string, cobra.ShellCompDirective) {
	seen := map[string]bool{}
	var words []string
	for path := range facts.QEMU().Paths() {
		rest, ok := strings.CutPrefix(path, typed)
		if !ok {
			continue
		}
		first, _, more := strings.Cut(rest, "/")
		word := typed + first
		if more && first == "" {
			word += "/"
		}
		if !seen[word] {
			seen[word] = true
			words = append(words, word)
		}
	}
	return words, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
}
