package main

import (
	"fmt"
	"io"
	"regexp"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/qmpkit/qmpkit/internal/address"
	"github.com/qmpkit/qmpkit/internal/operate"
)

// newMan makes the subcommand that writes the man page, from the texts of the help.
func newMan(root *cobra.Command) *cobra.Command {
	return &cobra.Command{
		Use:     "man",
		Short:   "write the man page, qmpsh.1",
		Example: "  qmpsh man > /usr/local/share/man/man1/qmpsh.1\n  qmpsh man | man -l -",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := io.WriteString(cmd.OutOrStdout(), manPage(root))
			return err
		},
	}
}

// manPage returns the man page as man(7) text.
func manPage(root *cobra.Command) string {
	p := &page{}
	p.request(".TH QMPSH 1")
	p.section("NAME")
	p.text("qmpsh - " + root.Short)
	p.section("SYNOPSIS")
	p.text("  qmpsh [SWITCH]... ADDRESS [COMMAND [KEY=VALUE]...]")
	for _, cmd := range root.Commands() {
		if cmd.IsAvailableCommand() && cmd.Name() != "help" {
			p.text("  qmpsh " + cmd.Use)
		}
	}
	p.section("DESCRIPTION")
	p.text(introduction)
	p.text(sessionHelp)
	p.section("ADDRESSES")
	p.text(addressHelp)
	p.section("SWITCHES")
	p.flags(root.Flags())
	p.section("COMMANDS OF THE SHELL")
	for _, name := range order {
		p.item(builtins[name].usage, builtins[name].help)
	}
	p.section("OPERATIONS")
	p.text("Operations take several commands of the server, and undo their steps if one fails. With -n, an operation prints what it would send.")
	for _, group := range operate.Groups() {
		p.request(".SS " + escaped(group.Title))
		for _, op := range group.Operations {
			p.item(op.Usage(), op.Help)
		}
	}
	p.section("OTHER COMMANDS")
	for _, cmd := range root.Commands() {
		if cmd.IsAvailableCommand() && cmd.Name() != "help" {
			p.request(".SS " + escaped(cmd.Name()))
			if p.text(cmd.Short); cmd.Long != "" {
				p.text(cmd.Long)
			}
			p.flags(cmd.Flags())
		}
	}
	p.section("EXIT STATUS")
	p.text(statusHelp)
	p.section("ENVIRONMENT")
	p.item("QMPSH_HISTORY", "the file of the history; if it is empty, the shell keeps no history")
	p.item("PAGER", "the program that shows long results; less if it is not set; cat means none")
	p.item(address.PasswordFile, "the file with the password for daemons of libvirt that ask for a login; without it, the shell asks on the terminal")
	p.item("NO_COLOR", "if it is set, there are no colours")
	p.section("FILES")
	p.item("$XDG_STATE_HOME/qmpsh/history, ~/.local/state/qmpsh/history", "the history, without passwords and keys")
	p.section("EXAMPLES")
	p.text(root.Example)
	return p.b.String()
}

// A page is a man page that is being written.
type page struct{ b strings.Builder }

func (p *page) request(line string)  { fmt.Fprintln(&p.b, line) }
func (p *page) section(title string) { p.request(".SH " + title) }

// item writes a term and its explanation.
func (p *page) item(term, help string) {
	p.request(".TP")
	p.request(`\fB` + escaped(term) + `\fR`)
	p.request(escaped(help))
}

// flags writes the flags of a command.
func (p *page) flags(flags *pflag.FlagSet) {
	flags.VisitAll(func(f *pflag.Flag) {
		name, help := pflag.UnquoteUsage(f)
		if f.Name == "help" {
			return
		}
		names := "-" + f.Name + " " + name
		if f.Shorthand != "" {
			names = "-" + f.Shorthand + " " + name + ", " + names
		}
		p.item(strings.TrimSpace(names), help)
	})
}

// row is a line of a list in a help text: a term, two or more spaces, and its explanation.
var row = regexp.MustCompile(`^ +(\S(?: ?\S)*) {2,}(\S.*)$`)

// text writes a text of the help: paragraphs, lists, and lines that stay as they are, which begin with spaces.
func (p *page) text(text string) {
	p.request(".PP")
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\n")
		switch found := row.FindStringSubmatch(line); {
		case found != nil:
			p.item(found[1], found[2])
		case strings.HasPrefix(line, " "):
			p.request(".nf")
			p.request(escaped(line))
			p.request(".fi")
		case line == "":
			p.request(".PP")
		default:
			p.request(escaped(line))
		}
	}
}

// escaped returns a text without meaning for roff. "-" is the character of options, not a hyphen.
func escaped(text string) string {
	text = strings.NewReplacer(`\`, `\e`, "-", `\-`, "…", "...", "“", `"`, "”", `"`).Replace(text)
	if strings.HasPrefix(text, ".") || strings.HasPrefix(text, "'") {
		return `\&` + text
	}
	return text
}
