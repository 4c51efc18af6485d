package show

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/big"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
)

const (
	gap    = 2  // cells between two columns
	narrow = 18 // a column of texts is not made narrower than this

	widest = 400 // a table that no terminal limits is not wider than this, so that people can read it
)

// A grid is a table before it is fitted into a width.
type grid struct {
	titles []string // the most important ones first
	rows   [][]cell
	beside map[string]string // columns that are shown after another one
}

// A cell is a value as people read it.
type cell struct {
	text   string
	style  Style
	number bool
}

// nothing is the cell of a row that lacks the member, or in which it is empty.
var nothing = cell{text: "-", style: Faint}

// lastName finds the name that decides the unit of a column's program.
var lastName = regexp.MustCompile(`\.(?:"([\w-]+)"|(\w+))$`)

// query prints the table of a query of which queries has the columns. It returns false, and prints nothing, if the result
// is of another form than the columns are for.
func (p *printer) query(q query, v any) bool {
	rows, err := run(q.rows, v)
	if err != nil {
		return false
	}
	if len(rows) == 0 {
		p.out.WriteString(p.Paint(Faint, "none") + "\n")
		return true
	}
	g := &grid{rows: make([][]cell, len(rows))}
	for _, c := range q.columns {
		member := ""
		if m := lastName.FindStringSubmatch(c.value); m != nil {
			member = m[1] + m[2]
		}
		cells := make([]cell, len(rows))
		for i, row := range rows {
			values, _ := run(c.value, row) // it fails if another QEMU has no such member
			if cells[i] = nothing; len(values) > 0 {
				cells[i] = p.cell(member, values[0])
			}
		}
		g.add(c.title, cells)
	}
	if len(g.titles) == 0 {
		return false
	}
	g.beside = beside
	p.render(g, "")
	return true
}

// run returns the outputs of a program of this package.
func run(program string, v any) (outputs []any, err error) {
	for iter := compiled(program).Run(v); ; {
		output, ok := iter.Next()
		if !ok {
			return outputs, nil
		}
		if err, ok := output.(error); ok {
			return nil, err
		}
		outputs = append(outputs, output)
	}
}

// add adds a column, if it is not empty.
func (g *grid) add(title string, cells []cell) {
	if !slices.ContainsFunc(cells, func(c cell) bool { return c != nothing }) {
		return
	}
	g.titles = append(g.titles, title)
	for i := range cells {
		g.rows[i] = append(g.rows[i], cells[i])
	}
}

// objects returns the elements of a list if it is not empty and has objects only.
func objects(v any) (rows []map[string]any, ok bool) {
	list, _ := v.([]any)
	for _, element := range list {
		row, isObject := element.(map[string]any)
		if !isObject {
			return nil, false
		}
		rows = append(rows, row)
	}
	return rows, len(rows) > 0
}

// grid makes a table with a column for each member. If flat is set, members of objects in objects have columns, too.
func (p *printer) grid(rows []map[string]any, flat bool) *grid {
	if flat {
		rows = slices.Clone(rows)
		for i, row := range rows {
			rows[i] = flatten(row)
		}
	}
	all := map[string]any{}
	for _, row := range rows {
		for name, value := range row {
			if all[name] == nil {
				all[name] = value
			}
		}
	}
	g := &grid{rows: make([][]cell, len(rows))}
	for _, name := range names(all) {
		member := name[strings.LastIndexByte(name, '.')+1:]
		cells := make([]cell, len(rows))
		for i, row := range rows {
			cells[i] = p.cell(member, row[name])
		}
		g.add(Escape(name), cells)
	}
	return g
}

// flatten gives the members of objects in an object names such as "stats.rd_bytes".
func flatten(row map[string]any) map[string]any {
	flat := map[string]any{}
	for name, value := range row {
		if inner, ok := value.(map[string]any); ok {
			for below, v := range flatten(inner) {
				flat[name+"."+below] = v
			}
			continue
		}
		flat[name] = value
	}
	return flat
}

// first are the names of members that come first: those by which people know a thing.
var first = []string{"id", "name", "label", "capability", "device", "node-name", "qdev", "job-id", "type", "driver", "status", "state"}

