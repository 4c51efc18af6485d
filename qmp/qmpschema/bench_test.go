package qmpschema

import (
	"errors"
	"testing"

	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/introspect"
	"github.com/qmpkit/qmpkit/qmp/qmptest"
)

// BenchmarkMissing compares a blockdev-add of four nodes, and the command with the most members, with a
// schema that was asked for.
func BenchmarkMissing(b *testing.B) {
	s := captured(b, "11.1")
	command := s.Lookup("migrate-set-parameters").(*introspect.Command)
	all := qmp.Args{}
	for _, m := range s.Lookup(command.ArgType).(*introspect.Object).Members {
		all[m.Name] = newMaker(s, 1).value(m.Type)
	}
	for name, request := range map[string]any{"blockdev-add": nested, "migrate-set-parameters": qmp.Raw{Command: command.Name, Args: all}} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if missing, err := MissingIn(s, request); len(missing) > 0 || err != nil {
					b.Fatal(missing, err)
				}
			}
		})
	}
}

// BenchmarkChecked executes a blockdev-add that is not sent, since the server does not have all of it.
func BenchmarkChecked(b *testing.B) {
	s := qmptest.NewServer(b, nil)
	s.Expect("query-qmp-schema").Reply(captured(b, "5.2"))
	c := Checked(s.Dial())
	inactive := nested
	inactive.Active = new(false)
	b.ReportAllocs()
	for b.Loop() {
		if err := inactive.Do(b.Context(), c); !errors.Is(err, qmp.ErrNotSent) {
			b.Fatal(err)
		}
	}
}
