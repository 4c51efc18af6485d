package main

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/qmpkit/qmpkit/qapi/facts"
)

// newSince makes the subcommand that tells since when something is there.
func newSince() *cobra.Command {
	var asJSON, all bool
	var k knowing
	cmd := &cobra.Command{
		Use:   "since [-json] [-server SERVER] [-facts FILE] PATH... | -all",
		Short: "print which QEMU added, deprecated and removed a command, a member, a value or a feature",
		Long: `Since prints a line for each path: the release of QEMU that added it, those that deprecated and
removed it, what replaces it, the build options that it needs, and the source of each date. Help
query explains paths.

If no source has the exact release, the line has the two releases between which QEMU added or removed
the thing.

With -all, since prints every command, event, member, value, branch and feature. It prints one path
for each, the shortest: types can contain themselves, so the number of paths has no limit. With
-json, it prints an array of objects.

The exit status is 0 if since knows all paths, 1 if no known QEMU has one of them, and 2 if the
command line is wrong.`,
		Example: `  qapigen since blockdev-add/arg-type/+file/drop-cache query-block/ret-type/inserted
  qapigen since -all -json > facts.json
  qapigen since -server guest guest-exec/arg-type/capture-output`,
		Args: func(cmd *cobra.Command, args []string) error {
			if all != (len(args) == 0) {
				return &usageError{"since takes PATH... or -all, one of the two"}
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
	k.flags(cmd, "the first one that has the path")
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
	versions := tables[0].Versions()
	return nil, fmt.Errorf("%s: no QEMU that is known, %s to %s, has %s", path, versions[0], versions[len(versions)-1], unknownIn(tables, path))
}

// unknownIn says what of a path is unknown: the first component behind what is known.
func unknownIn(tables []*facts.Table, path string) string {
	for i := strings.LastIndexByte(path, '/'); i > 0; i = strings.LastIndexByte(path[:i], '/') {
		for _, t := range tables {
			if f, err := t.Path(path[:i]); err == nil && f != nil {
				component, _, _ := strings.Cut(path[i+1:], "/")
				return component + " behind " + path[:i]
			}
		}
	}
	return "it"
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
