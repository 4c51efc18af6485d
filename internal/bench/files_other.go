//go:build !(darwin || freebsd || linux)

package main

import "math"

// maxFiles returns how many files the process may have open: there is no limit to ask for.
func maxFiles() int { return math.MaxInt32 }
