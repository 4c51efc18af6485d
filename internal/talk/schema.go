package talk

import (
	"fmt"
	"sync"

	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/introspect"
	"github.com/qmpkit/qmpkit/testdata/schema"
)

// captured holds the schemas that were read, by release.
var captured sync.Map

// Captured returns the schema that a QEMU of the same release as v answered, nil if none was captured. A server of
// another distribution can have other parts.
func Captured(v qmp.Version) *introspect.Schema {
	release := fmt.Sprintf("%d.%d", v.Major, v.Minor)
	if s, ok := captured.Load(release); ok {
		return s.(*introspect.Schema)
	}
	text, err := schema.Captured.ReadFile("captured/" + release + "/qemu.json")
	if err != nil {
		return nil
	}
	s, err := introspect.Read(text)
	if err != nil {
		return nil
	}
	captured.Store(release, s)
	return s
}
