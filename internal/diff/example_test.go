package diff_test

import (
	"fmt"
	"log"
	"testing/fstest"

	"github.com/qmpkit/qmpkit/internal/diff"
	"github.com/qmpkit/qmpkit/qapi"
	"github.com/qmpkit/qmpkit/qmp/introspect"
)

// Compare two schemas of a few lines.
func Example() {
	view := func(text string) *introspect.Schema {
		s, err := qapi.LoadFS(fstest.MapFS{"schema.json": {Data: []byte(text)}}, "schema.json", nil)
		if err != nil {
			log.Fatal(err)
		}
		return s.Introspect(qapi.IntrospectOptions{})
	}
	changes, err := diff.Compare(
		view("{ 'command': 'quit' } { 'command': 'screendump', 'data': { 'filename': 'str' } }"),
		view("{ 'command': 'screendump', 'data': { 'filename': 'str', '*device': 'str', 'format': 'Format' } }"+
			"{ 'enum': 'Format', 'data': [ 'ppm', 'png' ] }"))
	if err != nil {
		log.Fatal(err)
	}
	for _, c := range changes {
		fmt.Println(c.Breaking, c.Kind, c.What, c.Path)
	}
	// Output:
	// true removed command quit
	// false added member screendump/arg-type/device
	// true added member screendump/arg-type/format
}
