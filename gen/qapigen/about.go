package main

import (
	"encoding/json"
	"fmt"
	"io"
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"

	"github.com/qmpkit/qmpkit/qapi"
)

// about is what the subcommand version says, in JSON.
type about struct {
	Version  string   `json:"version"`  // of this module, "(devel)" from a checkout
	Go       string   `json:"go"`       // that it was built with
	Runtime  string   `json:"runtime"`  // the constant of the runtime that generated code needs
	Names    string   `json:"names"`    // the QEMU that the names of a server's types come from
	Dialects []string `json:"dialects"` // of check
}

// newVersion makes the subcommand that prints the version of qapigen.
func newVersion() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "version [-json]",
		Short: "print the version of qapigen, and of the QEMUs that it knows",
		Long: `Version prints the version of qapigen, the constant of package qmp/wire that generated code needs, the
QEMU whose schema gives the names of types for a server, and the dialects of check.

` + statusHelp,
		Example: "  go tool qapigen version\n  qapigen version -json",
		Args:    takes(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			a := tellAbout()
			if asJSON {
				return writeJSON(cmd.OutOrStdout(), a)
			}
			_, err := fmt.Fprintf(cmd.OutOrStdout(), "qapigen %s, built with %s\ngenerated code needs %s\nnames of a server's types: QEMU %s\ndialects: %s\n",
				a.Version, a.Go, a.Runtime, a.Names, strings.Join(a.Dialects, ", "))
			return err
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print an object")
	return cmd
}

func tellAbout() about {
	a := about{Version: "(devel)", Go: runtime.Version(), Runtime: "wire.GeneratedV3", Names: embeddedVersion}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		a.Version = info.Main.Version
	}
	for _, d := range qapi.Dialects() {
		a.Dialects = append(a.Dialects, d.String())
	}
	return a
}

// writeJSON writes a value for a program to read.
func writeJSON(w io.Writer, value any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(value)
}
