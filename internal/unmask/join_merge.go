package unmask

import (
	"cmp"
	"slices"
	"strings"

	"github.com/qmpkit/qmpkit/qapi"
	"github.com/qmpkit/qmpkit/qmp/introspect"
)

// merge puts the server's parts into the definitions of the source. Bases come before the types
// with these bases, which then have the bases' new members.
func (j *joiner) merge() {
	slices.SortStableFunc(j.meetings, func(a, b meeting) int {
		return cmp.Compare(j.depth(a.target), j.depth(b.target))
	})
	for _, m := range j.meetings {
		switch live := m.live.(type) {
		case *introspect.Enum:
			j.mergeEnum(m.target, live)
		case *introspect.Object:
			j.mergeMembers(m, live)
			j.mergeBranches(m, live)
		case *introspect.Alternate:
			j.mergeAlternate(m.target, live, m.source.(*qapi.Alternate))
		}
		if m.target.name == m.source.TypeName() {
			j.mergeFeatures(m.target, m.live.Head())
		}
	}
	for _, info := range sorted(j.live) {
		if c, ok := info.(*introspect.Command); ok && j.targets[c.Name] != nil {
			j.mergeCommand(j.targets[c.Name], c)
		}
		if e, ok := info.(*introspect.Event); ok && j.targets[e.Name] != nil {
			j.mergeFeatures(j.targets[e.Name], &e.Header)
			j.replaceArguments(j.targets[e.Name])
		}
	}
}

// depth counts the bases of a definition.
func (j *joiner) depth(d *definition) (n int) {
	for ; d.base != ""; d = j.targets[d.base] {
		n++
	}
	return n
}

// add notes a part that was added to a definition.
func (j *joiner) add(d *definition, name string) {
	j.added = append(j.added, Part{d.name, name})
	if j.opts.Version != "" && strings.Trim(name, "+$") == name {
		if d.seen == nil {
			d.seen = map[string]string{}
		}
		d.seen[name] = j.opts.Version
	}
}

func (j *joiner) mergeEnum(d *definition, live *introspect.Enum) {
	for _, m := range live.Members {
		i := slices.IndexFunc(d.values, func(v *qapi.EnumValue) bool { return v.Name == m.Name })
		if i < 0 {
			d.values = append(d.values, &qapi.EnumValue{Name: m.Name, Features: newFeatures(m.Features)})
			j.add(d, m.Name)
			continue
		}
		d.values[i].Features = withFeatures(d.values[i].Features, m.Features)
	}
}

// mergeMembers makes the source's members as loose as the server's, and adds those that it lacks.
func (j *joiner) mergeMembers(m meeting, live *introspect.Object) {
	for _, old := range m.source.(qapi.ObjectType).AllMembers() {
		own, place := j.holder(m.target, old.Name)
		now := live.Member(old.Name)
		if now == nil {
			own.optional = own.optional || own.cond == nil && old.Name != m.target.tag
			continue
		}
		own.optional = own.optional || now.Optional
		own.features = withFeatures(own.features, now.Features)
		if typ, ok := j.replaced[place]; ok {
			own.typ = j.ref(typ, old.Type)
		}
	}
	into := m.target
	if into.kind == "union" && into.base != "" {
		into = j.targets[into.base]
	}
	for i := range live.Members {
		now := &live.Members[i]
		if own, _ := j.holder(m.target, now.Name); own == nil && !inBranch(m.source, live, now.Name) {
			into.members = append(into.members, member{
				name: now.Name, typ: j.ref(now.Type, nil), optional: true, features: newFeatures(now.Features),
			})
			j.add(into, now.Name)
		}
	}
}

// inBranch reports whether a member of a struct is one of a branch, since the struct became a union.
func inBranch(source qapi.Type, live *introspect.Object, name string) bool {
	u, ok := source.(*qapi.Union)
	return ok && live.Tag == "" && slices.ContainsFunc(u.Branches, func(b *qapi.Branch) bool {
		return b.Type != nil && memberOf(b.Type, name) != nil
	})
}

