package qapi

import "strconv"

// featureCount counts the names of a schema's features. QEMU has one bit for each.
type featureCount struct {
	names   map[string]bool
	excess  *declaration // the first one that has a name too many
	allowed int
}

// add adds the features of a declaration and of its parts.
func (n *featureCount) add(d *declaration) {
	if n.allowed == 0 || n.excess != nil {
		return
	}
	n.addAll(d, d.features)
	for _, v := range d.values {
		n.addAll(d, v.Features)
	}
	for _, members := range [][]*memberDeclaration{d.members, d.base.members, d.data.members} {
		for _, m := range members {
			n.addAll(d, m.features)
		}
	}
}

func (n *featureCount) addAll(d *declaration, features []*Feature) {
	if n.names == nil {
		n.names = map[string]bool{Deprecated: true, Unstable: true}
	}
	for _, f := range features {
		n.names[f.Name] = true
		if len(n.names) > n.allowed && n.excess == nil {
			n.excess = d
		}
	}
}

// checkFeatureCount checks that the schema has not too many features: the last phase.
func (l *loader) checkFeatureCount() {
	if d := l.featureNames.excess; d != nil {
		l.report(d.locate(fail("the schema has more than ", strconv.Itoa(l.rules.maxFeatures), " names of features")))
	}
}