// names sorts the names of members: those that identify the object, values, then objects and lists.
func names(members map[string]any) []string {
	rank := func(name string) int {
		if isComposite(members[name]) {
			return len(first) + 1
		}
		if i := slices.Index(first, name); i >= 0 {
			return i
		}
		return len(first)
	}
	return slices.SortedFunc(maps.Keys(members), func(a, b string) int {
		if d := rank(a) - rank(b); d != 0 {
			return d
		}
		return strings.Compare(a, b)
	})
}

func isComposite(v any) bool {
	switch v.(type) {
	case map[string]any, []any:
		return true
	}
	return false
}

// cell prints a value for a table.
func (p *printer) cell(member string, v any) cell {
	t := ""
	if v != nil {
		t = p.inline(member, v)
	}
	if t == "" {
		return nothing
	}
	_, number := asNumber(v)
	return cell{text: t, style: StyleOf(v), number: number}
}

// inline prints a value on one line.
func (p *printer) inline(member string, v any) string {
	switch v := v.(type) {
	case map[string]any:
		return "{" + p.members(v) + "}"
	case []any:
		if t, ok := numbers(v); ok {
			return t
		}
		parts := make([]string, len(v))
		for i, element := range v {
			parts[i] = p.inline(member, element)
		}
		return strings.Join(parts, ", ")
	case string:
		return Escape(v)
	case nil:
		return "null"
	default:
		if n, ok := asNumber(v); ok {
			t, _ := p.number(n, unitOf(p.command, member))
			return t
		}
		return fmt.Sprint(v)
	}
}

// asNumber returns a number of an answer, or one that a program has computed.
func asNumber(v any) (n json.Number, ok bool) {
	switch v := v.(type) {
	case json.Number:
		return v, true
	case int, float64, *big.Int:
		return json.Number(fmt.Sprint(v)), true
	}
	return "", false
}

// members prints an object on one line: "id=data1 size=10 GiB".
func (p *printer) members(object map[string]any) string {
	parts := make([]string, 0, len(object))
	for _, name := range names(object) {
		value := p.inline(name, object[name])
		if _, isList := object[name].([]any); isList {
			value = "[" + value + "]"
		}
		parts = append(parts, Escape(name)+"="+value)
	}
	return strings.Join(parts, " ")
}

// numbers prints a list of whole numbers, with "0-4095" for numbers that follow each other in any order.
func numbers(list []any) (t string, ok bool) {
	var all []int64
	for _, element := range list {
		n, _ := element.(json.Number)
		whole, err := n.Int64()
		if err != nil {
			return "", false
		}
		all = append(all, whole)
	}
	if len(all) < 8 {
		return "", false
	}
	slices.Sort(all)
	var parts []string
	for i := 0; i < len(all); {
		j := i
		for j+1 < len(all) && all[j+1] == all[j]+1 {
			j++
		}
		if j > i {
			parts = append(parts, fmt.Sprintf("%d-%d", all[i], all[j]))
		} else {
			parts = append(parts, fmt.Sprint(all[i]))
		}
		i = j + 1
	}
	return strings.Join(parts, ", "), true
}

// isWhole reports whether the table fits into a width with all its texts, and is readable: no cell has objects. A width of
// 0 is that of a file.
func (g *grid) isWhole(width int) bool {
	for _, row := range g.rows {
		if slices.ContainsFunc(row, func(c cell) bool { return strings.HasPrefix(c.text, "{") }) {
			return false
		}
	}
	return g.width() <= width || width <= 0 && g.width() <= widest
}

// width returns the width of the whole table.
func (g *grid) width() int {
	widths := g.fit(0)
	return sum(widths) + gap*(len(widths)-1)
}

