package picture

import (
	"fmt"
	"io"
	"strings"

	"github.com/qmpkit/qmpkit/internal/show"
)

// The sizes of an SVG, in pixels. The font is monospaced, so that the width of a text is known.
const (
	cellWidth  = 7.3 // of a character of 12 pixels
	lineHeight = 16
	padding    = 6
	edgeCell   = 6.1 // of a character of 10 pixels
	columnGap  = 80  // between two columns, for the lines and the names of edges
	curve      = 36  // the least width of the curve of a line
	rowGap     = 10
	margin     = 16
)

// A box is a thing that has a place.
type box struct {
	thing      *Thing
	x, y, w, h float64
	lines      []string
}

// SVG draws the picture from left to right: a column for each level, and the things below a thing beside it. The colours fit
// light and dark pages.
func (p *Picture) SVG(w io.Writer) error {
	l := layout{boxes: map[*Thing]*box{}}
	for _, root := range p.Roots {
		if l.boxes[root] == nil {
			l.place(root, 0)
		}
	}
	width, height := l.align()
	wide, high := width, height
	if p.Note != "" {
		wide, high = max(width, cellWidth*float64(show.Cells(p.Note))+2*margin), height+lineHeight
	}
	var out strings.Builder
	fmt.Fprintf(&out, `<svg xmlns="http://www.w3.org/2000/svg" width="%.0f" height="%.0f" viewBox="0 0 %.0f %.0f">`+"\n", wide, high, wide, high)
	fmt.Fprintf(&out, "<title>%s</title>\n%s", escapeXML(p.Title), svgStyle)
	for _, b := range l.order {
		for i, e := range b.thing.Below {
			to, class := l.boxes[e.To], ""
			if !l.own[edgeKey{b.thing, i}] {
				class = ` class="again"`
			}
			x1, y1, x2, y2 := b.x+b.w, b.y+b.h/2, to.x, to.y+to.h/2
			if x2 < x1 { // back to something that is already drawn further left
				x2 = to.x + to.w
			}
			start, end := x1, x2 // of the curve; the rest is straight, below the name
			if class == "" {
				end -= edgeWidth(e)
			} else {
				start += edgeWidth(e)
			}
			middle := (start + end) / 2
			fmt.Fprintf(&out, `<path%s d="M%.1f %.1fH%.1fC%.1f %.1f %.1f %.1f %.1f %.1fH%.1f"/>`+"\n", class, x1, y1, start, middle, y1, middle, y2, end, y2, x2)
			x, y, anchor := x2-5, y2-4, "end"
			if class != "" { // the other end has the name of another edge
				x, y, anchor = x1+5, y1-4, "start"
			}
			if e.Name != "" {
				fmt.Fprintf(&out, `<text class="edge" x="%.1f" y="%.1f" text-anchor="%s">%s</text>`+"\n", x, y, anchor, escapeXML(show.Escape(e.Name)))
			}
		}
	}
	for _, b := range l.order {
		fmt.Fprintf(&out, `<rect class="%s" x="%.1f" y="%.1f" width="%.1f" height="%.1f" rx="3"/>`+"\n", b.thing.Kind, b.x, b.y, b.w, b.h)
		for i, line := range b.lines {
			class := ""
			if i > 0 {
				class = ` class="note"`
			}
			fmt.Fprintf(&out, `<text%s x="%.1f" y="%.1f">%s</text>`+"\n", class, b.x+padding, b.y+padding+float64(i*lineHeight)+11, escapeXML(line))
		}
	}
	if p.Note != "" {
		fmt.Fprintf(&out, `<text class="note" x="%d" y="%.1f">%s</text>`+"\n", margin, height-margin+lineHeight, escapeXML(show.Escape(p.Note)))
	}
	out.WriteString("</svg>\n")
	_, err := io.WriteString(w, out.String())
	return err
}

// svgStyle has plain rules first, for programs that know neither variables nor the colours of the page.
const svgStyle = `<style>
svg { color-scheme: light dark; font: 12px monospace }
text { fill: #1b1f24 } .note, .edge { fill: #57606a } .edge { font-size: 10px }
rect { fill: #f6f8fa; stroke: #8c959f } path { fill: none; stroke: #8c959f }
.device, .bus { stroke-width: 2 } .filter, .again { stroke-dasharray: 4 3 }
.job { stroke: #9a6700 } .export { stroke: #0969da } .bitmap { stroke: #1a7f37 } .fdset { stroke: #8250df }
@media (prefers-color-scheme: dark) {
text { fill: #e6edf3 } .note, .edge { fill: #9198a1 } rect { fill: #151b23 }
.job { stroke: #d29922 } .export { stroke: #58a6ff } .bitmap { stroke: #3fb950 } .fdset { stroke: #bc8cff }
}
</style>
`

// A layout gives each thing its place.
type layout struct {
	boxes  map[*Thing]*box
	order  []*box
	own    map[edgeKey]bool // the edges of the tree: the others lead to things that have a place already
	column map[*box]int
	bottom float64
}

type edgeKey struct {
	from *Thing
	at   int
}

// place puts a thing into a column, beside the middle of the things below it.
func (l *layout) place(t *Thing, column int) *box {
	if l.own == nil {
		l.own, l.column, l.bottom = map[edgeKey]bool{}, map[*box]int{}, margin
	}
	b := &box{thing: t, lines: []string{t.label()}}
	for _, n := range t.Notes {
		b.lines = append(b.lines, show.Cut(show.Escape(n), 48))
	}
	for _, line := range b.lines {
		b.w = max(b.w, cellWidth*float64(show.Cells(line))+2*padding)
	}
	b.h = float64(len(b.lines)*lineHeight) + 2*padding - 2
	l.boxes[t], l.column[b] = b, column
	l.order = append(l.order, b)
	top := l.bottom
	var below []*box
	for i, e := range t.Below {
		if l.boxes[e.To] == nil {
			l.own[edgeKey{t, i}] = true
			below = append(below, l.place(e.To, column+1))
		}
	}
	b.y = top
	if len(below) > 0 {
		first, last := below[0], below[len(below)-1]
		b.y = max(top, (first.y+first.h/2+last.y+last.h/2-b.h)/2)
	}
	l.bottom = max(l.bottom, b.y+b.h+rowGap)
	return b
}

// edgeWidth returns the width of the name of an edge.
func edgeWidth(e Edge) float64 {
	if e.Name == "" {
		return 0
	}
	return edgeCell*float64(show.Cells(show.Escape(e.Name))) + 10
}

// align gives each column the width of its widest box, and returns the size of the picture.
func (l *layout) align() (width, height float64) {
	var widths, gaps []float64
	for _, b := range l.order {
		c := l.column[b]
		for len(widths) <= c {
			widths, gaps = append(widths, 0), append(gaps, columnGap)
		}
		widths[c] = max(widths[c], b.w)
		for _, e := range b.thing.Below {
			gaps[c] = max(gaps[c], edgeWidth(e)+curve)
		}
	}
	left := make([]float64, len(widths)+1)
	left[0] = margin
	for c, w := range widths {
		left[c+1] = left[c] + w + gaps[c]
	}
	for _, b := range l.order {
		b.x = left[l.column[b]]
		width = max(width, b.x+b.w+margin)
	}
	return max(width, 2*margin), max(l.bottom-rowGap+margin, 2*margin)
}

// escapeXML escapes a text.
func escapeXML(t string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;").Replace(t)
}
