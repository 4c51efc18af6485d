package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/qmpkit/qmpkit/internal/unmask"
	"github.com/qmpkit/qmpkit/qapi/facts"
)

// newFacts makes the subcommand that writes a table of facts.
func newFacts() *cobra.Command {
	var from, out, version string
	cmd := &cobra.Command{
		Use:   "facts [-from FILE] [-qemu-version VERSION] -out FILE SOURCE...",
		Short: "write the table that since, list and page read, from schemas of several QEMUs",
		Long: `Facts writes a table of the commands, events, types and their parts in the schemas of several QEMUs,
and of the versions in the documentation. From this table, since and list conclude which QEMU added
or removed a thing. The table has no prose.

With -from, facts adds the sources to an existing table. A source replaces the source of the same
release in the table, except that an answer does not replace a schema.

SOURCE is the main file of a schema, a file that capture wrote, or the ADDRESS of a server. The
version of such a file is in the file VERSION beside it. The answer of a server has no names of
types: facts takes them from the schema in qapigen.

Facts fails if something has no date: no documentation names its version, and no older schema of the
table lacks it. The error lists these things.

` + statusHelp,
		Example: `  qapigen facts -out qemu.facts qemu-7.2/qapi/qapi-schema.json qemu-10.0/qapi/qapi-schema.json
  qapigen facts -from qemu.facts -out qemu.facts captured/8.2/qemu.json`,
		Args:              takes("SOURCE..."),
		ValidArgsFunction: completeFiles,
		RunE: func(cmd *cobra.Command, sources []string) error {
			if err := notEmpty(cmd, "from", "out"); err != nil {
				return err
			}
			if version != "" && !versionPattern.MatchString(version) {
				return &usageError{fmt.Sprintf("-qemu-version %s: want a version such as 10.2.0", version)}
			}
			if version != "" && len(sources) > 1 {
				return &usageError{"-qemu-version takes one source, and there are several"}
			}
			return writeFacts(cmd.Context(), from, out, version, sources, cmd.ErrOrStderr())
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&from, "from", "", "the `FILE` with a table to add to")
	flags.StringVar(&out, "out", "", "the `FILE` to write")
	flags.StringVar(&version, "qemu-version", "", "the QEMU `VERSION` of the source (default: what the file VERSION of its tree says)")
	cobra.CheckErr(cmd.MarkFlagRequired("out"))
	return cmd
}

// writeFacts writes nothing until all sources are read and checked.
func writeFacts(ctx context.Context, from, out, version string, sources []string, stderr io.Writer) error {
	table := facts.New()
	if from != "" {
		text, err := os.ReadFile(from)
		if err != nil {
			return err
		}
		if table, err = facts.Parse(text); err != nil {
			return fmt.Errorf("%s: %w", from, err)
		}
	}
	for _, name := range sources {
		if err := addFacts(ctx, table, name, version, stderr); err != nil {
			return named(name, err)
		}
	}
	if err := table.Know(); err != nil {
		return err
	}
	if err := table.Check(); err != nil {
		return err
	}
	return notWritten(os.WriteFile(out, table.Text(), 0o666))
}

func addFacts(ctx context.Context, table *facts.Table, name, version string, stderr io.Writer) error {
	s, err := openSource(ctx, name)
	if err != nil {
		return err
	}
	version = cmp.Or(version, s.version, treeVersion(name), versionIn(filepath.Dir(name)))
	if version == "" {
		return errors.New("the version of QEMU is not known: give -qemu-version, or write it to a file VERSION beside the source")
	}
	known := func(command string) bool { f, _ := table.Path(command); return f != nil }
	if of := factsFor(known); of != nil && of != factsFor(s.has) {
		return fmt.Errorf("this is a schema of %s, and the table is of %s", serverOf(s.has), serverOf(known))
	}
	if s.view != nil && table.Documented(version) {
		fmt.Fprintf(stderr, "%s: nothing is added: the table already has QEMU's own schema of %s\n", name, facts.Release(version))
		return nil
	}
	if s.schema == nil {
		names, _, err := nearest(s.view)
		if err != nil {
			return err
		}
		snapshot, err := unmask.Unmask(s.view, names)
		if err != nil {
			return err
		}
		s.schema = snapshot.Schema
	}
	return table.Add(version, s.schema, s.view != nil)
}

// A knowing is the choice of a table of facts.
type knowing struct{ server, file string }

// flags adds the flags to a command; other says what it does without -server.
func (k *knowing) flags(cmd *cobra.Command, other string) {
	cmd.Flags().StringVar(&k.server, "server", "", "the `SERVER`: qemu, storage or guest (default: "+other+")")
	cmd.Flags().StringVar(&k.file, "facts", "", "the `FILE` with a table that qapigen facts wrote, instead of the table in qapigen")
	cobra.CheckErr(cmd.RegisterFlagCompletionFunc("server", completeFrom("qemu", "storage", "guest")))
}

// tables returns the tables to look into.
func (k *knowing) tables() ([]*facts.Table, error) {
	switch {
	case k.file != "":
		text, err := os.ReadFile(k.file)
		if errors.Is(err, fs.ErrNotExist) {
			err = withoutPath(err)
		}
		if err != nil {
			return nil, fmt.Errorf("-facts %s: %w", k.file, err)
		}
		table, err := facts.Parse(text)
		if err != nil {
			return nil, fmt.Errorf("-facts %s: %w", k.file, err)
		}
		return []*facts.Table{table}, nil
	case k.server == "":
		return []*facts.Table{facts.QEMU(), facts.Storage(), facts.Guest()}, nil
	case k.server == "qemu":
		return []*facts.Table{facts.QEMU()}, nil
	case k.server == "storage":
		return []*facts.Table{facts.Storage()}, nil
	case k.server == "guest":
		return []*facts.Table{facts.Guest()}, nil
	}
	return nil, &usageError{"-server " + k.server + ": want qemu, storage or guest"}
}
