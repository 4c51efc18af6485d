package qapi

import (
	"strings"

	"github.com/qmpkit/qmpkit/internal/syntax"
)

// parseCond reads the value of an 'if' key of something: in QEMU's notation since 6.1 (a name,
// or an object with all, any or not), in the one before (a C expression, or a list of them that
// must all hold), or in either.
func (r *rules) parseCond(v syntax.Value, of place) (Cond, *Diagnostic) {
	switch v := v.(type) {
	case *syntax.String:
		return r.parseCondString(v.Text, of)
	case *syntax.Object:
		if !r.noConditions {
			return r.parseCondObject(v, of)
		}
	case *syntax.Array:
		if r.cConditions {
			return r.parseCondList(v, of)
		}
	}
	if r.noConditions {
		return nil, fail("'if' condition of ", of.String(), " must be a string or a list of strings")
	}
	return nil, fail("'if' condition of ", of.String(), " must be a string or an object")
}

func (r *rules) parseCondString(text string, of place) (Cond, *Diagnostic) {
	if isConfigName(text) {
		return CondName(text), nil
	}
	if r.cConditions {
		if c, ok := parseCExpression(text); ok {
			return c, nil
		}
	}
	if r.anyCExpression && strings.TrimSpace(text) != "" {
		return CondName(text), nil // C's compiler has the last word on it
	}
	return nil, fail("'if' condition '", text, "' of ", of.String(), " is not a valid identifier")
}

// parseCondList reads QEMU 5.2's list of C expressions.
func (r *rules) parseCondList(v *syntax.Array, of place) (Cond, *Diagnostic) {
	if len(v.Elements) == 0 {
		return nil, fail("'if' condition [] of ", of.String(), " is useless")
	}
	var all CondAll
	for _, e := range v.Elements {
		s, ok := e.(*syntax.String)
		if !ok {
			return nil, fail("'if' condition of ", of.String(), " must be a list of strings")
		}
		c, d := r.parseCondString(s.Text, of)
		if d != nil {
			return nil, d
		}
		all = append(all, c)
	}
	return all, nil
}

func (r *rules) parseCondObject(v *syntax.Object, of place) (Cond, *Diagnostic) {
	what := "'if' condition of " + of.String()
	if d := checkKeys(v, place{what: what}, nil, []string{"all", "any", "not"}); d != nil {
		return nil, d
	}
	if len(v.Members) != 1 {
		return nil, fail(what, " must have exactly one of 'all', 'any' and 'not'")
	}
	switch m := v.Members[0]; m.Key {
	case "not":
		c, d := r.parseCond(m.Value, of)
		if d != nil {
			return nil, d
		}
		return CondNot{c}, nil
	case "all":
		conds, d := r.parseOperands(m, of)
		return CondAll(conds), d
	default:
		conds, d := r.parseOperands(m, of)
		return CondAny(conds), d
	}
}

func (r *rules) parseOperands(m syntax.Member, of place) ([]Cond, *Diagnostic) {
	list, ok := m.Value.(*syntax.Array)
	if !ok {
		return nil, fail("'", m.Key, "' condition of ", of.String(), " must be a list")
	}
	if len(list.Elements) == 0 {
		return nil, fail("'if' condition '", m.Key, "' of ", of.String(), " is empty")
	}
	conds := make([]Cond, len(list.Elements))
	for i, e := range list.Elements {
		var d *Diagnostic
		if conds[i], d = r.parseCond(e, of); d != nil {
			return nil, d
		}
	}
	return conds, nil
}

// isConfigName reports whether text matches [A-Z][A-Z0-9_]*.
func isConfigName(text string) bool {
	return text != "" && isUpper(text[0]) &&
		consistsOf(text, func(c byte) bool { return isUpper(c) || isDigit(c) || c == '_' })
}

// maxCondDepth is how deep a C expression may be nested.
const maxCondDepth = 100

// cExpression is the rest of a C preprocessor condition made of defined(NAME), names, !, &&,
// || and parentheses.
type cExpression struct {
	rest  string
	depth int
}

func parseCExpression(text string) (Cond, bool) {
	x := &cExpression{rest: text}
	c, ok := x.or()
	return c, ok && x.peek() == ""
}

func (x *cExpression) or() (Cond, bool) {
	conds, ok := x.list("||", x.and)
	if !ok || len(conds) == 1 {
		return first(conds), ok
	}
	return CondAny(conds), true
}

func (x *cExpression) and() (Cond, bool) {
	conds, ok := x.list("&&", x.unary)
	if !ok || len(conds) == 1 {
		return first(conds), ok
	}
	return CondAll(conds), true
}

func first(conds []Cond) Cond {
	if len(conds) == 0 {
		return nil
	}
	return conds[0]
}

// list reads operands with an operator between them.
func (x *cExpression) list(operator string, operand func() (Cond, bool)) ([]Cond, bool) {
	var conds []Cond
	for {
		c, ok := operand()
		if !ok {
			return nil, false
		}
		conds = append(conds, c)
		if !x.take(operator) {
			return conds, true
		}
	}
}

func (x *cExpression) unary() (Cond, bool) {
	if x.depth++; x.depth > maxCondDepth {
		return nil, false
	}
	defer func() { x.depth-- }()
	switch {
	case x.take("!"):
		c, ok := x.unary()
		return CondNot{c}, ok
	case x.take("("):
		c, ok := x.or()
		return c, ok && x.take(")")
	}
	name := x.identifier()
	if name != "defined" {
		return CondName(name), isConfigName(name)
	}
	parenthesis := x.take("(")
	name = x.identifier()
	return CondName(name), name != "" && (!parenthesis || x.take(")"))
}

// peek returns the rest of the text without leading blanks.
func (x *cExpression) peek() string {
	x.rest = strings.TrimLeft(x.rest, " ")
	return x.rest
}

func (x *cExpression) take(prefix string) bool {
	rest, ok := strings.CutPrefix(x.peek(), prefix)
	x.rest = rest
	return ok
}

// identifier reads a name of C, "" if there is none.
func (x *cExpression) identifier() string {
	n := 0
	for rest := x.peek(); n < len(rest); n++ {
		if c := rest[n]; !isLetter(c) && c != '_' && (n == 0 || !isDigit(c)) {
			break
		}
	}
	name := x.rest[:n]
	x.rest = x.rest[n:]
	return name
}
