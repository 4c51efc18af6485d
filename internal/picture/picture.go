// Package picture draws what a machine is made of: its PCI buses, its storage, its network, its objects.
//
//	p, err := picture.Block(ctx, client)
//	…
//	err = p.Text(os.Stdout, picture.Options{})
//
//	data1  disk, 64 MiB
//	└─ limit  throttle, 64 MiB
//	   └─ file: top  qcow2, 64 MiB, /srv/vm1/top.qcow2
//	      ├─ file: top-file  file
//	      ├─ export export0  nbd
//	      └─ backing: base  raw, 64 MiB, /srv/vm1/base.img
//
// Text is for a terminal, DOT for graphviz, and SVG for a browser or a document. A thing that two others use is drawn once:
// text refers to it with ↑, DOT and SVG draw a second line.
package picture

import (
	"slices"
	"strings"

	"github.com/qmpkit/qmpkit/internal/show"
)

// A Picture is a forest, in which a thing can be below several others.
type Picture struct {
	Title string // "block"
	Roots []*Thing
	Note  string // what the picture lacks, and why
}

// A Thing is a device, a node, a job, and so on.
type Thing struct {
	Kind  Kind
	Name  string
	Notes []string // what matters about it: "qcow2", "10 GiB", "running"
	Below []Edge
}

// An Edge leads to a thing below another.
type Edge struct {
	Name string // "backing"; empty if there is nothing to say
	To   *Thing
}

// Kind is what a thing is. It decides the form and the colour.
type Kind string

const (
	Device Kind = "device"
	Bus    Kind = "bus"
	Node   Kind = "node"   // a block node with data
	Filter Kind = "filter" // a block node without data
	Job    Kind = "job"
	Export Kind = "export"
	Bitmap Kind = "bitmap"
	Set    Kind = "fdset"
	Object Kind = "object"
	Netdev Kind = "netdev"
)

// add puts a thing below another one.
func (t *Thing) add(edge string, below *Thing) { t.Below = append(t.Below, Edge{edge, below}) }

// note adds notes that are not empty.
func (t *Thing) note(notes ...string) {
	for _, n := range notes {
		if n != "" {
			t.Notes = append(t.Notes, n)
		}
	}
}

// label returns the name as people read it. The kinds that a name does not show come before it.
func (t *Thing) label() string {
	name := show.Escape(t.Name)
	switch t.Kind {
	case Job, Export, Bitmap, Netdev:
		return strings.TrimSpace(string(t.Kind) + " " + name)
	case Set:
		return strings.TrimSpace("fd set " + name)
	}
	return name
}

// notes returns the notes on one line.
func (t *Thing) notes() string { return show.Escape(strings.Join(t.Notes, ", ")) }

// fit returns the notes on one line of a width. People look for the file, so the other notes are left out before its name is
// cut: first those after it, then those before it.
func (t *Thing) fit(width int) string {
	const readable = 16 // cells of a name
	text := t.notes()
	at := slices.IndexFunc(t.Notes, func(n string) bool { return strings.HasPrefix(n, "/") })
	if at < 0 || show.Cells(text) <= width {
		return show.Cut(text, width)
	}
	file := show.Escape(t.Notes[at])
	for ; ; at-- {
		before := show.Escape(strings.Join(t.Notes[:at], ", "))
		if at > 0 {
			before += ", "
		}
		if room := width - show.Cells(before); at == 0 || room >= min(readable, show.Cells(file)) {
			return before + show.Cut(file, max(room, 0))
		}
	}
}
