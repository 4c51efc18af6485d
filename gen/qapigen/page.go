package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/qmpkit/qmpkit/gen/page"
	"github.com/qmpkit/qmpkit/qapi"
	"github.com/qmpkit/qmpkit/qapi/facts"
	"github.com/qmpkit/qmpkit/testdata/schema"
)

// newPage makes the subcommand that writes the facts as a page.
func newPage() *cobra.Command {
	var out string
	var k knowing
	cmd := &cobra.Command{
		Use:   "page [-out FILE] [-server SERVER] [-facts FILE]",
		Short: "write a page on which to look up which QEMU has what",
		Long: `Page writes an HTML file with all that since and list know: each command, event, type, member,
value and feature with the QEMU versions that have it, its name in Go, and its place in QEMU's
reference. The file needs no server and no network: open it in a browser.

-facts is a table of the server -server, of QEMU if there is none, and the page has this table
only. Otherwise the page has all three servers.

` + statusHelp,
		Example: `  qapigen page -out qmp.html
  qapigen page -server storage -facts storage.facts -out storage.html`,
		Args: takes(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := notEmpty(cmd, "out"); err != nil {
				return err
			}
			servers, err := k.pageServers()
			if err != nil {
				return err
			}
			text, err := page.Make(servers...)
			if err != nil {
				return err
			}
			if out == "" {
				_, err = cmd.OutOrStdout().Write(text)
				return err
			}
			return notWritten(os.WriteFile(out, text, 0o666))
		},
	}
	cmd.Flags().StringVar(&out, "out", "", "the `FILE` to write to (default: standard output)")
	k.flags(cmd)
	return cmd
}

// pageServers are the servers of the page, with the schemas that our own packages are generated from.
func (k *knowing) pageServers() (servers []page.Server, err error) {
	known := []struct {
		page.Server
		main string
	}{
		{page.Server{Key: "qemu", Title: "QEMU", Package: "qemu"}, schema.NewestQEMU},
		{page.Server{Key: "storage", Title: "qemu-storage-daemon", Package: "storage"}, schema.NewestStorage},
		{page.Server{Key: "guest", Title: "guest agent", Package: "guest"}, schema.NewestGuest},
	}
	tables, err := k.tables()
	if err != nil {
		return nil, err
	}
	var table *facts.Table
	if k.file != "" {
		table = tables[0]
	}
	for i, s := range known {
		switch {
		case table != nil && s.Key != "qemu" && k.server == "", k.server != "" && k.server != s.Key:
			continue
		case table != nil:
			s.Facts = table
		case k.server != "":
			s.Facts = tables[0]
		default:
			s.Facts = tables[i]
		}
		if s.Schema, err = qapi.LoadFS(schema.FS, s.main, nil); err != nil {
			return nil, err
		}
		servers = append(servers, s.Server)
	}
	if servers == nil {
		return nil, &usageError{fmt.Sprintf("-server %s: it is qemu, storage or guest", k.server)}
	}
	return servers, nil
}
