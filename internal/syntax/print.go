package syntax

import (
	"bytes"
	"strings"
)

// lineWidth is the length of line that Print stays within where it can.
const lineWidth = 79

// Print returns the text of a file in a canonical form without prose. It leaves out comments and the
// errors among the file's items. Of the documentation it keeps the name of the definition, the names
// of its features, versions, recommended replacements, and the marks of [SeenMark]. Parsing the result
// gives the same objects in the same order.
func Print(f *File) []byte {
	p := &printer{}
	for _, item := range f.Items {
		switch item := item.(type) {
		case *Doc:
			if item.Symbol != "" {
				p.separate(item)
				p.doc(item)
			}
		case *Object:
			p.separate(item)
			p.topLevel(item)
		}
	}
	return p.Bytes()
}

type printer struct {
	bytes.Buffer
	last Item // printed
}

// separate writes a blank line before an item, unless it belongs right after the one before
// it, as a definition does after its documentation and one include directive after another.
func (p *printer) separate(item Item) {
	belongs := p.last == nil
	if o, ok := item.(*Object); ok && !belongs {
		switch last := p.last.(type) {
		case *Doc:
			belongs = true
		case *Object:
			belongs = isInclude(last) && isInclude(o)
		}
	}
	if !belongs {
		p.WriteByte('\n')
	}
	p.last = item
}

func isInclude(o *Object) bool { return o.Get("include") != nil }

// doc writes the part of a definition's documentation that Print keeps.
func (p *printer) doc(d *Doc) {
	p.WriteString("##\n# @" + d.Symbol + ":\n")
	for _, s := range d.Sections {
		seen := Seen(s.Lines)
		switch {
		case s.Kind == Plain && seen != "":
			p.WriteString("#\n# " + SeenMark(seen) + "\n")
		case s.Kind == MemberText && seen != "":
			p.WriteString("#\n# @" + s.Name + ": " + SeenMark(seen) + "\n")
		case s.Kind == MemberText:
			if said := remark(s.Lines, false); said != "" {
				p.WriteString("#\n# @" + s.Name + ": " + said + "\n")
			}
		}
	}
	if features := d.features(); len(features) > 0 {
		p.WriteString("#\n# Features:\n#\n")
		for _, name := range features {
			line := "# @" + name + ":"
			if s := d.section(FeatureText, name); s != nil {
				line = strings.TrimSuffix(line+" "+remark(s.Lines, name == "deprecated"), " ")
			}
			p.WriteString(line + "\n")
		}
	}
	if since := d.since(); since != "" {
		p.WriteString("#\n# Since: " + since + "\n")
	}
	p.WriteString("##\n")
}

// since returns the version that the section Since begins with.
func (d *Doc) since() string {
	s := d.section(Tagged, "Since")
	if s == nil || len(s.Lines) == 0 {
		return ""
	}
	version := s.Lines[0]
	if end := strings.IndexFunc(version, func(r rune) bool { return !strings.ContainsRune(".0123456789", r) }); end >= 0 {
		version = version[:end]
	}
	return strings.Trim(version, ".")
}

// topLevel writes an object with its first member beside the brace and the others below it.
func (p *printer) topLevel(o *Object) {
	if len(o.Members) == 0 {
		p.WriteString("{}\n")
		return
	}
	for i, m := range o.Members {
		opening, closing := "  ", ""
		if i == 0 {
			opening = "{ "
		}
		if i == len(o.Members)-1 {
			closing = " }"
		}
		p.WriteString(opening)
		p.member(m, 2, closing)
		if closing == "" {
			p.WriteByte(',')
		}
		p.WriteString(closing + "\n")
	}
}

// member writes a member in a line that is indented so far; after is what will follow.
func (p *printer) member(m Member, indent int, after string) {
	key := quote(m.Key) + ": "
	p.WriteString(key)
	p.value(m.Value, indent, lineWidth-indent-len(key)-max(1, len(after)))
}

// value writes a value within a width if it fits, else with each of its parts on a line.
func (p *printer) value(v Value, indent, width int) {
	if fit(v, width) >= 0 {
		p.inline(v)
		return
	}
	switch v := v.(type) {
	case *Object:
		p.WriteString("{\n")
		for i, m := range v.Members {
			p.begin(indent + 2)
			p.member(m, indent+2, "")
			p.end(i == len(v.Members)-1)
		}
		p.begin(indent)
		p.WriteByte('}')
	case *Array:
		p.WriteString("[\n")
		for i, e := range v.Elements {
			p.begin(indent + 2)
			p.value(e, indent+2, lineWidth-indent-2-1)
			p.end(i == len(v.Elements)-1)
		}
		p.begin(indent)
		p.WriteByte(']')
	default:
		p.inline(v)
	}
}

// begin begins a line that is one of several.
func (p *printer) begin(indent int) {
	for range indent {
		p.WriteByte(' ')
	}
}

func (p *printer) end(last bool) {
	if !last {
		p.WriteByte(',')
	}
	p.WriteByte('\n')
}

// inline writes a value on one line.
func (p *printer) inline(v Value) {
	switch v := v.(type) {
	case *String:
		p.WriteString(quote(v.Text))
	case *Bool:
		p.WriteString(boolText(v))
	case *Object:
		if len(v.Members) == 0 {
			p.WriteString("{}")
			return
		}
		for i, m := range v.Members {
			p.WriteString(separator(i, "{ "))
			p.WriteString(quote(m.Key) + ": ")
			p.inline(m.Value)
		}
		p.WriteString(" }")
	case *Array:
		if len(v.Elements) == 0 {
			p.WriteString("[]")
			return
		}
		for i, e := range v.Elements {
			p.WriteString(separator(i, "[ "))
			p.inline(e)
		}
		p.WriteString(" ]")
	}
}

func separator(i int, opening string) string {
	if i == 0 {
		return opening
	}
	return ", "
}

// fit returns the rest of a width after a value on one line, less than 0 if it is too long. It
// does not look at more of the value than would fit.
func fit(v Value, width int) int {
	switch v := v.(type) {
	case *String:
		return width - len(quote(v.Text))
	case *Bool:
		return width - len(boolText(v))
	case *Object:
		width -= len("{}")
		for i := 0; i < len(v.Members) && width >= 0; i++ {
			m := &v.Members[i]
			width = fit(m.Value, width-len(", ")-len(quote(m.Key))-len(": "))
		}
	case *Array:
		width -= len("[]")
		for i := 0; i < len(v.Elements) && width >= 0; i++ {
			width = fit(v.Elements[i], width-len(", "))
		}
	}
	return width
}

func quote(text string) string {
	if strings.IndexByte(text, '\\') >= 0 {
		text = strings.ReplaceAll(text, `\`, `\\`)
	}
	return "'" + text + "'"
}

func boolText(b *Bool) string {
	if b.Value {
		return "true"
	}
	return "false"
}
