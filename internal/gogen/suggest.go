package gogen

import (
	"slices"
	"strings"
)

// didYouMean returns the end of the error about an unknown name: at most three similar known names, the
// most similar first; "" if there is none.
func didYouMean(name string, known []string) string {
	type candidate struct {
		name  string
		edits int
	}
	var near []candidate
	plain := plainName(name)
	for _, k := range known {
		other := plainName(k)
		edits := editDistance(plain, other)
		// What is a part of the other one was given short.
		if edits > max(1, len(plain)/4) && !(len(plain) > 3 && strings.Contains(other, plain)) {
			continue
		}
		near = append(near, candidate{k, edits})
	}
	if near == nil {
		return ""
	}
	slices.SortStableFunc(near, func(a, b candidate) int { return a.edits - b.edits })
	var names []string
	for _, c := range near[:min(3, len(near))] {
		names = append(names, c.name)
	}
	last := len(names) - 1
	if last == 0 {
		return ": did you mean " + names[0] + "?"
	}
	return ": did you mean " + strings.Join(names[:last], ", ") + " or " + names[last] + "?"
}

// plainName returns a name without case and separators, which people mix up. So the Go name of a command is
// similar to its name in the schema.
func plainName(name string) string {
	return strings.Map(func(r rune) rune {
		if isSeparator(r) {
			return -1
		}
		return r
	}, strings.ToLower(name))
}

// editDistance returns the number of bytes to insert, delete or replace to turn a into b.
func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			replaced := diagonal
			if a[i] != b[j] {
				replaced++
			}
			diagonal = row[j+1]
			row[j+1] = min(replaced, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
