package qapi

import (
	"slices"

	"github.com/qmpkit/qmpkit/internal/syntax"
)

// pragma has the settings of pragma directives. They apply to the whole schema, whichever file
// sets them. If two directives set the same key, the later one counts.
type pragma struct {
	docRequired bool
	serverNames bool
	lists       map[string]map[string]bool // by key of the directive
}

// The keys of a pragma directive. All but the first name definitions which a rule does not
// apply to.
const (
	docRequired              = "doc-required"
	commandNameExceptions    = "command-name-exceptions"
	commandReturnsExceptions = "command-returns-exceptions"
	documentationExceptions  = "documentation-exceptions"
	memberNameExceptions     = "member-name-exceptions"

	// This one is not QEMU's: members, values, features, commands and events have the names that
	// a server gave, and rules for names do not apply to them. Up to 2.5 names had dots in them.
	serverNames = "server-names"

	// These two have been renamed since QEMU 5.2.
	returnsWhitelist  = "returns-whitelist"
	nameCaseWhitelist = "name-case-whitelist"
)

// pragmaKey returns the key's present name.
func pragmaKey(key string) string {
	switch key {
	case returnsWhitelist:
		return commandReturnsExceptions
	case nameCaseWhitelist:
		return memberNameExceptions
	}
	return key
}

// except reports whether a definition is excepted from a rule.
func (p *pragma) except(name, rule string) bool { return p.lists[rule][name] }

// set applies one key of a pragma directive. Only some keys are known.
func (p *pragma) set(key string, v syntax.Value, known []string) *Diagnostic {
	switch {
	case !slices.Contains(known, key):
		return fail("unknown pragma '", key, "'")
	case key != docRequired && key != serverNames:
		return p.setList(key, v)
	}
	b, ok := v.(*syntax.Bool)
	if !ok {
		return fail("pragma '", key, "' must be boolean")
	}
	if key == serverNames {
		p.serverNames = b.Value
	} else {
		p.docRequired = b.Value
	}
	return nil
}

func (p *pragma) setList(key string, v syntax.Value) *Diagnostic {
	list, ok := v.(*syntax.Array)
	if !ok {
		return fail("pragma '", key, "' must be a list of strings")
	}
	names := make(map[string]bool, len(list.Elements))
	for _, e := range list.Elements {
		s, ok := e.(*syntax.String)
		if !ok {
			return fail("pragma '", key, "' must be a list of strings")
		}
		names[s.Text] = true
	}
	if p.lists == nil {
		p.lists = map[string]map[string]bool{}
	}
	p.lists[pragmaKey(key)] = names
	return nil
}
