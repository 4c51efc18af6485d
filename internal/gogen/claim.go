package gogen

import (
	"fmt"

	"github.com/qmpkit/qmpkit/qapi"
)

// claim claims all names: of types (including the implicit types of simple unions), of values of enums, of
// branches and of events. The names of commands come last, so that they can get numbers.
func (b *builder) claim() error {
	if err := b.scope.take(rawBranch, "the branch of unknown members"); err != nil {
		return err
	}
	if err := b.scope.take("DecodeEvent", "the table of events"); err != nil {
		return err
	}
	for _, d := range b.whole.Definitions {
		if err := b.claimDefinition(d); err != nil {
			return err
		}
	}
	for _, c := range b.whole.Commands() {
		if err := b.claimCommand(c); err != nil {
			return err
		}
	}
	return nil
}

func (b *builder) claimCommand(c *qapi.Command) error {
	name := commandName(c)
	if hasNamedArg(c) && b.commandArgs[name] == c.Arg.Head().Name && b.merged[name] == nil {
		b.commands[c], b.merged[name] = name, c
		return nil
	}
	if b.whole.ServerNames {
		name = b.scope.free(name)
	}
	b.commands[c] = name
	return b.scope.take(name, describe(c))
}

// hasNamedArg reports whether the arguments of a command are a type of the schema.
func hasNamedArg(c *qapi.Command) bool { return c.Arg != nil && !c.Arg.Head().Implicit }

func (b *builder) claimDefinition(d qapi.Definition) error {
	if b.vanishes(d) {
		return nil
	}
	switch d := d.(type) {
	case *qapi.Command:
		return nil
	case *qapi.Event:
		return b.claimEvent(d)
	case *qapi.Enum:
		return b.claimEnum(d)
	case *qapi.Union:
		if err := b.scope.take(b.typeName(d), describe(d)); err != nil {
			return err
		}
		if err := b.scope.take(b.branchInterface(d), "the branches of "+describe(d)); err != nil {
			return err
		}
		if err := b.claimData(d); err != nil {
			return err
		}
		for _, t := range implicitTypes(d) {
			if b.claimed[t] {
				continue
			}
			b.claimed[t] = true
			if err := b.claimDefinition(t); err != nil {
				return err
			}
		}
		return nil
	}
	return b.scope.take(b.typeName(d), describe(d))
}

// claimData claims the names of the types that are defined for the data of branches.
func (b *builder) claimData(u *qapi.Union) error {
	for _, br := range u.Branches {
		if br.Type == nil || !b.vanishes(br.Type) {
			continue
		}
		t := dataMember(br.Type).Type
		if _, ok := t.(qapi.Definition); ok {
			continue
		}
		if err := b.scope.take(b.dataName(u, br, t), fmt.Sprintf("the data of branch %s of %s", br.Value, describe(u))); err != nil {
			return err
		}
	}
	return nil
}

func (b *builder) claimEvent(d *qapi.Event) error {
	name, constant := eventName(d), eventConstant(d)
	if b.whole.ServerNames {
		name, constant = b.scope.free(name), b.scope.free(constant)
	}
	b.events[d], b.eventConstants[d] = name, constant
	if err := b.scope.take(name, describe(d)); err != nil {
		return err
	}
	return b.scope.take(constant, "the name of "+describe(d))
}

func (b *builder) claimEnum(d *qapi.Enum) error {
	name := b.typeName(d)
	if err := b.scope.take(name, describe(d)); err != nil {
		return err
	}
	for _, v := range d.Values {
		if err := b.scope.take(b.constants(d)[v.Name], fmt.Sprintf("value %s of %s", v.Name, describe(d))); err != nil {
			return err
		}
	}
	return nil
}

// implicitTypes returns the types of a union that have no name in the schema: the enum and the wrappers of
// a simple union. QEMU had simple unions until 5.2.
func implicitTypes(u *qapi.Union) (types []qapi.Definition) {
	if e, ok := u.Discriminator.Type.(*qapi.Enum); ok && e.Implicit && e.Module != nil {
		types = append(types, e)
	}
	for _, branch := range u.Branches {
		if branch.Type != nil && branch.Type.Head().Implicit {
			types = append(types, branch.Type)
		}
	}
	return types
}
