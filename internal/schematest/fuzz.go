package schematest

import (
	"hash/fnv"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Fuzz gives any text to any of the decoders; [decoding.holds] has the conditions. The seeds are
// valid values for each, also of other versions, and texts that are hard to read.
//
// The first argument is a decoder's place in the order of the schema, the commands first. It is
// a number, and not the name, because each number is that of a decoder and few names are. What is
// covered differs a little from run to run (strings are interned, decoders used again), and go test
// takes up to a minute to make one text shorter: -fuzzminimizetime=20x saves that.
func Fuzz(f *testing.F, d Decoders) {
	table, err := d.table()
	require.NoError(f, err)
	for i, x := range table {
		for _, text := range x.valid() {
			_, err := x.decode(text)
			require.NoError(f, err, "%s: %s", x.name, text)
			f.Add(uint16(i), text)
		}
		for _, text := range hostile {
			require.NoError(f, x.holds([]byte(text)), "%s: %q", x.name, text)
		}
		f.Add(uint16(i), []byte(hostile[i%len(hostile)]))
	}
	f.Fuzz(func(t *testing.T, which uint16, text []byte) {
		x := table[int(which)%len(table)]
		if err := x.holds(text); err != nil {
			t.Errorf("%s: %v\nin %q", x.name, err, text)
		}
	})
}

// mostSeeds is how many valid seeds a decoder has at most: more of them in all make each start of
// the fuzzing, and plain go test, slower than what they find is worth.
const mostSeeds = 12

// valid makes valid texts, the same ones every time. The first is of the schema's own version.
func (x decoding) valid() [][]byte {
	hash := fnv.New64a()
	hash.Write([]byte(x.name))
	g := &generator{Rand: rand.New(rand.NewPCG(1, hash.Sum64()))}
	if x.typ == nil {
		return [][]byte{[]byte(`{}`), g.text(g.any())}
	}
	texts := [][]byte{g.text(g.document(x.typ, 0))}
	for turn := range min(turns(x.typ)+1, mostSeeds) {
		g.noise = g.anyNoise()
		texts = append(texts, g.text(g.document(x.typ, turn)))
	}
	g.deeper = muchDeeper
	return append(texts, g.text(g.document(x.typ, 0)))
}

// muchDeeper is enough for all that a block device says of its image.
const muchDeeper = 4

// hostile are texts that are valid for few decoders, or for none. Every decoder is given all of
// them, but as a seed one only: the fuzzing takes half a minute to begin with all.
var hostile = []string{
	``, ` `, `null`, `"\ud83d\ude00"`, `-9223372036854775809`, `18446744073709551615`, `inf`,
	`{}`, `[]`, `[{}, {}, {}]`, `[[], [], []]`, `{"type": "", "driver": null}`,
	`{"type": "0", "type": ""}`, `[{"type": "0", "type": ""}]`, `[{"a": 1, "type": "0", "type": ""}]`,
	`[{"a": "}, {}, {}, {}, {}, {}, {"}]`, `["a, b, c, d, e, f"]`, `[, , , , , ]`,
	strings.Repeat(`[`, 1025), strings.Repeat(`{"a":`, 64) + `[` + strings.Repeat(`}`, 64),
}
