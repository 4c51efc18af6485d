package facts

import (
	_ "embed"
	"fmt"
	"strings"
)

// knownText holds what no schema says, a row each:
//
//	removed|since RELEASE PATH REASON
//
//go:embed known.txt
var knownText string

// Know adds what QEMU's own lists and history say and no schema does: in which release things went that one
// schema here has and the next one lacks, and since when a feature is there that came between two
// schemas without a remark. A row whose path the table does not know concerns other servers. One that a
// schema contradicts is an error.
func (t *Table) Know() error {
	for row := range strings.Lines(knownText) {
		fields := strings.Fields(row)
		if len(fields) == 0 || fields[0][0] == '#' {
			continue
		}
		if len(fields) < 4 {
			return fmt.Errorf("facts: known.txt has a row that is incomplete: %s", row)
		}
		if err := t.know(fields[0], fields[1], fields[2]); err != nil {
			return err
		}
	}
	t.arrows.Clear()
	return nil
}

func (t *Table) know(kind, release, path string) error {
	parts := t.last(path)
	for _, p := range parts {
		switch kind {
		case "removed":
			p.removed = release
		case "since":
			p.remarks = append([]remark{{release, history}}, p.remarks...)
		default:
			return fmt.Errorf("facts: known.txt has a row that begins with %s", kind)
		}
	}
	t.arrows.Clear()
	f, err := t.Path(path)
	if err != nil || f == nil {
		return err
	}
	if kind == "removed" && f.Removed.Release != release || kind == "since" && f.Since.Release != release {
		return fmt.Errorf("facts: known.txt says %s %s of %s, which a schema contradicts: since %s, removed %s",
			kind, release, path, f.Since.Release, f.Removed.Release)
	}
	return nil
}

// last returns the parts that a path ends with.
func (t *Table) last(path string) []*part {
	if n := t.nodes[path]; n != nil {
		return []*part{&n.part}
	}
	places, err := t.walk(path)
	if err != nil {
		return nil
	}
	var parts []*part
	for _, p := range places {
		parts = append(parts, p.part)
	}
	return parts
}
