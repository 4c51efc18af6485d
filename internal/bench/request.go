package main

import "bytes"

// A request is what a stand-in needs to know of one.
type request struct {
	command []byte
	id      []byte // nil when there is none
}

// cutRequest finds the first request in a text, which may be spaced in any way. n is where it
// ends, 0 when it is not complete.
func cutRequest(text []byte) (r request, n int) {
	var name []byte // of the member that is being read
	depth, begin := 0, 0
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '"':
			end := stringEnd(text, i)
			if end == 0 {
				return r, 0
			}
			if depth == 1 && name == nil {
				name = text[i+1 : end-1]
			}
			i = end - 1
		case ':':
			if depth == 1 {
				begin = i + 1
			}
		case '{', '[':
			depth++
		case ',':
			if depth == 1 {
				r.take(name, text[begin:i])
				name = nil
			}
		case '}', ']':
			if depth == 1 {
				r.take(name, text[begin:i])
				return r, i + 1
			}
			depth--
		}
	}
	return r, 0
}

// stringEnd returns where the string ends that begins at i, 0 when it does not.
func stringEnd(text []byte, i int) int {
	for i++; i < len(text); i++ {
		switch text[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return 0
}

// take takes in a member.
func (r *request) take(name, value []byte) {
	switch string(name) {
	case "execute", "exec-oob":
		r.command = bytes.Trim(value, " \"")
	case "id":
		r.id = bytes.TrimSpace(value)
	}
}
