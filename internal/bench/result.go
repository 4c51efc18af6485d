package main

import (
	"fmt"
	"strconv"
)

// A result is a row of the table.
type result struct {
	What   string  `json:"what"`
	Value  float64 `json:"value"` // the figure itself, on this machine
	Unit   string  `json:"unit"`
	Detail string  `json:"detail,omitempty"` // figures beside it
	Judged *judged `json:"judged,omitempty"` // nil when there is nothing to compare with
}

// judged is the form of a figure that means the same on every machine.
type judged struct {
	Value   float64 `json:"value"`
	Unit    string  `json:"unit"` // "×", a ratio, in most cases
	Of      string  `json:"of"`   // what it is compared with
	Limit   float64 `json:"limit,omitempty"`
	AtLeast bool    `json:"at_least,omitempty"` // the limit is the least that is good, not the most
	None    bool    `json:"none,omitempty"`     // the limit is 0, which Limit cannot say
}

// missed tells whether there is a limit and it is not kept.
func (j *judged) missed() bool {
	switch {
	case j == nil:
		return false
	case j.None:
		return j.Value > 0
	case j.Limit == 0:
		return false
	case j.AtLeast:
		return j.Value < j.Limit
	default:
		return j.Value > j.Limit
	}
}

// String returns for instance "0.31 × QEMU's generator (limit 0.40)".
func (j *judged) String() string {
	if j == nil {
		return ""
	}
	s := number(j.Value) + " " + j.Unit + " " + j.Of
	switch {
	case j.None:
		s += " (limit 0)"
	case j.Limit == 0:
		return s
	case j.AtLeast:
		s += fmt.Sprintf(" (at least %s)", number(j.Limit))
	default:
		s += fmt.Sprintf(" (limit %s)", number(j.Limit))
	}
	if j.missed() {
		s += " MISSED"
	}
	return s
}

// number prints a value with three digits, or more when it is large.
func number(v float64) string {
	decimals := 0
	switch {
	case v == float64(int64(v)) && v >= 1:
	case v < 10:
		decimals = 2
	case v < 100:
		decimals = 1
	}
	return strconv.FormatFloat(v, 'f', decimals, 64)
}

// inUnit returns a time given in seconds in the unit in which it is a handy number.
func inUnit(seconds float64) (value float64, unit string) {
	for _, unit := range []string{"s", "ms", "µs"} {
		if seconds >= 0.1 || unit != "s" && seconds >= 1 {
			return seconds, unit
		}
		seconds *= 1000
	}
	return seconds, "ns"
}
