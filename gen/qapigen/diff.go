package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/qmpkit/qmpkit/internal/diff"
	"github.com/qmpkit/qmpkit/qapi/facts"
)

// The exit statuses of diff, which has exitFailed from query.
const (
	exitCompatible = 0
	exitBreaking   = 1
)

// newDiff makes the subcommand that compares two schemas.
func newDiff() *cobra.Command {
	var asJSON, breakingOnly bool
	cmd := &cobra.Command{
		Use:   "diff [-json] [-breaking] OLD NEW",
		Short: "report the changes from one schema to another, and which ones break a client",
		Long: `Diff compares two schemas as a client sees them. It prints a line for each change:

  breaking or compatible
  the change: added, removed, retyped, deprecated, …
  the changed thing: command, event, member, value, …
  sent (arguments of commands), received (results and data of events), or both
  the path, as query takes it, and the old and the new form
  the replacement of a removed or deprecated thing, if a schema of QEMU names one

If other commands and events use the type that changed, diff prints one path and the number of the
others: "(and 2 other commands or events)". With -json it lists all of them.

A change is breaking if a client that was made for OLD can fail with NEW: NEW refuses a request of
the client, or does not send a thing that the client needs. Diff assumes that a client ignores
members and accepts enum values that it does not know.

OLD and NEW are sources, not necessarily of the same kind.
` + sourceHelp + `

For the file of a schema, diff assumes a server in which all conditions of the schema are true. If OLD
and NEW are both such files, diff also compares the names of types.

The exit status is 0 if no change is breaking, 1 if one is breaking, and 2 if diff cannot read a
source.`,
		Example: `  qapigen diff qemu-7.2/qapi/qapi-schema.json qemu-10.2/qapi/qapi-schema.json
  qapigen diff -json -breaking answer-of-5.2.json unix:/run/vm1/qmp.sock`,
		Args:              takes("OLD", "NEW"),
		ValidArgsFunction: completeFiles,
		RunE: func(cmd *cobra.Command, args []string) error {
			changes, err := compareSources(cmd.Context(), args[0], args[1])
			if err != nil {
				return &failure{err, exitFailed}
			}
			breaking, compatible, err := split(changes)
			if err != nil {
				return &failure{err, exitFailed}
			}
			printed := slices.Concat(breaking, compatible)
			if breakingOnly {
				printed = breaking
			}
			if asJSON {
				err = printJSON(cmd.OutOrStdout(), printed)
			} else {
				summary := fmt.Sprintf("%d breaking, %d compatible\n", len(breaking), len(compatible))
				err = printText(cmd.OutOrStdout(), printed, summary)
			}
			switch {
			case err != nil:
				return &failure{err, exitFailed}
			case len(breaking) > 0:
				return &failure{nil, exitBreaking}
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print an array of objects")
	cmd.Flags().BoolVar(&breakingOnly, "breaking", false, "print breaking changes only")
	return cmd
}

// compareSources compares two sources.
func compareSources(ctx context.Context, old, new string) ([]diff.Change, error) {
	before, err := loadNamed(ctx, old)
	if err != nil {
		return nil, err
	}
	after, err := loadNamed(ctx, new)
	if err != nil {
		return nil, err
	}
	step(ctx, "comparing them")
	return diff.Compare(before, after)
}

// A changeRow is a change, with the replacement of a thing that was removed or deprecated.
type changeRow struct {
	diff.Change
	Use string `json:"use,omitempty"`
}

// split separates breaking changes from compatible ones, and adds the replacements.
func split(changes []diff.Change) (breaking, compatible []changeRow, err error) {
	for _, c := range changes {
		row := changeRow{Change: c}
		if row.Use, err = useInstead(c); err != nil {
			return nil, nil, err
		}
		if c.Breaking {
			breaking = append(breaking, row)
		} else {
			compatible = append(compatible, row)
		}
	}
	return breaking, compatible, nil
}

// useInstead returns what the facts say to use, "" if they say nothing.
func useInstead(c diff.Change) (string, error) {
	if c.Kind != diff.Removed && c.Kind != diff.Deprecated {
		return "", nil
	}
	for _, t := range []*facts.Table{facts.QEMU(), facts.Storage(), facts.Guest()} {
		if f, err := t.Fact(c.Path); err != nil || f != nil {
			return useOf(f), err
		}
	}
	return "", nil
}

func useOf(f *facts.Fact) string {
	if f == nil {
		return ""
	}
	return f.Use
}

// printJSON prints an array.
func printJSON(w io.Writer, changes []changeRow) error {
	if changes == nil {
		changes = []changeRow{} // and not null
	}
	return writeJSON(w, changes)
}

// printText prints a line for each change, and a last one.
func printText(w io.Writer, changes []changeRow, last string) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, c := range changes {
		class := "compatible"
		if c.Breaking {
			class = "breaking"
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s%s\n", class, c.Kind, c.What, c.Direction, where(c.Change), was(c.Change)+instead(c))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	_, err := io.WriteString(w, last)
	return err
}

// where is the path of a change, and how many others than the command or event in the path it concerns.
func where(c diff.Change) string {
	switch others := len(c.Users) - 1; {
	case others > 1:
		return fmt.Sprintf("%s (and %d other commands or events)", c.Path, others)
	case others == 1:
		return c.Path + " (and 1 other command or event)"
	}
	return c.Path
}

// instead says what to use.
func instead(c changeRow) string {
	if c.Use == "" {
		return ""
	}
	return "; replaced by " + c.Use
}

// was returns the old and the new form of a changed thing.
func was(c diff.Change) string {
	switch {
	case c.Old != "" && c.New != "":
		return ": " + c.Old + " -> " + c.New
	case c.Old+c.New != "":
		return ": " + c.Old + c.New
	}
	return ""
}