func (j *joiner) mergeBranches(m meeting, live *introspect.Object) {
	u, _ := m.source.(*qapi.Union)
	for _, v := range live.Variants {
		typ := j.types[v.Type]
		i := slices.IndexFunc(m.target.branches, func(b branch) bool { return b.value == v.Case })
		switch {
		case typ == "":
		case i < 0:
			m.target.branches = append(m.target.branches, branch{value: v.Case, typ: typ})
			j.add(m.target, "+"+v.Case)
		case branchOf(u, v.Case) != nil:
			if live, ok := j.replaced[branchPlace(m.target, v.Case)]; ok {
				m.target.branches[i].typ = j.types[live]
			}
		}
	}
}

func (j *joiner) mergeAlternate(d *definition, live *introspect.Alternate, was *qapi.Alternate) {
	for _, t := range live.Types {
		name, old := j.alternative(t, was)
		if old == nil {
			d.members = append(d.members, member{name: name, typ: j.ref(t, nil)})
			j.add(d, name)
		}
	}
}

func (j *joiner) mergeFeatures(d *definition, live *introspect.Header) {
	for _, f := range live.Features {
		if !qapi.HasFeature(d.features, f) {
			j.add(d, "$"+f)
		}
	}
	d.features = withFeatures(d.features, live.Features)
}

func (j *joiner) mergeCommand(d *definition, live *introspect.Command) {
	j.mergeFeatures(d, &live.Header)
	d.flags.allowOOB = d.flags.allowOOB || live.AllowOOB
	d.flags.coroutine = d.flags.coroutine && !d.flags.allowOOB
	j.replaceArguments(d)
	if typ, ok := j.replaced[d.name+"/ret-type"]; ok {
		d.returns = ref{}
		if !isEmpty(j.live.Lookup(typ)) {
			d.returns = j.ref(typ, nil)
		}
	}
}

// replaceArguments gives a command or an event the server's arguments, if that was decided.
func (j *joiner) replaceArguments(d *definition) {
	if typ, ok := j.replaced[d.name+"/arg-type"]; ok {
		d.data, d.members = "", nil
		j.takes(d, j.live.Lookup(typ).(*introspect.Object))
	}
}

// withFeatures returns features and those of the others that are not among them.
func withFeatures(features []*qapi.Feature, names []string) []*qapi.Feature {
	all := slices.Clip(features)
	for _, name := range names {
		if !qapi.HasFeature(all, name) {
			all = append(all, &qapi.Feature{Name: name})
		}
	}
	return all
}

// addNew adds the commands and events that only the server has, and the types that these, or
// added members, need.
func (j *joiner) addNew() {
	sources := len(j.definitions)
	for _, info := range sorted(j.live) {
		name := info.Head().Name
		switch info := info.(type) {
		case *introspect.Command:
			if j.targets[name] == nil {
				j.command(info)
			}
		case *introspect.Event:
			if j.targets[name] == nil {
				j.event(info)
			}
		default:
			if typ := j.types[name]; typ != "" && j.targets[typ] == nil {
				j.typ(info)
			}
		}
	}
	j.prune(sources)
	for _, d := range j.definitions[sources:] {
		d.since, d.seen = "", nil
		j.add(d, "")
	}
}

// prune removes types behind the first n definitions that nothing refers to: what uses them in the
// server was not taken.
func (j *joiner) prune(n int) {
	for removed := true; removed; {
		used := map[string]bool{}
		for _, d := range j.definitions {
			for _, name := range d.refers() {
				used[name] = used[name] || name != d.name
			}
		}
		kept := slices.DeleteFunc(slices.Clone(j.definitions[n:]), func(d *definition) bool {
			return d.kind != "command" && d.kind != "event" && !used[d.name]
		})
		removed = len(kept) < len(j.definitions)-n
		j.definitions = append(j.definitions[:n], kept...)
	}
}

// refers returns the names of the types that a definition refers to.
func (d *definition) refers() []string {
	names := []string{d.base, d.data, d.returns.name}
	for i := range d.members {
		names = append(names, d.members[i].typ.name)
	}
	for _, b := range d.branches {
		names = append(names, b.typ)
	}
	return names
}

// usedTypes returns the server's types that have a definition.
func (j *joiner) usedTypes() []Type {
	defined := map[string]bool{}
	for _, d := range j.definitions {
		defined[d.name] = true
	}
	return slices.DeleteFunc(slices.Compact(j.namedTypes()), func(t Type) bool { return !defined[t.Name] })
}
