package main

import (
	"context"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/qmpkit/qmpkit/qapi"
	"github.com/qmpkit/qmpkit/testdata/schema"
)

var shells = []string{"bash", "zsh", "fish", "powershell"}

// newCompletion makes the subcommand that writes the completion script of a shell.
func newCompletion(root *cobra.Command) *cobra.Command {
	return &cobra.Command{
		Use:   "completion bash|zsh|fish|powershell",
		Short: "write a script that makes a shell complete qapigen's command line",
		Long: `Completion writes a script for a shell. With it, the shell completes subcommands, flags, names of
files, dialects, and the commands, events, modules and symbols of a schema. It takes these
from the schema on the command line. If there is none, or if it is a server, it takes them from the
schema of QEMU ` + embeddedVersion + `.

` + statusHelp,
		Example: `  source <(qapigen completion bash)                                  # this shell
  qapigen completion bash > /etc/bash_completion.d/qapigen           # every new shell
  qapigen completion zsh > "${fpath[1]}/_qapigen"
  qapigen completion fish > ~/.config/fish/completions/qapigen.fish
  qapigen completion powershell | Out-String | Invoke-Expression`,
		Args:      takes("the name of a shell"),
		ValidArgs: shells,
		RunE: func(cmd *cobra.Command, args []string) error {
			out := cmd.OutOrStdout()
			switch args[0] {
			case "bash":
				return root.GenBashCompletionV2(out, true)
			case "zsh":
				return root.GenZshCompletion(out)
			case "fish":
				return root.GenFishCompletion(out, true)
			case "powershell":
				return root.GenPowerShellCompletionWithDesc(out)
			}
			return &usageError{"unknown shell " + args[0] + ": want one of " + strings.Join(shells, ", ")}
		},
	}
}

// A completer returns the possible completions of a word.
type completer = cobra.CompletionFunc

// completeFiles completes the name of a schema's file, or of an answer.
func completeFiles(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return []string{"json"}, cobra.ShellCompDirectiveFilterFileExt
}

func completeFolders(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return nil, cobra.ShellCompDirectiveFilterDirs
}

// completeFrom completes a word from a list.
func completeFrom(words ...string) completer {
	return cobra.FixedCompletions(words, cobra.ShellCompDirectiveNoFileComp)
}

// completeList completes the last name of a list with commas; names returns those of a schema.
func completeList(names func(*qapi.Schema) []string) completer {
	return func(cmd *cobra.Command, _ []string, typed string) ([]string, cobra.ShellCompDirective) {
		if strings.HasPrefix(typed, "@") {
			return nil, cobra.ShellCompDirectiveDefault
		}
		sources, _ := cmd.Flags().GetStringArray("schema")
		if len(sources) == 0 {
			sources = []string{""}
		}
		var all []string
		for _, source := range sources {
			if s := schemaNamed(cmd.Context(), source); s != nil {
				all = append(all, names(s)...)
			}
		}
		if all == nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		slices.Sort(all)
		before := typed[:strings.LastIndexByte(typed, ',')+1]
		return matching(before, typed, slices.Compact(all)), cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
	}
}

// completePath completes the first part of a path of query, after a source.
func completePath(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
	if len(args) == 0 {
		return completeFiles(cmd, args, typed)
	}
	directive := cobra.ShellCompDirectiveNoFileComp
	if len(args) > 1 {
		return nil, directive
	}
	if name, _, ok := strings.Cut(typed, "/"); ok {
		return matching(name+"/", typed, []string{"arg-type", "ret-type"}), directive
	}
	if s := schemaNamed(cmd.Context(), args[0]); s != nil {
		return matching("", typed, commandsAndEvents(s)), directive | cobra.ShellCompDirectiveNoSpace
	}
	return nil, directive
}

// matching returns the words that continue what was typed, with what stands before them.
func matching(before, typed string, words []string) []string {
	var found []string
	for _, word := range words {
		if strings.HasPrefix(before+word, typed) {
			found = append(found, before+word)
		}
	}
	return found
}

// schemaNamed returns the schema of a source. If there is no source, or if it is a server, it
// returns the newest schema in qapigen. It returns nil if it cannot load the source. A person waits
// for the result.
func schemaNamed(ctx context.Context, name string) *qapi.Schema {
	s, err := qapi.LoadFS(schema.FS, embeddedVersion+"/"+schema.QEMU, nil)
	if info, statErr := os.Stat(name); statErr == nil && info.Mode().IsRegular() {
		var from *source
		if from, err = openSource(ctx, name); err == nil && from.schema != nil {
			s = from.schema
		}
	}
	if err != nil {
		return nil
	}
	return s
}

func commandsAndEvents(s *qapi.Schema) []string {
	var names []string
	for _, c := range s.Commands() {
		names = append(names, c.Name)
	}
	for _, e := range s.Events() {
		names = append(names, e.Name)
	}
	slices.Sort(names)
	return names
}

// moduleNames returns the names of the modules that have commands or events.
func moduleNames(s *qapi.Schema) []string {
	var names []string
	for _, m := range s.Modules {
		if slices.ContainsFunc(m.Definitions, isCallable) {
			name := m.Name[strings.LastIndexByte(m.Name, '/')+1:]
			names = append(names, strings.TrimSuffix(name, ".json"))
		}
	}
	return names
}

func isCallable(d qapi.Definition) bool {
	switch d.(type) {
	case *qapi.Command, *qapi.Event:
		return true
	}
	return false
}

// oneDash is what cobra completes, flags with two dashes, for a word that began with one.
func oneDash(completions string) string {
	lines := strings.Split(completions, "\n")
	for i, line := range lines {
		if strings.HasPrefix(line, "--") {
			lines[i] = line[1:]
		}
	}
	return strings.Join(lines, "\n")
}
