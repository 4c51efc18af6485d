package facts

import (
	"fmt"
	"testing"
)

func TestDbg(t *testing.T) {
	table := build(t, "qemu")
	for _, n := range table.sorted() {
		nd := table.nodeDate(n)
		for label, as := range table.arrowsOf(n) {
			p := as[0].part
			if !p.seen.has(0) || len(p.remarks) > 0 {
				continue
			}
			to := table.nodes[p.target]
			if to == nil {
				continue
			}
			td := table.nodeDate(to)
			if to.seen.has(0) && Compare(td.Release, "4.2") > 0 && Compare(td.Release, nd.Release) > 0 {
				fmt.Println("YOUNGER", n.name, nd.Release, label, to.name, td.Release, "->", as[0].spans[0].since.Release)
			}
		}
	}
	for _, n := range table.sorted() {
		nd := table.nodeDate(n)
		if n.seen.has(0) && Compare(nd.Release, "4.2") > 0 {
			fmt.Println("NEW", n.name, nd.Release, nd.Source)
		}
		for label, as := range table.arrowsOf(n) {
			p := as[0].part
			d := as[0].spans[0].since
			if p.seen.has(0) && Compare(d.Release, "4.2") > 0 && Compare(d.Release, nd.Release) > 0 {
				fmt.Println("NEWPART", n.name, label, d.Release, d.Source, d.Instead)
			}
		}
	}
}
func TestBetween(t *testing.T) {
	table := build(t, "qemu")
	for _, n := range table.sorted() {
		for label, as := range table.arrowsOf(n) {
			for _, s := range as[0].spans {
				if d := s.since; d.After != "" && label != "<" {
					fmt.Println("SINCE", n.name, label, d.Release, "after", d.After, d.Source, d.Instead)
				}
				if d := s.removed; d.After != "" && label != "<" {
					fmt.Println("REMOVED", n.name, label, d.Release, "after", d.After, d.Source)
				}
			}
		}
		for _, s := range table.nodeSpans(n) {
			if d := s.removed; d.After != "" && n.isEntry() {
				fmt.Println("REMOVED", n.name, d.Release, "after", d.After, d.Source)
			}
			if d := s.since; d.After != "" && n.isEntry() {
				fmt.Println("SINCE", n.name, d.Release, "after", d.After, d.Source, d.Instead)
			}
		}
	}
}
