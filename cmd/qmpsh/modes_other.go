//go:build !(linux || darwin || dragonfly || freebsd || netbsd || openbsd)

package main

// hush does nothing: this system shows the keys that are typed while a command runs.
func hush(int) {}

// dropInput does nothing, too.
func dropInput(int) {}
