package gogen

import (
	"slices"
	"strings"
)

// didYouMean returns what an error says of a name that is not among known: those that are near
// it, at most three, the nearest first; "" if none is.
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

// plainName is a name without what people mix up: case and separators. So the Go name of a
// command is near its own.
func plainName(name string) string {
	return strings.Map(func(r rune) rune {
		if isSeparator(r) {
			return -1
		}
		return r
	}, strings.ToLower(name))
}

// editDistance is how many bytes are to be put in, taken out or replaced to make b of a.
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
