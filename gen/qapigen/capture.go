package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/qmpkit/qmpkit/internal/address"
)

// newCapture makes the subcommand that saves the schema of a server.
func newCapture() *cobra.Command {
	var out string
	cmd := &cobra.Command{
		Use:   "capture [-out FILE] ADDRESS",
		Short: "save the schema of a running server to a file",
		Long: `Capture asks a running server for its schema (query-qmp-schema) and writes the answer to a file.
Generate, query and diff read such a file when the server no longer runs. The file has a line for
each entry, with the members in alphabetical order, so two captures of one QEMU are the same.

` + addressHelp + `
A guest agent has no introspection.

` + statusHelp,
		Example: `  qapigen capture -out qemu-11.1.json unix:/run/vm1/qmp.sock
  qapigen generate -schema qemu-11.1.json -qemu-version 11.1.0 -package qemu -out ./qemu`,
		Args: takes("ADDRESS"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := notEmpty(cmd, "out"); err != nil {
				return err
			}
			return capture(cmd.Context(), args[0], out, cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	cmd.Flags().StringVar(&out, "out", "", "the `FILE` to write to (default: standard output)")
	return cmd
}

// capture writes nothing until the whole answer is there.
func capture(ctx context.Context, server, out string, stdout, stderr io.Writer) error {
	s, err := openServer(ctx, server)
	if err != nil {
		return fmt.Errorf("%s: %w", server, err)
	}
	var b bytes.Buffer
	if err := printView(&b, s.view); err != nil {
		return err
	}
	if out == "" {
		_, err = stdout.Write(b.Bytes())
	} else {
		err = notWritten(os.WriteFile(out, b.Bytes(), 0o666))
	}
	if err == nil {
		fmt.Fprintf(stderr, "captured %d entries of the schema of QEMU %s\n", len(s.view.Infos), s.version)
	}
	return err
}

// openServer is openSource for a running server only.
func openServer(ctx context.Context, name string) (*source, error) {
	if server, ok := address.Of(name); ok {
		return askServer(ctx, server)
	}
	info, err := os.Stat(name)
	switch {
	case err != nil:
		return nil, advise(withoutPath(err), "there is no socket with this name; the address of a server begins with unix:, tcp: or vsock:")
	case info.Mode().IsRegular():
		return nil, errors.New("this is a file: capture takes the address of a server that is running")
	}
	return nil, errors.New("this is not a socket: capture takes the address of a server that is running")
}
