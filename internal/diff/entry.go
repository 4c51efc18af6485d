package diff

import (
	"iter"
	"slices"

	"github.com/qmpkit/qmpkit/qmp/introspect"
)

// commands makes the roots of the commands.
func (c *comparison) commands() {
	old, new := byName(c.old.Commands()), byName(c.new.Commands())
	for _, name := range union(old, new) {
		n := c.root(name, name, sent)
		if a, b := old[name], new[name]; entry(n, Command, a, b) {
			if a.AllowOOB && !b.AllowOOB {
				n.report(finding{kind: Removed, what: OutOfBand, breaks: outOfBandRemoved})
			}
			if !a.AllowOOB && b.AllowOOB {
				n.report(finding{kind: Added, what: OutOfBand})
			}
			c.position(c.root(name, name+"/arg-type", sent), Type, place{}, a.ArgType, b.ArgType)
			c.position(c.root(name, name+"/ret-type", received), Result, place{}, a.RetType, b.RetType)
		}
	}
}

// events makes the roots of the events.
func (c *comparison) events() {
	old, new := byName(c.old.Events()), byName(c.new.Events())
	for _, name := range union(old, new) {
		n := c.root(name, name, received)
		if a, b := old[name], new[name]; entry(n, Event, a, b) {
			c.position(c.root(name, name+"/arg-type", received), Type, place{}, a.ArgType, b.ArgType)
		}
	}
}

// root makes a node that starts paths.
func (c *comparison) root(user, path string, w ways) *node {
	n := &node{name: path, ways: w, users: []string{user}}
	c.roots = append(c.roots, n)
	return n
}

// entry compares the parts that commands and events share. It reports whether both are there.
func entry[I interface {
	introspect.Info
	comparable
}](n *node, what What, old, new I) bool {
	var none I
	switch none {
	case new:
		n.report(finding{kind: Removed, what: what, breaks: entryRemoved})
	case old:
		n.report(finding{kind: Added, what: what})
	default:
		n.features(what, place{}, "$", old.Head().Features, new.Head().Features)
		return true
	}
	return false
}

func byName[I introspect.Info](entries iter.Seq[I]) map[string]I {
	return index(slices.Collect(entries), func(e I) string { return e.Head().Name })
}
