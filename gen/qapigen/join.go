package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/qmpkit/qmpkit/internal/unmask"
)

// newJoin makes the subcommand that adds the new things of a server to a schema.
func newJoin() *cobra.Command {
	var j joining
	cmd := &cobra.Command{
		Use:   "join -schema FILE [-overrides FILE] -out DIR SOURCE",
		Short: "add the new things of a server to the schema of an older QEMU",
		Long: `Join writes a copy of a schema and adds all things that only a server has. Use it for a new QEMU if
you have a running server, but only the source of an older QEMU. Like the copy of print, it has no
prose. Join removes nothing of the schema. It marks the new parts, "(seen first in 11.1)". Generate
writes this version into comments if qapigen does not know the release. Join can also take a schema
that join wrote.

SOURCE is a file that capture wrote, or the ADDRESS of a running server. Its version is that of the
server, or of the file VERSION beside the file.

If the schema and the server differ in a member, join writes the form that fits both: a member is
optional if it is optional in one of them. If they have different kinds of types at one place, the
file of -overrides must decide. It has a line for each place:

  PLACE source|server REASON

The error of join has the PLACE. The second word names the side whose type join takes. Lines that
begin with # are comments. A line for a place that needs no decision is an error.

The files have the folders of QEMU's source tree in DIR. Join removes files that an earlier run wrote
and that no longer belong to the schema. It never touches files that qapigen did not write.

` + addressHelp + `

` + statusHelp,
		Example: `  qapigen capture -out 11.1/qemu.json unix:/run/vm1/qmp.sock
  qapigen join -schema qemu-10.2/qapi/qapi-schema.json -qemu-version 11.1.0 -out joined 11.1/qemu.json`,
		Args:              takes("SOURCE"),
		ValidArgsFunction: completeFiles,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := notEmpty(cmd, "schema", "overrides", "out"); err != nil {
				return err
			}
			if j.version != "" && !versionPattern.MatchString(j.version) {
				return &usageError{fmt.Sprintf("-qemu-version %s: want a version such as 10.2.0", j.version)}
			}
			j.answer = args[0]
			return j.run(cmd.Context(), cmd.ErrOrStderr())
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&j.schema, "schema", "", "the main `FILE` of the schema (qapi-schema.json)")
	flags.StringVar(&j.overrides, "overrides", "", "the `FILE` that decides where the schema and the server have different kinds of types")
	flags.StringVar(&j.out, "out", "", "the `DIR` to write to")
	flags.StringVar(&j.version, "qemu-version", "",
		"the QEMU `VERSION` of the answer (default: the server's, or that in the file VERSION beside it)")
	for _, name := range []string{"schema", "out"} {
		cobra.CheckErr(cmd.MarkFlagRequired(name))
	}
	for name, complete := range map[string]completer{"schema": completeFiles, "out": completeFolders} {
		cobra.CheckErr(cmd.RegisterFlagCompletionFunc(name, complete))
	}
	return cmd
}

// A joining holds the arguments of join.
type joining struct {
	schema, answer, overrides, out, version string
}

// run writes nothing before everything is known to be right.
func (j *joining) run(ctx context.Context, stderr io.Writer) error {
	source, err := openSource(ctx, j.schema)
	if err == nil && source.schema == nil {
		err = errors.New("this is a server, or a server's answer: -schema is the main file of a QEMU's schema, or of a copy made by qapigen print")
	}
	if err != nil {
		return named(j.schema, err)
	}
	live, err := j.openAnswer(ctx)
	if err != nil {
		return named(j.answer, err)
	}
	opts := unmask.JoinOptions{Version: release(live.version)}
	if j.overrides != "" {
		if opts.Overrides, err = readOverrides(j.overrides); err != nil {
			return err
		}
	}
	step(ctx, "joining "+j.schema+" with "+j.answer)
	joined, err := unmask.Join(source.schema, live.view, opts)
	if err != nil {
		return withRows(err, j.overrides)
	}
	tree, err := j.tree(joined, live.version)
	if err != nil {
		return err
	}
	if err := writeTree(j.out, tree); err != nil {
		return notWritten(err)
	}
	fmt.Fprintf(stderr, "joined %s with QEMU %s: %d parts added\n", j.schema, live.version, len(joined.Added))
	return nil
}

// openAnswer opens the server's side. Its version must be known.
func (j *joining) openAnswer(ctx context.Context) (*source, error) {
	live, err := openSource(ctx, j.answer)
	switch {
	case err != nil:
		return nil, err
	case live.view == nil:
		return nil, errors.New("this is a schema: join takes a server, or its answer")
	}
	live.version = cmp.Or(j.version, live.version, versionIn(filepath.Dir(j.answer)))
	if live.version == "" {
		return nil, errors.New("the version of QEMU is not known: give -qemu-version, or write it to a file VERSION beside the answer")
	}
	return live, nil
}

// tree returns the files to write, by their paths.
func (j *joining) tree(joined *unmask.Joined, version string) (map[string][]byte, error) {
	main, err := filepath.Abs(j.schema)
	if err != nil {
		return nil, err
	}
	folder, err := filepath.Rel(treeRoot([]string{main}), filepath.Dir(main))
	if err != nil {
		return nil, err
	}
	head := header + " join from the schema of QEMU " + cmp.Or(treeVersion(main), "another version") +
		" and the additions of QEMU " + version + "; DO NOT EDIT.\n\n"
	tree := map[string][]byte{versionFile: []byte(version + "\n")}
	for name, text := range joined.Files {
		tree[filepath.FromSlash(path.Join(filepath.ToSlash(folder), name))] = append([]byte(head), text...)
	}
	return tree, nil
}

// release returns the version without what it has besides its first two numbers: that of "11.1.3"
// is "11.1".
func release(version string) string {
	major, rest, _ := strings.Cut(version, ".")
	minor, _, _ := strings.Cut(rest, ".")
	return major + "." + minor
}
