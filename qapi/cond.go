package qapi

import "strings"

// Cond is a condition on the configuration of a build of QEMU: a [CondName], [CondNot], [CondAll]
// or [CondAny]. A nil Cond always holds.
type Cond interface {
	// String returns the condition as C writes it: `CONFIG_LINUX && !CONFIG_VNC`.
	String() string
	cond()
}

// CondName holds if the configuration has this name, such as "CONFIG_LINUX" or "TARGET_ARM".
type CondName string

// CondNot holds if Cond does not hold.
type CondNot struct{ Cond Cond }

// CondAll holds if all of its conditions hold.
type CondAll []Cond

// CondAny holds if at least one of its conditions holds.
type CondAny []Cond

// Eval reports whether c holds in a configuration. config reports whether a name is in the
// configuration; Eval stops calling it when the result is certain.
func Eval(c Cond, config func(name string) bool) bool {
	switch c := c.(type) {
	case CondName:
		return config(string(c))
	case CondNot:
		return !Eval(c.Cond, config)
	case CondAll:
		for _, c := range c {
			if !Eval(c, config) {
				return false
			}
		}
	case CondAny:
		for _, c := range c {
			if Eval(c, config) {
				return true
			}
		}
		return false
	}
	return true
}

// String returns the name.
func (c CondName) String() string { return string(c) }

// String returns "!" and the condition, in parentheses if it needs them.
func (c CondNot) String() string { return "!" + operand(c.Cond) }

// String returns the conditions with "&&" between them.
func (c CondAll) String() string { return infix(c, " && ") }

// String returns the conditions with "||" between them.
func (c CondAny) String() string { return infix(c, " || ") }

func infix(conds []Cond, operator string) string {
	if len(conds) == 1 {
		return conds[0].String()
	}
	var b strings.Builder
	for i, c := range conds {
		if i > 0 {
			b.WriteString(operator)
		}
		b.WriteString(operand(c))
	}
	return b.String()
}

// operand returns c as a part of a larger condition.
func operand(c Cond) string {
	switch c := c.(type) {
	case CondAll:
		return parenthesized(c)
	case CondAny:
		return parenthesized(c)
	}
	return c.String()
}

func parenthesized[C interface {
	~[]Cond
	Cond
}](c C) string {
	if len(c) == 1 {
		return operand(c[0])
	}
	return "(" + c.String() + ")"
}

func (CondName) cond() {}
func (CondNot) cond()  {}
func (CondAll) cond()  {}
func (CondAny) cond()  {}
