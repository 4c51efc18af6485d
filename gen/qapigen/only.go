package main

import (
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/qmpkit/qmpkit/internal/gogen"
	"github.com/qmpkit/qmpkit/qapi"
)

// selectionHelp says what the flags of a selection do, for the help of generate.
const selectionHelp = `Without -only and -modules the package has the whole schema. -only names commands and events, as QMP
spells them. -modules names files of the schema, and stands for all commands and events in them. The
package has the commands and events of both flags, and the types that they need.

A condition of the schema ("if") means that some builds of QEMU lack a thing. The package has the
thing, and its comment names the condition. -define and -undefine describe one build instead:
-define names the symbols that are true, and -undefine the symbols that are false. The package then
leaves out the things that this build lacks.`

// selectionFlags are the flags that say what of a schema is wanted.
type selectionFlags struct {
	cmd                             *cobra.Command
	only, modules, define, undefine []string
}

// addSelectionFlags adds the flags to a command.
func addSelectionFlags(cmd *cobra.Command) *selectionFlags {
	s := &selectionFlags{cmd: cmd}
	flags := cmd.Flags()
	flags.StringArrayVar(&s.only, "only", nil,
		"the `NAMES` of commands and events: a list with commas, or @FILE with names and # comments; may be given several times")
	flags.StringArrayVar(&s.modules, "modules", nil,
		"the `NAMES` of files of the schema: block-core,qdev")
	flags.StringArrayVar(&s.define, "define", nil,
		"the `NAMES` of the symbols that are true, such as CONFIG_LINUX; all others are false")
	flags.StringArrayVar(&s.undefine, "undefine", nil,
		"the `NAMES` of the symbols that are false; all others are true")
	for flag, names := range map[string]func(*qapi.Schema) []string{
		"only": commandsAndEvents, "modules": moduleNames,
		"define": (*qapi.Schema).Symbols, "undefine": (*qapi.Schema).Symbols,
	} {
		cobra.CheckErr(cmd.RegisterFlagCompletionFunc(flag, completeList(names)))
	}
	return s
}

// selection reads what the flags were given.
func (s *selectionFlags) selection() (gogen.Selection, error) {
	var sel gogen.Selection
	if flags := s.cmd.Flags(); flags.Changed("define") && flags.Changed("undefine") {
		return sel, &usageError{"-define and -undefine exclude each other"}
	}
	for _, flag := range []struct {
		name  string
		given []string
		to    *[]string
		empty bool // a list of nothing has a meaning
	}{
		{"only", s.only, &sel.Only, false},
		{"modules", s.modules, &sel.Modules, false},
		{"define", s.define, &sel.Define, true},
		{"undefine", s.undefine, &sel.Undefine, true},
	} {
		if !s.cmd.Flags().Changed(flag.name) {
			continue
		}
		names, err := listed(flag.given)
		if err != nil {
			return sel, fmt.Errorf("-%s: %w", flag.name, err)
		}
		if len(names) == 0 && !flag.empty {
			return sel, &usageError{fmt.Sprintf("-%s names nothing", flag.name)}
		}
		*flag.to = names
	}
	for i, name := range sel.Modules {
		sel.Modules[i] = strings.TrimSuffix(name, ".json")
	}
	return sel, nil
}

// listed returns the names in the values of a flag, each of them once. They are not nil.
func listed(values []string) ([]string, error) {
	names, seen := []string{}, map[string]bool{}
	add := func(text string) {
		for _, name := range strings.FieldsFunc(text, isListSeparator) {
			if !seen[name] {
				seen[name] = true
				names = append(names, name)
			}
		}
	}
	for _, value := range values {
		path, ok := strings.CutPrefix(value, "@")
		if !ok {
			add(value)
			continue
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		for line := range strings.Lines(string(text)) {
			line, _, _ = strings.Cut(line, "#")
			add(line)
		}
	}
	return names, nil
}

func isListSeparator(r rune) bool { return r == ',' || strings.ContainsRune(" \t\r\n", r) }
