package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// statusHelp explains the exit statuses of most subcommands.
const statusHelp = `The exit status is 0 if the command succeeded, 1 if it failed, and 2 if the command line is wrong.`

// A usageError is an error of the command line.
type usageError struct{ message string }

func (u *usageError) Error() string { return u.message }

// takes checks the arguments of a command. names are their names in the help; a last name that ends in
// "..." stands for one or more arguments.
func takes(names ...string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		many := len(names) > 0 && strings.HasSuffix(names[len(names)-1], "...")
		if len(args) == len(names) || many && len(args) > len(names) {
			return nil
		}
		if len(names) == 0 {
			return &usageError{fmt.Sprintf("%s takes only flags, not the argument %q%s", cmd.Name(), args[0], forgottenFlag(cmd, args[0]))}
		}
		given := "nothing"
		if len(args) > 0 {
			given = strings.Join(args, " ")
		}
		return &usageError{fmt.Sprintf("%s takes %s; given: %s", cmd.Name(), strings.Join(names, " and "), given)}
	}
}

// forgottenFlag suggests a flag if the argument is the name of one without a dash.
func forgottenFlag(cmd *cobra.Command, arg string) string {
	name, _, _ := strings.Cut(arg, "=")
	if cmd.Flags().Lookup(name) == nil {
		return ""
	}
	return ": did you mean -" + name + "?"
}

// notEmpty returns an error if one of these flags has an empty value.
func notEmpty(cmd *cobra.Command, names ...string) error {
	for _, name := range names {
		f := cmd.Flags().Lookup(name)
		several, ok := f.Value.(pflag.SliceValue)
		if f.Changed && (f.Value.String() == "" || ok && slices.Contains(several.GetSlice(), "")) {
			return &usageError{fmt.Sprintf("-%s is empty: want %s", name, f.Usage)}
		}
	}
	return nil
}

// flagError adds a suggestion to the error about an unknown flag.
func flagError(cmd *cobra.Command, err error) error {
	name, ok := strings.CutPrefix(err.Error(), "unknown flag: --")
	if !ok {
		return err
	}
	var known []string
	cmd.Flags().VisitAll(func(f *pflag.Flag) { known = append(known, f.Name) })
	return &usageError{fmt.Sprintf("unknown flag: -%s%s", name, didYouMean("-", name, known))}
}

// unknownCommand returns an error for an unknown subcommand, with a suggestion.
func unknownCommand(root *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	var known []string
	for _, cmd := range root.Commands() {
		known = append(known, cmd.Name())
	}
	return &usageError{fmt.Sprintf("unknown command %q%s", args[0], didYouMean("", args[0], known))}
}

// didYouMean suggests the known names that are similar to an unknown name. prefix stands before each name.
func didYouMean(prefix, name string, known []string) string {
	like := near(name, known, 2)
	if len(like) == 0 {
		return ""
	}
	return ": did you mean " + prefix + strings.Join(like, " or "+prefix) + "?"
}

// near returns the known names that differ from name in at most edits letters, or begin with it.
func near(name string, known []string, edits int) []string {
	names := cobra.Command{SuggestionsMinimumDistance: edits}
	for _, k := range known {
		names.AddCommand(&cobra.Command{Use: k, Run: func(*cobra.Command, []string) {}})
	}
	like := names.SuggestionsFor(name)
	slices.Sort(like)
	return like
}

// newHelp makes the subcommand that explains the others.
func newHelp(root *cobra.Command) *cobra.Command {
	return &cobra.Command{
		Use:     "help [COMMAND]",
		Short:   "explain a subcommand",
		Long:    "Help explains a subcommand, as the flag -help of the subcommand does.\n\n" + statusHelp,
		Example: "  qapigen help generate",
		ValidArgsFunction: func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			var names []string
			for _, cmd := range root.Commands() {
				if cmd.IsAvailableCommand() && len(args) == 0 {
					names = append(names, cobra.CompletionWithDesc(cmd.Name(), cmd.Short))
				}
			}
			return names, cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(_ *cobra.Command, args []string) error {
			cmd, rest, _ := root.Find(args)
			if err := unknownCommand(root, rest); err != nil {
				return err
			}
			cmd.InitDefaultHelpFlag()
			return cmd.Help()
		},
	}
}
