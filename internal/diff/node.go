package diff

import "slices"

// A pair is two types that meet: an object and an object, an enum and an enum, or an alternate
// and an alternate. The other types do not change by themselves.
type pair struct {
	old, new string

	// moved are the members of a branch that are common ones in the other schema, with blanks
	// between: the union accounts for them.
	moved string
}

// A node is a pair of types, or a command or an event, with its changes, and with the pairs that
// it leads to.
type node struct {
	findings []finding
	edges    []edge

	// name is the path of a command or an event, or of its arguments or result. Other nodes are
	// behind their parent, by the shortest path.
	name   string
	parent *node
	at     place
	depth  int

	ways  ways     // in which it is used
	users []string // commands and events
	round int      // the last one that came by
}

// A finding is a change in a node.
type finding struct {
	kind     Kind
	what     What
	at       place
	breaks   ways
	old, new string
}

// An edge leads from a node to a node below it.
type edge struct {
	to pair
	at place
}

// A place is where something is below a node: the rest of its path, in either schema. They
// differ where a member has moved between a union and its branches.
type place struct{ old, new string }

func here(path string) place { return place{path, path} }

// below is a place inside this one.
func (p place) below(component string) place {
	return place{join(p.old, component), join(p.new, component)}
}

func join(path, component string) string {
	if path == "" || component == "" {
		return path + component
	}
	return path + "/" + component
}

func (n *node) report(f finding) { n.findings = append(n.findings, f) }

// reached notes a way that leads here.
func (n *node) reached(from *node, at place) {
	if n.parent == nil || from.depth+1 < n.depth {
		n.parent, n.at, n.depth = from, at, from.depth+1
	}
}

// usedBy notes a user, of which the last one may come again.
func (n *node) usedBy(root *node) {
	n.ways |= root.ways
	if user := root.users[0]; !slices.Contains(n.users[max(0, len(n.users)-1):], user) {
		n.users = append(n.users, user)
	}
}

// path is the node's in both schemas.
func (n *node) path() place {
	if n.parent == nil {
		return here(n.name)
	}
	p := n.parent.path()
	return place{join(p.old, n.at.old), join(p.new, n.at.new)}
}

// changes are the node's findings, as those of all its users.
func (n *node) changes() (all []Change) {
	if len(n.findings) == 0 {
		return nil
	}
	path := n.path()
	for _, f := range n.findings {
		c := Change{
			Kind: f.kind, What: f.what, Old: f.old, New: f.new,
			Path:      join(path.new, f.at.new),
			Breaking:  f.breaks&n.ways != nowhere,
			Direction: n.ways.direction(),
			Users:     n.users,
		}
		if f.kind == Removed || f.kind == Mandatory { // only the old schema has the path
			c.Path = join(path.old, f.at.old)
		}
		all = append(all, c)
	}
	return all
}

// features reports changes of features. prefix comes before their names in paths.
func (n *node) features(what What, at place, prefix string, old, new []string) {
	for _, name := range old {
		if !slices.Contains(new, name) {
			n.report(finding{kind: Removed, what: Feature, at: at.below(prefix + name), breaks: featureRemoved(name)})
		}
	}
	for _, name := range new {
		switch {
		case slices.Contains(old, name):
		case name == deprecated:
			n.report(finding{kind: Deprecated, what: what, at: at})
		default:
			n.report(finding{kind: Added, what: Feature, at: at.below(prefix + name)})
		}
	}
}
