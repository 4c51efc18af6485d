package picture

import (
	"io"
	"strings"

	"github.com/qmpkit/qmpkit/internal/show"
)

// Options says how to print a picture as text.
type Options struct {
	show.Options
	ASCII bool // draw with + - | ` instead of box characters
}

// lines are the characters of a tree.
type lines struct{ branch, last, through, blank, again string }

var (
	boxes = lines{"├─ ", "└─ ", "│  ", "   ", "↑"}
	ascii = lines{"+- ", "`- ", "|  ", "   ", "(above)"}
)

// Text prints the picture as a tree. If Width is set, long lines are cut.
func (p *Picture) Text(w io.Writer, o Options) error {
	t := textTree{Options: o, lines: boxes, seen: map[*Thing]bool{}}
	if o.ASCII {
		t.lines = ascii
	}
	for _, root := range p.Roots {
		t.thing("", "", "", root)
	}
	if len(p.Roots) == 0 {
		t.out.WriteString(o.Paint(show.Faint, "none") + "\n")
	}
	if p.Note != "" {
		t.out.WriteString(o.Paint(show.Faint, show.Wrap(show.Escape(p.Note), o.Width)) + "\n")
	}
	_, err := io.WriteString(w, t.out.String())
	return err
}

type textTree struct {
	Options
	lines
	out  strings.Builder
	seen map[*Thing]bool
}

// thing prints a thing behind a prefix, and the things below it behind another one.
func (t *textTree) thing(prefix, below, edge string, thing *Thing) {
	if edge != "" {
		edge = show.Escape(edge) + ": "
	}
	label, notes := thing.label(), ""
	seen := t.seen[thing]
	room := 1 << 16
	if t.Width > 0 {
		room = t.Width - show.Cells(prefix+edge)
		label = show.Cut(label, max(room, 8))
	}
	if room = max(room-show.Cells(label)-2, 0); seen {
		notes = show.Cut(t.again, room)
	} else {
		notes = thing.fit(room)
	}
	if notes != "" {
		notes = "  " + notes
	}
	if t.ASCII {
		label, notes = strings.ReplaceAll(label, "…", "~"), strings.ReplaceAll(notes, "…", "~")
	}
	style := show.Plain
	if thing.Kind == Device || thing.Kind == Bus {
		style = show.Title
	}
	state := show.Plain
	for _, n := range thing.Notes {
		state = max(state, show.StyleOf(n))
	}
	t.out.WriteString(t.Paint(show.Faint, prefix+edge) + t.Paint(style, label) + t.Paint(state, notes) + "\n")
	if seen {
		return
	}
	t.seen[thing] = true
	for i, e := range thing.Below {
		branch, rest := t.branch, t.through
		if i == len(thing.Below)-1 {
			branch, rest = t.last, t.blank
		}
		t.thing(below+branch, below+rest, e.Name, e.To)
	}
}
