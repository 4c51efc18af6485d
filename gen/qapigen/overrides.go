package main

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/qmpkit/qmpkit/internal/unmask"
)

// choices are the words for which of two schemas counts.
var choices = map[string]unmask.Choice{"source": unmask.TakeSource, "server": unmask.TakeServer}

// readOverrides reads the rows that decide conflicts of a join. Each has a reason, for whoever
// reads it later.
func readOverrides(path string) (map[string]unmask.Choice, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("-overrides %s: %w", path, withoutPath(err))
	}
	rows := map[string]unmask.Choice{}
	var wrong []error
	number := 0
	for line := range strings.Lines(string(text)) {
		number++
		fields := strings.Fields(line)
		if len(fields) == 0 || strings.HasPrefix(fields[0], "#") {
			continue
		}
		if err := addRow(rows, fields); err != nil {
			wrong = append(wrong, fmt.Errorf("%s:%d: %w", path, number, err))
		}
	}
	return rows, errors.Join(wrong...)
}

func addRow(rows map[string]unmask.Choice, fields []string) error {
	if len(fields) < 3 {
		return errors.New("a row is PLACE source|server REASON")
	}
	place := fields[0]
	choice, ok := choices[fields[1]]
	if !ok {
		return fmt.Errorf("%s: want source or server, not %q", place, fields[1])
	}
	if _, twice := rows[place]; twice {
		return fmt.Errorf("%s: the file already has a row for this place", place)
	}
	rows[place] = choice
	return nil
}

// withRows adds to a conflict the rows that would decide it.
func withRows(err error, path string) error {
	conflict, ok := errors.AsType[*unmask.ConflictError](err)
	if !ok || len(conflict.Conflicts) == 0 {
		return err
	}
	lines := []string{err.Error(), fmt.Sprintf("rows to add to %s; server or source decides, and a reason follows:", cmp.Or(path, "the file that -overrides names"))}
	for _, c := range conflict.Conflicts {
		lines = append(lines, fmt.Sprintf("  %s server %s", c.Place, reason(c)))
	}
	return errors.New(strings.Join(lines, "\n"))
}

// reason is a first word on why, which whoever decides replaces.
func reason(c unmask.Conflict) string { return c.Source + " became " + c.Server }
