package show

import (
	"encoding/json"
	"io/fs"
	"regexp"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/testdata/schema"
)

// words returns all words of the schemas of all versions.
func words(t *testing.T) map[string]bool {
	t.Helper()
	all := map[string]bool{}
	for _, files := range []fs.FS{schema.FS, schema.Captured} {
		require.NoError(t, fs.WalkDir(files, ".", func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			text, err := fs.ReadFile(files, path)
			for _, word := range regexp.MustCompile(`[\w-]+`).FindAll(text, -1) {
				all[string(word)] = true
			}
			return err
		}))
	}
	return all
}

// TestUnits checks that the members with units, and those of the columns, are in a schema.
func TestUnits(t *testing.T) {
	known := words(t)
	known["result"] = true
	for name := range units {
		for _, word := range regexp.MustCompile(`\S+`).FindAllString(name, -1) {
			assert.True(t, known[word], "no schema has %s", word)
		}
	}
	for _, own := range []string{"option", "object", "perm", "parent", "shared"} { // made by the programs for rows
		known[own] = true
	}
	member := regexp.MustCompile(`\.(?:"([\w-]+)"|([a-z][\w]*))`)
	for command, q := range queries {
		assert.True(t, known[command], "no schema has %s", command)
		_, err := compile(q.rows)
		require.NoError(t, err, command)
		for _, c := range q.columns {
			_, err := compile(c.value)
			require.NoError(t, err, "%s: %s", command, c.title)
			for _, m := range member.FindAllStringSubmatch(c.value, -1) {
				assert.True(t, known[m[1]+m[2]], "%s: %s: no schema has %s", command, c.title, m[0])
			}
		}
	}
}

func TestNumber(t *testing.T) {
	p := &printer{}
	for _, test := range []struct {
		number  string
		unit    unit
		want    string
		rounded bool
	}{
		{"0", size, "0 B", false},
		{"1023", size, "1023 B", false},
		{"1024", size, "1 KiB", false},
		{"1536", size, "1.5 KiB", false},
		{"1048575", size, "1 MiB", true},
		{"1567891234", size, "1.46 GiB", true},
		{"10737418240", size, "10 GiB", false},
		{"18446744073709551615", size, "16 EiB", true},
		{"-1", size, "-1 B", false},
		{"1.5", size, "1.5", false},
		{"1048576", rate, "1 MiB/s", false},
		{"1071.2", megabits, "1071 Mbit/s", true},
		{"20", percent, "20 %", false},
		{"300", milliseconds, "300 ms", false},
		{"73404", milliseconds, "1 min 13 s", true},
		{"120000", milliseconds, "2 min 0 s", false},
		{"7500000", milliseconds, "2 h 5 min", false},
		{"90000", seconds, "1 d 1 h", false},
		{"32768", nanoseconds, "32.8 µs", true},
		{"999", nanoseconds, "999 ns", false},
		{"0", nanoseconds, "0 s", false},
		{"1764540000", date, "2025-11-30 22:00:00Z", false},
		{"1764540000123456789", dateNano, "2025-11-30 22:00:00.123Z", true},
		{"99999999999999999999", date, "99999999999999999999", false},
		{"4294967296", address, "0x100000000", false},
		{"18446744073709551615", address, "0xffffffffffffffff", false},
		{"-1", address, "unset", false},
		{"42", count, "42", false},
	} {
		got, rounded := p.number(json.Number(test.number), test.unit)
		assert.Equal(t, test.want, got, test.number)
		assert.Equal(t, test.rounded, rounded, test.number)
	}
	p.Zone = time.FixedZone("", 3600)
	got, _ := p.number("1764540000", date)
	assert.Equal(t, "2025-11-30 23:00:00+01:00", got)
}
