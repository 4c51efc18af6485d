package picture

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/qmpkit/qmpkit/internal/show"
)

// DOT prints the picture in the language of graphviz.
func (p *Picture) DOT(w io.Writer) error {
	var out strings.Builder
	fmt.Fprintf(&out, "digraph %s {\n\trankdir=LR ordering=out ranksep=0.8\n\tnode [fontname=\"monospace\" shape=box]\n\tedge [fontname=\"monospace\" fontsize=10]\n", quote(p.Title))
	if p.Note != "" {
		fmt.Fprintf(&out, "\tlabel=%s labelloc=b fontname=\"monospace\" fontsize=10\n", quote(p.Note))
	}
	ids := map[*Thing]int{}
	var draw func(t *Thing)
	draw = func(t *Thing) {
		ids[t] = len(ids) + 1
		label := t.label()
		for _, n := range t.Notes {
			label += "\n" + show.Escape(n)
		}
		fmt.Fprintf(&out, "\tn%d [label=%s%s]\n", ids[t], quote(label), shapes[t.Kind])
		for _, e := range t.Below {
			if ids[e.To] == 0 {
				draw(e.To)
			}
			label := ""
			if e.Name != "" {
				label = " [label=" + quote(e.Name) + "]"
			}
			fmt.Fprintf(&out, "\tn%d -> n%d%s\n", ids[t], ids[e.To], label)
		}
	}
	for _, root := range slices.Backward(p.Roots) { // from the bottom, if rankdir is LR
		if ids[root] == 0 {
			draw(root)
		}
	}
	out.WriteString("}\n")
	_, err := io.WriteString(w, out.String())
	return err
}

// shapes are the attributes of kinds that are not plain boxes.
var shapes = map[Kind]string{
	Device: ` style=bold`,
	Filter: ` style=dashed`,
	Job:    ` shape=hexagon`,
	Export: ` shape=cds`,
	Bitmap: ` shape=note`,
	Set:    ` shape=folder`,
	Netdev: ` style=rounded`,
}

// quote makes a string of DOT.
func quote(t string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`).Replace(t) + `"`
}
