package picture

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/internal/golden"
	"github.com/qmpkit/qmpkit/internal/show"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

// sample is a picture with every kind of thing, a thing below two others, and texts that each format must escape.
func sample() *Picture {
	shared := &Thing{Kind: Node, Name: "base", Notes: []string{"raw", "64 MiB", `/srv/a "b" <c> & \d.img`}}
	shared.add("file", &Thing{Kind: Node, Name: "ディスク", Notes: []string{"file"}})
	shared.add("", &Thing{Kind: Set, Name: "3", Notes: []string{"fd 21 base"}})
	top := &Thing{Kind: Node, Name: "top", Notes: []string{"qcow2"}}
	top.add("", &Thing{Kind: Bitmap, Name: "backup0", Notes: []string{"0 B dirty", "inconsistent"}})
	top.add("", &Thing{Kind: Export, Name: "export0", Notes: []string{"nbd"}})
	top.add("backing", shared)
	filter := &Thing{Kind: Filter, Name: "limit", Notes: []string{"throttle"}}
	filter.add("file", top)
	job := &Thing{Kind: Job, Name: "job0", Notes: []string{"commit", "running", "10 %"}}
	job.add("base", shared)
	disk := &Thing{Kind: Device, Name: "data1", Notes: []string{"disk", "64 MiB"}}
	disk.add("", filter)
	disk.add("", job)
	return &Picture{Title: "sample", Roots: []*Thing{
		disk,
		{Kind: Bus, Name: "bus pcie.0"},
		{Kind: Netdev, Name: "net0", Notes: []string{"tap"}},
		{Kind: Object, Name: "\x1b[2J\u202e", Notes: []string{"line\nbreak"}},
	}}
}

func TestRenderers(t *testing.T) {
	golden.Compare(t, "testdata/*.txtar", func(t *testing.T, _ *txtar.Archive) *txtar.Archive {
		p, out := sample(), &txtar.Archive{}
		add := func(name string, draw func(w io.Writer) error) {
			var text strings.Builder
			require.NoError(t, draw(&text))
			out.Files = append(out.Files, txtar.File{Name: name, Data: []byte(text.String())})
		}
		text := func(o Options) func(io.Writer) error { return func(w io.Writer) error { return p.Text(w, o) } }
		add("text", text(Options{}))
		add("ascii, 40 cells", text(Options{ASCII: true, Options: show.Options{Width: 40}}))
		add("colour", text(Options{Options: show.Options{Colour: true}}))
		add("dot", p.DOT)
		add("svg", p.SVG)
		return out
	})
}

func TestFormats(t *testing.T) {
	for _, p := range []*Picture{sample(), {Title: `e"mpty`}} {
		var svg, dot, narrow strings.Builder
		require.NoError(t, p.SVG(&svg))
		for d := xml.NewDecoder(strings.NewReader(svg.String())); ; {
			if _, err := d.Token(); errors.Is(err, io.EOF) {
				break
			} else if !assert.NoError(t, err) {
				break
			}
		}
		require.NoError(t, p.DOT(&dot))
		if graphviz, err := exec.LookPath("dot"); err == nil {
			c := exec.Command(graphviz, "-Tplain")
			c.Stdin = strings.NewReader(dot.String())
			out, err := c.CombinedOutput()
			assert.NoError(t, err, string(out))
		}
		require.NoError(t, p.Text(&narrow, Options{Options: show.Options{Width: 30}}))
		for line := range strings.Lines(narrow.String()) {
			assert.LessOrEqual(t, show.Cells(strings.TrimSuffix(line, "\n")), 30, line)
		}
	}
}

// TestEdges: in an SVG, no line crosses the name of its edge.
func TestEdges(t *testing.T) {
	var svg strings.Builder
	require.NoError(t, sample().SVG(&svg))
	number := `(-?[\d.]+)`
	edge := regexp.MustCompile(fmt.Sprintf(`<path[^>]* d="M%[1]s %[1]sH%[1]sC%[1]s %[1]s %[1]s %[1]s %[1]s %[1]sH%[1]s"/>\n<text class="edge" x="%[1]s" y="%[1]s" text-anchor="(end|start)">(\w+)<`, number))
	found := edge.FindAllStringSubmatch(svg.String(), -1)
	require.Len(t, found, 4)
	for _, m := range found {
		var n [13]float64
		for i := 1; i < len(n); i++ {
			var err error
			n[i], err = strconv.ParseFloat(m[i], 64)
			require.NoError(t, err)
		}
		left, base, width := n[11], n[12], edgeCell*float64(len(m[14]))
		if m[13] == "end" {
			left -= width
		}
		for at := 0.0; at <= 1; at += 0.01 {
			curve := func(a, b, c, d float64) float64 {
				r := 1 - at
				return r*r*r*a + 3*r*r*at*b + 3*r*at*at*c + at*at*at*d
			}
			x, y := curve(n[3], n[4], n[6], n[8]), curve(n[2], n[5], n[7], n[9])
			inside := x > left && x < left+width && y > base-8 && y < base+1
			assert.False(t, inside, "%s at %.1f %.1f", m[14], x, y)
		}
	}
}

func TestNetwork(t *testing.T) {
	p := network("hub 1\r\n \\ hp: index=0,type=hubport,\r\n \\ h2\r\nnic0: index=0,type=nic,model=e1000,macaddr=52:54:00:12:34:56\r\n"+
		" \\ net0: index=0,type=user,net=10.0.2.0,restrict=off\r\nso: index=0,type=socket,\r\nsomething new\r\n",
		[]qemu.RxFilterInfo{{Name: "nic0", Promiscuous: true, MulticastOverflow: true}, {Name: "nic9"}})
	var text strings.Builder
	require.NoError(t, p.Text(&text, Options{}))
	assert.Equal(t, strings.TrimPrefix(`
hub 1
├─ netdev hp  hubport
└─ netdev h2
nic0  e1000, 52:54:00:12:34:56, promiscuous, filter overflow
└─ netdev net0  user, net=10.0.2.0, restrict=off
netdev so  socket
netdev something new
`, "\n"), text.String())
}
