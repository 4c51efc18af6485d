package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/qmpkit/qmpkit/internal/page"
	"github.com/qmpkit/qmpkit/qapi"
	"github.com/qmpkit/qmpkit/qapi/facts"
	"github.com/qmpkit/qmpkit/testdata/schema"
)

// newPage makes the subcommand that writes the facts as an HTML page.
func newPage() *cobra.Command {
	var out string
	var k knowing
	cmd := &cobra.Command{
		Use:   "page [-out FILE] [-server SERVER] [-facts FILE]",
		Short: "write an HTML page to search the commands, events and types of each QEMU",
		Long: `Page writes an HTML file with all facts that since and list print. For each command, event, type,
member, value and feature it has the QEMU versions, the name in Go, and a link to QEMU's reference.
Open the file in a browser. It needs no server and no network.

The page has all three servers. With -facts FILE, it has the table in FILE only. -server says which
server that table is of; without it, the table is of QEMU.

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
	k.flags(cmd, "all three, or qemu with -facts")
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
		return nil, &usageError{fmt.Sprintf("-server %s: want qemu, storage or guest", k.server)}
	}
	return servers, nil
}