// fit returns the widths of the columns that fit into a width, from the left. It shortens texts before it leaves out a column.
func (g *grid) fit(width int) []int {
	natural, least := make([]int, len(g.titles)), make([]int, len(g.titles))
	for i, title := range g.titles {
		natural[i] = Cells(title)
		isText := true
		for _, row := range g.rows {
			natural[i] = max(natural[i], Cells(row[i].text))
			isText = isText && !row[i].number
		}
		if least[i] = natural[i]; isText {
			least[i] = min(natural[i], max(narrow, Cells(title)))
		}
		if i == 0 {
			least[i] = min(natural[i], max(narrow, min(2*narrow, width/2))) // the first column names the thing
		}
	}
	if width <= 0 {
		return natural
	}
	columns := len(natural)
	for columns > 1 && sum(least[:columns])+gap*(columns-1) > width {
		columns--
	}
	widths := slices.Clone(least[:columns])
	rest := width - sum(widths) - gap*(columns-1)
	if rest < 0 {
		return []int{width}
	}
	for i := range widths { // the most important ones get the rest
		more := min(rest, natural[i]-widths[i])
		widths[i] += more
		rest -= more
	}
	return widths
}

func sum(all []int) (total int) {
	for _, n := range all {
		total += n
	}
	return total
}

// shown returns the first columns in the order on the screen.
func (g *grid) shown(columns int) (order []int) {
	for i, title := range g.titles[:columns] {
		at := len(order)
		if other := slices.Index(g.titles[:columns], g.beside[title]); other >= 0 {
			at = slices.Index(order, other) + 1
		}
		order = slices.Insert(order, at, i)
	}
	return order
}

// render prints the table. Columns that do not fit are named below it.
func (p *printer) render(g *grid, indent string) {
	widths := g.fit(p.room(indent))
	t := table.NewWriter()
	t.SetStyle(table.Style{Box: table.BoxStyle{MiddleVertical: strings.Repeat(" ", gap), PaddingLeft: "", PaddingRight: ""}, Options: table.Options{SeparateColumns: true}})
	t.SuppressTrailingSpaces()
	var configs []table.ColumnConfig
	var header table.Row
	shown := g.shown(len(widths))
	for at, i := range shown {
		w := widths[i]
		isNumber := len(g.rows) > 0
		for _, row := range g.rows {
			isNumber = isNumber && (row[i].number || row[i] == nothing)
		}
		config := table.ColumnConfig{Number: at + 1, WidthMax: w}
		if isNumber {
			config.Align, config.AlignHeader = text.AlignRight, text.AlignRight
		}
		configs = append(configs, config)
		header = append(header, p.Paint(Title, Cut(g.titles[i], w)))
	}
	t.SetColumnConfigs(configs)
	t.AppendHeader(header)
	for _, cells := range g.rows {
		var row table.Row
		for _, i := range shown {
			row = append(row, p.Paint(cells[i].style, Cut(cells[i].text, widths[i])))
		}
		t.AppendRow(row)
	}
	for line := range strings.SplitSeq(t.Render(), "\n") {
		p.out.WriteString(indent + line + "\n")
	}
	if hidden := g.titles[len(widths):]; len(hidden) > 0 {
		note := Wrap("not shown (-all shows them): "+strings.Join(hidden, ", "), p.room(indent))
		for line := range strings.SplitSeq(note, "\n") {
			p.out.WriteString(indent + p.Paint(Faint, line) + "\n")
		}
	}
}

// room returns the width that an indented block has; 0 means no limit.
func (p *printer) room(indent string) int {
	if p.Width <= 0 {
		return 0
	}
	return max(p.Width-len(indent), narrow)
}

// Cut shortens a text to a width. It keeps the end of a path, and the beginning of other texts.
func Cut(t string, width int) string {
	if Cells(t) <= width {
		return t
	}
	if width <= 0 {
		return ""
	}
	if !strings.HasPrefix(t, "/") {
		return text.Trim(t, width-1) + "…"
	}
	for Cells(t) > width-1 {
		_, n := utf8.DecodeRuneInString(t)
		t = t[n:]
	}
	return "…" + t
}

// Cells returns the number of cells that a text takes in a terminal.
func Cells(t string) int {
	for i := range len(t) {
		if t[i] < ' ' || t[i] > '~' {
			return text.StringWidth(t)
		}
	}
	return len(t)
}
