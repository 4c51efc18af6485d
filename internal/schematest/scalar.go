package schematest

import (
	"math"
	"strconv"
	"strings"
	"unicode/utf16"

	"github.com/qmpkit/qmpkit/qapi"
)

func (g *generator) builtin(t *qapi.Builtin) *node {
	switch t.JSONKind() {
	case qapi.KindString:
		return g.quoted(g.str())
	case qapi.KindNumber:
		return literal(g.number())
	case qapi.KindInt:
		return literal(g.integer(t))
	case qapi.KindBoolean:
		return literal(pick(g, "true", "false"))
	case qapi.KindNull:
		return literal("null")
	default:
		return g.any()
	}
}

// limits returns the least and the greatest value of an integer type.
func limits(t *qapi.Builtin) (least int64, greatest uint64) {
	if t.Signed() {
		return math.MinInt64 >> (64 - t.Bits()), math.MaxInt64 >> (64 - t.Bits())
	}
	return 0, math.MaxUint64 >> (64 - t.Bits())
}

// integer is an integer of the given type, an extreme one as often as not.
func (g *generator) integer(t *qapi.Builtin) string {
	least, greatest := limits(t)
	switch g.IntN(6) {
	case 0:
		return strconv.FormatInt(least, 10)
	case 1:
		return strconv.FormatUint(greatest, 10)
	case 2:
		return pick(g, "0", "1")
	}
	v := g.Uint64() & greatest >> g.IntN(t.Bits())
	if t.Signed() && g.oneIn(2) {
		return strconv.FormatInt(-int64(v), 10)
	}
	return strconv.FormatUint(v, 10)
}

// number is a number in any of the ways to write one.
func (g *generator) number() string {
	switch g.IntN(4) {
	case 0:
		return strconv.Itoa(g.IntN(2000) - 1000)
	case 1:
		return pick(g, "0", "-0", "0.0", "-0.0", "1e3", "1E+3", "1.50e-7", "5e-324", "1e21", "1e-6", "9e-7",
			"9007199254740993", "1.7976931348623157e308", "18446744073709551615")
	}
	v := g.NormFloat64() * math.Pow(10, float64(g.IntN(40)-20))
	return strconv.FormatFloat(v, pick[byte](g, 'e', 'f', 'g'), -1, 64)
}

// fragments are what strings are made of. U+0000 is not among them: QEMU takes no such string.
var fragments = []string{
	"a", "disk0", "Z9", " ", "/", `"`, `\`, "\n", "\t", "\r", "\b", "\f", "\x01", "\x1f", "\x7f",
	"<&>", "é", "€", "\u2028", "\ufffd", "\uffff", "😀", "𝒳", "\U0010ffff",
}

// str is a string.
func (g *generator) str() string {
	var s string
	for range g.IntN(5) {
		s += pick(g, fragments...)
	}
	return s
}

// quote is a string's text, with escapes here and there.
func (g *generator) quote(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range s {
		short := strings.IndexRune("\"\\/\b\f\n\r\t", r)
		must := r < ' ' || r == '"' || r == '\\'
		switch {
		case short >= 0 && (must || g.oneIn(8)) && g.oneIn(2):
			b.WriteByte('\\')
			b.WriteByte(`"\/bfnrt`[short])
		case must || g.oneIn(32):
			g.escape(&b, r)
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String()
}

func (g *generator) escape(b *strings.Builder, r rune) {
	units := utf16.AppendRune(nil, r)
	for _, u := range units {
		hex := strconv.FormatUint(0x10000|uint64(u), 16)[1:]
		if g.oneIn(2) {
			hex = strings.ToUpper(hex)
		}
		b.WriteString(`\u` + hex)
	}
}
