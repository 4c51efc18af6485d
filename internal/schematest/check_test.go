package schematest

import (
	"reflect"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/qapi"
)

// TestSample checks types that are right.
func TestSample(t *testing.T) { Check(t, sample(t)) }

// TestFaults checks that each mistake in the types is found, and by which checks.
func TestFaults(t *testing.T) {
	faults := []struct {
		fault string
		found []string
	}{
		{"a member has another name", []string{"sent", "JSON"}},
		{"an optional member is not sent", []string{"sent", "JSON"}},
		{"a mandatory array is left out", []string{"sent"}},
		{"a secret is shown", []string{"printed"}},
		{"what was there before stays", []string{"JSON"}},
		{"a value of another kind is lost", []string{"received"}},
		{"a type serves one branch only", []string{"sent", "JSON", "commands"}},
		{"a wrong discriminator is sent", []string{"not sent"}},
		{"two alternatives are sent as one", []string{"not sent"}},
		{"an integer wraps around", []string{"wrong documents"}},
		{"an empty array is nil", []string{"received", "JSON"}},
		{"the number of a member changes", []string{"repeated members"}},
		{"a received member is forgotten", []string{"received", "JSON"}},
		{"an unknown member is an error", []string{"received"}},
		{"the discriminator has to come first", []string{"received"}},
		{"an unknown branch is dropped", []string{"received", "JSON"}},
		{"members without a discriminator are lost", []string{"received", "no discriminator"}},
		{"null is the same as nothing", []string{"received", "commands"}},
		{"there is a panic", []string{"broken documents"}},
		{"a flag of a command is lost", []string{"commands"}},
		{"a result is lost", []string{"commands"}},
		{"an event is not in the table", []string{"events"}},
	}
	t.Cleanup(func() { fault = "" })
	for _, f := range faults {
		t.Run(f.fault, func(t *testing.T) {
			fault = f.fault
			found := findings(t, sample(t))
			for _, check := range f.found {
				require.Contains(t, found, check)
			}
		})
	}
}

// findings returns the names of the checks that fail.
func findings(t *testing.T, p *Package) []string {
	b, err := bind(p)
	require.NoError(t, err)
	subjects, err := b.subjects()
	require.NoError(t, err)
	require.NoError(t, b.layouts(subjects))
	var found []string
	r := &runner{seed: 1, rounds: 400, values: map[string]int{}}
	for _, c := range b.checks(subjects) {
		if len(r.run(c)) > 0 {
			found = append(found, c.name)
		}
	}
	return found
}

// TestLayouts checks that types which are not as they should be are found.
func TestLayouts(t *testing.T) {
	wrong := []struct {
		name   string
		change func(p *Package)
		err    string
	}{
		{"a type is missing", func(p *Package) { p.Types = p.Types[1:] }, "Kind"},
		{"a type is nobody's", func(p *Package) { p.Types = append(p.Types, reflect.TypeFor[runner]()) }, "is not in the schema"},
		{"a command is missing", func(p *Package) { p.Types = without(p.Types, "Pick") }, "pick has no Go type"},
		{"an event is missing", func(p *Package) { p.Types = without(p.Types, "PickedEvent") }, "PICKED has no Go type"},
		{"RawBranch is missing", func(p *Package) { p.Types = without(p.Types, "RawBranch") }, "does not take a RawBranch"},
		{"code that is not needed", func(p *Package) { item(p).Members[2].Optional = true }, "should have {sent:false received:true marshaled:true unmarshaled:false json:false"},
		{"a member is missing", func(p *Package) { item(p).Members = append(item(p).Members, item(p).Members[0]) }, "has 4 fields, not 5"},
		{"a member has another type", func(p *Package) { item(p).Members[0].Type = item(p) }, "field ID for id is a string"},
		{"an optional member is none", func(p *Package) { item(p).Members[1].Optional = false }, "field Size for size is a *uint8"},
		{"a member has another name", func(p *Package) { item(p).Members[1].Name = "length" }, `field Size for length has the tag "size,omitzero"`},
	}
	for _, w := range wrong {
		t.Run(w.name, func(t *testing.T) {
			p := sample(t)
			w.change(p)
			b, err := bind(p)
			require.NoError(t, err)
			subjects, err := b.subjects()
			if err == nil {
				err = b.layouts(subjects)
			}
			require.ErrorContains(t, err, w.err)
		})
	}
}

// TestTwoOfACommand checks that two types for one command are found.
func TestTwoOfACommand(t *testing.T) {
	p := sample(t)
	p.Types = append(p.Types, reflect.TypeFor[Other]())
	_, err := bind(p)
	require.ErrorContains(t, err, "are both the command pick")
}

// Other is the command pick, too.
type Other struct{ Pick }

func without(types []reflect.Type, name string) []reflect.Type {
	return slices.DeleteFunc(types, func(t reflect.Type) bool { return t.Name() == name })
}

func item(p *Package) *qapi.Struct { return p.Schema.Lookup("Item").(*qapi.Struct) }
