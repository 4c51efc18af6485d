package main

import (
	"encoding/json"
	"fmt"
	"io"
	"runtime"
	"text/tabwriter"
)

// report is all that a run found out.
type report struct {
	Go      string   `json:"go"`
	System  string   `json:"system"`
	CPUs    int      `json:"cpus"`
	Quick   bool     `json:"quick"`
	Results []result `json:"results"`
}

func newReport(b *bench) *report {
	return &report{
		Go:     runtime.Version(),
		System: runtime.GOOS + "/" + runtime.GOARCH,
		CPUs:   runtime.NumCPU(),
		Quick:  b.quick,
	}
}

func (r *report) writeJSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(r)
}

func (r *report) writeTable(w io.Writer) error {
	fmt.Fprintf(w, "%s %s, %d CPUs", r.Go, r.System, r.CPUs)
	if r.Quick {
		fmt.Fprint(w, ", a quick run: not to be relied on")
	}
	fmt.Fprintln(w)
	fmt.Fprintln(w)
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "what\tfigure\tjudged\tbeside it")
	for _, row := range r.Results {
		fmt.Fprintf(table, "%s\t%s %s\t%s\t%s\n", row.What, number(row.Value), row.Unit, row.Judged, row.Detail)
	}
	return table.Flush()
}
