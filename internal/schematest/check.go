package schematest

import (
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"os"
	"runtime/debug"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
)

// Check checks a package:
//
//   - that there is a Go type for each type, command and event of the schema, and no other, with
//     the fields and the code that it should have;
//   - that what is sent has the bytes that the reference encoder makes, and that what cannot be sent is
//     an error;
//   - that the JSON of each value says what the reference encoder's bytes say, that the value can be read
//     from it again, and that what is printed differs from it in secrets only;
//   - that what is received holds what its document says, wherever a discriminator comes and
//     whatever is mixed in from other versions, and that a document which is wrong is an error
//     with the place at which it is;
//   - that each command sends its arguments and decodes its result, and that the table of events
//     has them all.
//
// The variable QMPKIT_ROUNDS says how many random values of each type there are, 12 by default,
// and QMPKIT_SEED what they are made from. The same seed gives the same values.
func Check(t *testing.T, p *Package) {
	b, err := bind(p)
	require.NoError(t, err)
	subjects, err := b.subjects()
	require.NoError(t, err)
	// The checks find their way by what this one has checked.
	require.NoError(t, b.layouts(subjects))
	r := &runner{
		seed:   setting(t, "QMPKIT_SEED", 1),
		rounds: setting(t, "QMPKIT_ROUNDS", 12),
		values: map[string]int{},
	}
	for _, c := range b.checks(subjects) {
		t.Run(c.name, func(t *testing.T) {
			for _, err := range r.run(c) {
				t.Errorf("%v\nQMPKIT_SEED=%d QMPKIT_ROUNDS=%d", err, r.seed, r.rounds)
			}
			t.Logf("%s: %d types", c.name, len(c.trials))
		})
	}
	b.covered(t, r.values)
}

// covered checks that there were values for every definition of the schema.
func (b *bindings) covered(t *testing.T, values map[string]int) {
	kinds := map[string]int{}
	for _, d := range b.definitions() {
		name := d.Head().Name
		require.NotZero(t, values[name], "%s: %s was not checked", d.Head().Pos, name)
		kinds[fmt.Sprintf("%T", d)]++
	}
	total := 0
	for _, n := range values {
		total += n
	}
	t.Logf("checked with %d values: %v", total, kinds)
}

// check is something that holds for a number of types.
type check struct {
	name   string
	trials []trial
}

// trial is a check of one type, with another random value at every turn.
type trial struct {
	name  string
	turns int // at least
	run   func(g *generator, turn int) error
}

func isSent(s subject) bool     { return s.need.encodes() }
func isReceived(s subject) bool { return s.need.decodes() }
func isAny(subject) bool        { return true }

// checks lists all checks for the package.
func (b *bindings) checks(subjects []subject) []check {
	type property func(g *generator, s subject, turn int) error
	types := func(name string, concerns func(s subject) bool, holds property) check {
		c := check{name: name}
		for _, s := range subjects {
			if concerns(s) {
				run := func(g *generator, turn int) error { return holds(g, s, turn) }
				c.trials = append(c.trials, trial{s.name, turns(s.typ), run})
			}
		}
		return c
	}
	return []check{
		types("sent", isSent, b.sent),
		types("not sent", isSent, b.notSent),
		types("received", isReceived, b.received),
		types("no discriminator", isReceived, b.undecided),
		types("repeated members", isReceived, b.repeated),
		types("wrong documents", isReceived, b.wrong),
		types("broken documents", isReceived, b.broken),
		types("JSON", isAny, b.json),
		types("printed", isAny, b.printed),
		b.commandCheck(),
		b.eventCheck(),
	}
}

// runner runs checks.
type runner struct {
	seed, rounds int
	values       map[string]int // how many there were, by the name of the definition
}

// maxFailures is how many types may fail before the others are not looked at.
const maxFailures = 10

func (r *runner) run(c check) (failures []error) {
	for _, t := range c.trials {
		if err := r.try(c.name, t); err != nil {
			failures = append(failures, fmt.Errorf("%s: %w", t.name, err))
			if len(failures) == maxFailures {
				break
			}
		}
	}
	return failures
}

// try runs the turns of a trial until one fails. Its values depend on the seed and the names of
// the check and the type only.
func (r *runner) try(check string, t trial) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
	}()
	hash := fnv.New64a()
	hash.Write([]byte(check + " " + t.name))
	g := &generator{Rand: rand.New(rand.NewPCG(uint64(r.seed), hash.Sum64()))}
	for turn := range max(t.turns, r.rounds) {
		r.values[t.name]++
		if err := t.run(g, turn); err != nil {
			return fmt.Errorf("turn %d: %w", turn, err)
		}
	}
	return nil
}

// setting reads a number from the environment.
func setting(t *testing.T, variable string, otherwise int) int {
	text := os.Getenv(variable)
	if text == "" {
		return otherwise
	}
	n, err := strconv.Atoi(text)
	require.NoError(t, err, variable)
	return n
}
