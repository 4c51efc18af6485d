package main

import (
	"slices"
	"time"
)

// A sample measures something once, in seconds or in another unit.
type sample func() (float64, error)

// timed makes a sample of what returns a time.
func timed(measure func() (time.Duration, error)) sample {
	return func() (float64, error) {
		d, err := measure()
		return d.Seconds(), err
	}
}

// medians takes all samples in turn, as often as there are rounds, and returns the median of
// each. In turn, so that a machine that is slow for a while is slow for all of them.
func medians(rounds int, samples ...sample) ([]float64, error) {
	values, err := inTurn(rounds, samples...)
	if err != nil {
		return nil, err
	}
	var all []float64
	for _, v := range values {
		all = append(all, median(v))
	}
	return all, nil
}

// inTurn takes all samples in turn, as often as there are rounds, and returns the values of each.
func inTurn(rounds int, samples ...sample) ([][]float64, error) {
	values := make([][]float64, len(samples))
	for range rounds {
		for i, take := range samples {
			v, err := take()
			if err != nil {
				return nil, err
			}
			values[i] = append(values[i], v)
		}
	}
	return values, nil
}

// ratio returns the median of the ratios of values that were taken in turn. With many rounds
// that are short it differs less from run to run than the ratio of the medians, since both
// values of a round are of a machine that is as fast or as slow.
func ratio(values, anchors []float64) float64 {
	var all []float64
	for i, v := range values {
		all = append(all, v/anchors[i])
	}
	return median(all)
}

// median returns the middle one of the values, or the mean of the two in the middle.
func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted)
	if n == 0 {
		return 0
	}
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}
