package qapi

import "strings"

// cName returns the name of a member, value or feature in QEMU's C code. Two of them that
// have the same one clash.
func cName(name string) string {
	if !strings.ContainsAny(name, "-.") {
		return name
	}
	c := []byte(name)
	for i := range c {
		c[i] = inC(c[i])
	}
	return string(c)
}

// sameInC reports whether two names have the same name in C.
func sameInC(a, b string) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range len(a) {
		if a[i] != b[i] && inC(a[i]) != inC(b[i]) {
			return false
		}
	}
	return true
}

// inC returns the character that stands for c in a name in C.
func inC(c byte) byte {
	if c == '-' || c == '.' {
		return '_'
	}
	return c
}

// hasCPrefix reports whether a name in C begins with prefix.
func hasCPrefix(name, prefix string) bool {
	return len(name) >= len(prefix) && sameInC(name[:len(prefix)], prefix)
}

// stem returns the rest of a name after the vendor prefix `__com.example_` and `x-`. ok is false
// if the name is not valid: (__[a-z0-9.-]+_)?(x-)?([a-z][a-z0-9_-]*), ignoring case.
func stem(name string) (stem string, ok bool) {
	if hasCPrefix(name, "q_") {
		return "", false
	}
	if rest, ok := strings.CutPrefix(name, "__"); ok {
		vendor, rest, ok := strings.Cut(rest, "_")
		if !ok || vendor == "" || !consistsOf(vendor, isVendorChar) {
			return "", false
		}
		name = rest
	}
	if len(name) > 2 && (name[0] == 'x' || name[0] == 'X') && name[1] == '-' && isLetter(name[2]) {
		name = name[2:]
	}
	return name, name != "" && isLetter(name[0]) && consistsOf(name, isNameChar)
}

// check checks the name of a member, an alternative, a value or a feature.
func (r nameRules) check(name string, what place, anyCase bool) *Diagnostic {
	stem, ok := stem(name)
	switch {
	case !ok:
		return fail(what.String(), " has an invalid name")
	case anyCase:
		return nil
	case r == namesStrict && containsAny(stem, func(c byte) bool { return isUpper(c) || c == '_' }):
		return fail("name of ", what.String(), " must not use uppercase or '_'")
	case r == namesClassic && containsAny(name, isUpper), containsAny(stem, isUpper):
		return fail("name of ", what.String(), " must not use uppercase")
	}
	return nil
}

// checkMember checks the name of a member. Those that QEMU's C code uses itself are reserved,
// which QEMU 5.2 does not see in an optional member.
func (r nameRules) checkMember(name string, optional bool, what place, anyCase bool) *Diagnostic {
	if d := r.check(name, what, anyCase); d != nil {
		return d
	}
	if r == namesClassic && optional {
		return nil
	}
	if name == "u" || hasCPrefix(name, "has_") {
		return fail(what.String(), " uses reserved name")
	}
	return nil
}

// checkDefinition checks the name of a definition; excepted says that it may have a _ though
// it is a command.
func (r nameRules) checkDefinition(k kind, name string, excepted bool) *Diagnostic {
	stem, ok := stem(name)
	switch {
	case !ok:
		return fail(string(k), " has an invalid name")
	case r == namesClassic:
		return checkSuffix(k, name, "Kind", "List")
	case k == kindCommand:
		return r.checkCommand(stem, excepted)
	case k == kindEvent:
		if containsAny(stem, func(c byte) bool { return isLower(c) || c == '-' }) {
			return fail("name of event must not use lowercase or '-'")
		}
		return nil
	case !isCamelCase(stem):
		return fail("name of ", string(k), " must use CamelCase")
	}
	return checkSuffix(k, name, "List")
}

func (r nameRules) checkCommand(stem string, excepted bool) *Diagnostic {
	if r == namesTolerant { // QEMU 5.2 has no rule
		return nil
	}
	if containsAny(stem, func(c byte) bool { return isUpper(c) || c == '_' && !excepted }) {
		return fail("name of command must not use uppercase or '_'")
	}
	return nil
}

// checkSuffix checks that a name does not end as those of implicit types do.
func checkSuffix(k kind, name string, reserved ...string) *Diagnostic {
	for _, suffix := range reserved {
		if strings.HasSuffix(name, suffix) {
			return fail(string(k), " name should not end in '", suffix, "'")
		}
	}
	return nil
}

// isCamelCase reports whether a name matches [A-Z][A-Za-z0-9]*[a-z][A-Za-z0-9]*.
func isCamelCase(name string) bool {
	return isUpper(name[0]) && containsAny(name[1:], isLower) && consistsOf(name, isAlphanumeric)
}

// consistsOf reports whether all characters of s are of a class.
func consistsOf(s string, class func(byte) bool) bool {
	for i := range len(s) {
		if !class(s[i]) {
			return false
		}
	}
	return true
}

// containsAny reports whether some character of s is of a class.
func containsAny(s string, class func(byte) bool) bool {
	for i := range len(s) {
		if class(s[i]) {
			return true
		}
	}
	return false
}

func isUpper(c byte) bool        { return 'A' <= c && c <= 'Z' }
func isLower(c byte) bool        { return 'a' <= c && c <= 'z' }
func isDigit(c byte) bool        { return '0' <= c && c <= '9' }
func isLetter(c byte) bool       { return isUpper(c) || isLower(c) }
func isAlphanumeric(c byte) bool { return isLetter(c) || isDigit(c) }
func isNameChar(c byte) bool     { return isAlphanumeric(c) || c == '_' || c == '-' }
func isVendorChar(c byte) bool   { return isAlphanumeric(c) || c == '.' || c == '-' }
