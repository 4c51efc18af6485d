package qapi_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/qmpkit/qmpkit/internal/qemutest"
	"github.com/qmpkit/qmpkit/qapi"
	"github.com/qmpkit/qmpkit/testdata/schema"
)

// BenchmarkLoad measures the whole front end on QEMU 10.2's schema, as this module holds it.
func BenchmarkLoad(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := qapi.LoadFS(schema.FS, "10.2/"+schema.QEMU, nil); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkLoadProse measures it on QEMU's own files.
func BenchmarkLoadProse(b *testing.B) {
	main := filepath.Join(qemutest.Source(b, "10.0"), schema.QEMU)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := qapi.Load(main, nil); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkLoadScaling measures schemas of 1, 4 and 16 times the size of QEMU's. What a line
// costs stays the same.
func BenchmarkLoadScaling(b *testing.B) {
	const linesOfQEMU = 26000
	for _, times := range []int{1, 4, 16} {
		b.Run(fmt.Sprint(times), func(b *testing.B) {
			text, lines := madeUpSchema(times * linesOfQEMU)
			in := fstest.MapFS{"s.json": {Data: []byte(text)}}
			b.ReportAllocs()
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				if _, err := qapi.LoadFS(in, "s.json", &qapi.Options{MaxFileSize: 1 << 30}); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(lines), "ns/line")
		})
	}
}

// madeUpSchema returns a schema of about so many lines, with a bit of everything: definitions
// that refer to the one before and to the one after.
func madeUpSchema(atLeast int) (text string, lines int) {
	const unit = `##
# @Kind%[1]d:
#
# What there is.
#
# @one: the first
#
# @two: the second, which takes a line or two to be told of as it
#     should be
#
# Since: 1.0
##
{ 'enum': 'Kind%[1]d', 'data': [ 'one', { 'name': 'two', 'if': 'CONFIG_TWO' } ] }

##
# @Base%[1]d:
#
# @kind: what it is
#
# @next: what comes after it
#
# Since: 1.0
##
{ 'struct': 'Base%[1]d', 'data': { 'kind': 'Kind%[1]d', '*next': 'Thing%[2]d' } }

##
# @Thing%[1]d:
#
# A thing.
#
# Since: 1.0
##
{ 'union': 'Thing%[1]d', 'base': 'Base%[1]d', 'discriminator': 'kind',
  'data': { 'one': 'More%[3]d' } }

##
# @More%[1]d:
#
# @more: what there is more
#
# Since: 1.0
##
{ 'struct': 'More%[1]d', 'data': { 'more': [ 'Thing%[3]d' ] } }

##
# @act-%[1]d:
#
# @list: things
#
# @size: how large they are
#
# Features:
#
# @deprecated: it is old
#
# Returns: a thing
#
# Since: 1.0
##
{ 'command': 'act-%[1]d', 'data': { 'list': [ 'Thing%[1]d' ], '*size': 'size' },
  'returns': 'Thing%[3]d', 'features': [ 'deprecated' ] }

`
	units := atLeast/strings.Count(unit, "\n") + 1
	var b strings.Builder
	for i := range units {
		fmt.Fprintf(&b, unit, i, (i+1)%units, max(i-1, 0))
	}
	return b.String(), strings.Count(b.String(), "\n")
}
