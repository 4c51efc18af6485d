package show

import (
	"encoding/json"
	"strings"
)

// result prints a whole result.
func (p *printer) result(v any) {
	q, known := queries[p.command]
	rows, isTable := objects(v)
	_, isObject := v.(map[string]any)
	switch {
	case known && !p.All && (isTable || isObject) && p.query(q, v):
	case isTable:
		p.list(rows, "")
	default:
		p.value("result", v)
	}
}

// list prints objects as a table, or one after another if all of it has to be shown and the table does not fit.
func (p *printer) list(rows []map[string]any, indent string) {
	g := p.grid(rows, p.All)
	if !p.All && (p.Width > 0 || g.width() <= widest) || p.All && g.isWhole(p.room(indent)) {
		p.render(g, indent)
		return
	}
	for i, row := range rows {
		if i > 0 {
			p.out.WriteString("\n")
		}
		p.object(row, indent)
	}
}

// value prints a result that is not a list of objects.
func (p *printer) value(name string, v any) {
	switch v := v.(type) {
	case map[string]any:
		switch {
		case len(v) == 0 && strings.HasPrefix(p.command, "query-"):
			p.out.WriteString(p.Paint(Faint, "none") + "\n")
			return
		case len(v) == 0:
			p.out.WriteString("ok\n")
			return
		}
		p.object(v, "")
	case []any:
		if len(v) == 0 {
			p.out.WriteString(p.Paint(Faint, "none") + "\n")
			return
		}
		for _, element := range v {
			p.out.WriteString(p.inline(name, element) + "\n")
		}
	case string:
		// A text for people, such as the answer of a human-monitor-command.
		for line := range strings.SplitSeq(strings.TrimSuffix(v, "\n"), "\n") {
			p.out.WriteString(Escape(strings.TrimSuffix(line, "\r")) + "\n")
		}
	default:
		p.out.WriteString(p.scalar(name, v) + "\n")
	}
}

// object prints an object: a line for each member, and the members of objects indented.
func (p *printer) object(object map[string]any, indent string) {
	all, width := names(object), 0
	for _, name := range all {
		if !p.isBlock(object[name], indent) {
			width = max(width, Cells(Escape(name)))
		}
	}
	for _, name := range all {
		label := Escape(name)
		p.out.WriteString(indent + p.Paint(Title, label))
		switch v := object[name].(type) {
		case map[string]any:
			if len(v) > 0 {
				p.out.WriteString("\n")
				p.object(v, indent+"  ")
				continue
			}
		case []any:
			if p.isBlock(v, indent) {
				p.out.WriteString("\n")
				p.block(name, v, indent+"  ")
				continue
			}
		}
		p.out.WriteString(strings.Repeat(" ", width-Cells(label)+gap) + p.scalar(name, object[name]) + "\n")
	}
}

// isBlock reports whether a member has lines of its own, below its name.
func (p *printer) isBlock(v any, indent string) bool {
	switch v := v.(type) {
	case map[string]any:
		return len(v) > 0
	case []any:
		if _, isTable := objects(v); isTable {
			return true
		}
		return len(v) > 1 && Cells(p.inline("", v)) > max(p.room(indent), 60)/2
	}
	return false
}

// block prints a list below the name of its member.
func (p *printer) block(name string, list []any, indent string) {
	if rows, isTable := objects(list); isTable {
		p.list(rows, indent)
		return
	}
	if t, ok := numbers(list); ok {
		p.out.WriteString(indent + t + "\n")
		return
	}
	for _, element := range list {
		p.out.WriteString(indent + p.scalar(name, element) + "\n")
	}
}

// scalar prints a value in an indented text. A rounded number is followed by the exact one.
func (p *printer) scalar(name string, v any) string {
	switch v := v.(type) {
	case json.Number:
		t, rounded := p.number(v, unitOf(p.command, name))
		if rounded {
			t += p.Paint(Faint, " ("+v.String()+")")
		}
		return t
	case string:
		if v == "" {
			return p.Paint(Faint, `""`)
		}
	case nil:
		return p.Paint(Faint, "null")
	case map[string]any:
		if len(v) == 0 {
			return p.Paint(Faint, "none")
		}
	case []any:
		if len(v) == 0 {
			return p.Paint(Faint, "none")
		}
	}
	return p.Paint(StyleOf(v), p.inline(name, v))
}
