package schematest

import (
	"hash/fnv"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/qapi"
)

// mostPerByte is how many bytes may be allocated for a byte of text. Elements of two bytes and a
// comma cost what their type is big, some hundred bytes, and again whenever the array grows.
const mostPerByte = 1 << 10

// Memory decodes arrays of every type that is decoded, with elements that are cheap for a server
// to send, and checks that what is allocated is in proportion to the text.
func Memory(t *testing.T, d Decoders) {
	table, err := d.table()
	require.NoError(t, err)
	missing := map[qapi.Type]bool{}
	for typ := range reached(d.Schema).received {
		if a, ok := typ.(*qapi.Array); ok && !isUntyped(a) {
			missing[a.Element] = true
		}
	}
	total, most, of := len(missing), 0, ""
	// Some arrays are deep in what is optional: not every document has them.
	for round := 0; round < 100 && len(missing) > 0; round++ {
		for _, x := range table {
			for _, text := range x.costly(round, missing) {
				n := allocated(func() { x.decode(text) }) / len(text)
				require.LessOrEqual(t, n, mostPerByte, "%s: bytes allocated for each of %.200q", x.name, text)
				if n > most {
					most, of = n, x.name
				}
			}
		}
	}
	require.Empty(t, missing, "elements of arrays that no document has")
	t.Logf("%d arrays; at most %d bytes for one of text: %s", total, most, of)
}

// costly makes texts with long arrays of the types that are missing so far, deeper in each round.
func (x decoding) costly(round int, missing map[qapi.Type]bool) [][]byte {
	if x.typ == nil {
		return nil
	}
	var texts [][]byte
	hash := fnv.New64a()
	hash.Write([]byte(x.name))
	g := &generator{Rand: rand.New(rand.NewPCG(uint64(round), hash.Sum64())), deeper: min(round, muchDeeper)}
	for turn := range turns(x.typ) {
		doc := g.document(x.typ, turn)
		doc.walk(func(n *node) {
			a, ok := n.typ.(*qapi.Array)
			if !ok || !missing[a.Element] {
				return
			}
			delete(missing, a.Element)
			for _, array := range costlyArrays {
				n.text = array
				texts = append(texts, g.text(doc))
			}
			n.text = ""
		})
	}
	return texts
}

// costlyArrays have short elements; or a string that looks like many elements, to a decoder that
// counts before it reads; or the beginnings of many nested arrays.
var costlyArrays = []string{
	arrayOf(`{}`), arrayOf(`[]`), arrayOf(`""`), arrayOf(`0`), arrayOf(`null`),
	arrayOf(`{"a": "` + strings.Repeat(`}, {`, 250) + `"}`),
	arrayOf(`"` + strings.Repeat(`, `, 500) + `"`),
	strings.Repeat(`[`, 500) + strings.Repeat(`, `, 500),
}

// arrayOf is an array of 16 KB.
func arrayOf(element string) string {
	return "[" + strings.Repeat(element+", ", 16<<10/(len(element)+2)) + element + "]"
}

// allocated is how many bytes f allocates, those that it frees again among them.
func allocated(f func()) int {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return int(after.TotalAlloc - before.TotalAlloc)
}
