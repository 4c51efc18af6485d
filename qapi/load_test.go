package qapi_test

import (
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/internal/qemutest"
	"github.com/qmpkit/qmpkit/qapi"
	"github.com/qmpkit/qmpkit/testdata/schema"
)

// The known sizes of real schemas.
var (
	qemu52    = counts{196, 48, 275, 31, 5, 125, 822, 1615, 790, 65, 23}
	qemu72    = counts{220, 52, 418, 39, 6, 155, 987, 2045, 1002, 185, 75}
	qemu102   = counts{244, 57, 479, 43, 6, 182, 1152, 2356, 1158, 224, 96}
	guest102  = counts{44, 0, 34, 3, 2, 8, 38, 216, 87, 56, 0}
	storage10 = counts{77, 13, 260, 25, 5, 79, 447, 1121, 594, 118, 48}
)

func TestLoadFS(t *testing.T) {
	for name, want := range map[string]counts{
		schema.QEMU: qemu102, schema.Guest: guest102, schema.Storage: storage10,
	} {
		s, err := qapi.LoadFS(schema.FS, "10.2/"+name, nil)
		require.NoError(t, err)
		require.Equal(t, want, count(s), name)
	}
}

// TestLoadRealSchemas loads QEMU's own files.
func TestLoadRealSchemas(t *testing.T) {
	sizes := map[string]counts{"5.2": qemu52, "7.2": qemu72} // 10.0 still changes
	for _, version := range qemutest.SourceVersions {
		t.Run(version, func(t *testing.T) {
			source := qemutest.Source(t, version)
			for _, main := range []string{schema.QEMU, schema.Guest, schema.Storage} {
				s, err := qapi.Load(filepath.Join(source, main), nil)
				require.NoError(t, err)
				if size, known := sizes[version]; known && main == schema.QEMU {
					require.Equal(t, size, count(s))
				}
			}
		})
	}
}

// counts says how much there is in a schema. Types that the schema does not name count for
// their members only.
type counts struct {
	commands, events            int
	structs, unions, alternates int
	enums, values               int
	members, optional           int
	conditions                  int // but those of features
	features                    int
}

func count(s *qapi.Schema) counts {
	c := counts{
		commands: len(s.Commands()), events: len(s.Events()),
		structs: len(s.Structs()), unions: len(s.Unions()), alternates: len(s.Alternates()),
		enums: len(s.Enums()),
	}
	for _, d := range s.Definitions {
		c.addPart(d.Head().If, d.Head().Features)
		switch d := d.(type) {
		case *qapi.Enum:
			c.values += len(d.Values)
			for _, v := range d.Values {
				c.addPart(v.If, v.Features)
			}
		case *qapi.Struct:
			c.addMembers(d)
		case *qapi.Union:
			c.addImplicit(d.Base)
			for _, b := range d.Branches {
				c.addPart(b.If, nil)
			}
		case *qapi.Alternate:
			for _, a := range d.Alternatives {
				c.addPart(a.If, nil)
			}
		case *qapi.Command:
			c.addImplicit(d.Arg)
		case *qapi.Event:
			c.addImplicit(d.Arg)
		}
	}
	return c
}

func (c *counts) addImplicit(t qapi.ObjectType) {
	if s, ok := t.(*qapi.Struct); ok && s.Implicit {
		c.addMembers(s)
	}
}

func (c *counts) addMembers(s *qapi.Struct) {
	c.members += len(s.Members)
	for _, m := range s.Members {
		c.addPart(m.If, m.Features)
		if m.Optional {
			c.optional++
		}
	}
}

func (c *counts) addPart(cond qapi.Cond, features []*qapi.Feature) {
	c.features += len(features)
	if cond != nil {
		c.conditions++
	}
}

// load loads a schema of one file.
func load(t *testing.T, text string) *qapi.Schema {
	t.Helper()
	s, err := qapi.LoadFS(fstest.MapFS{"schema.json": {Data: []byte(text)}}, "schema.json", nil)
	require.NoError(t, err)
	return s
}

// loadError loads a schema of one file that is wrong, and returns its diagnostics.
func loadError(t *testing.T, text string) string {
	t.Helper()
	s, err := qapi.LoadFS(fstest.MapFS{"schema.json": {Data: []byte(text)}}, "schema.json", nil)
	require.Nil(t, s)
	var diagnostics qapi.Diagnostics
	require.ErrorAs(t, err, &diagnostics)
	return strings.TrimSpace(err.Error())
}
