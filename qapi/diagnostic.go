package qapi

import "strings"

// Diagnostic is an error in a schema.
type Diagnostic struct {
	Pos     Pos
	Message string
}

// Error returns "file:line:column: message", or "file:line: message".
func (d *Diagnostic) Error() string { return d.Pos.String() + ": " + d.Message }

// Diagnostics is the error of [Load] for a wrong schema: the errors in the order in which QEMU
// finds them. Load checks a schema in phases: text, form of each definition, names, references,
// documentation. If a phase finds an error, Load does not begin the next phase.
type Diagnostics []*Diagnostic

// Error returns one line for each diagnostic.
func (ds Diagnostics) Error() string {
	lines := make([]string, len(ds))
	for i, d := range ds {
		lines[i] = d.Error()
	}
	return strings.Join(lines, "\n")
}

// Unwrap returns the diagnostics as errors.
func (ds Diagnostics) Unwrap() []error {
	errs := make([]error, len(ds))
	for i, d := range ds {
		errs[i] = d
	}
	return errs
}

// fail returns a diagnostic whose place is still to be filled in.
func fail(parts ...string) *Diagnostic {
	return &Diagnostic{Message: strings.Join(parts, "")}
}

// quoted returns 'a', 'b', 'c'.
func quoted(names []string) string {
	return "'" + strings.Join(names, "', '") + "'"
}

// plural returns the ending of a word that stands before names.
func plural(names []string) string {
	if len(names) > 1 {
		return "s"
	}
	return ""
}

// place names a part of a definition in a message.
type place struct{ what, name string }

func (p place) String() string {
	if p.name == "" {
		return p.what
	}
	return p.what + " '" + p.name + "'"
}

func collision(a, b place) *Diagnostic {
	return fail(a.String(), " collides with ", b.String())
}
