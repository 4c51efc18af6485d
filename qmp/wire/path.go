package wire

import "strconv"

// level is one array or object that pathAt is inside of.
type level struct {
	path  int  // the length of the path that leads to it
	array bool // else an object
	index int  // the element, in an array
	named bool // the member's name has been read, in an object
}

// pathAt says where in its value a text ends that was cut off: `{"props":[{},{"id":` gives
// "props[1].id". After a complete member or element the path is that of the array or object
// around it. A Decoder must have accepted the text, or an Encoder must have written it.
func pathAt(text []byte) string {
	var path []byte
	open := []level{{named: true}} // around the value
	for i := 0; i < len(text); i++ {
		top := &open[len(open)-1]
		switch c := text[i]; c {
		case ' ', '\t', '\r', '\n', ':':
			continue
		case '{', '[':
			open = append(open, level{path: len(path), array: c == '['})
			if c == '[' {
				path = append(path, "[0]"...)
			}
			continue
		case '}', ']':
			open = open[:len(open)-1]
			top = &open[len(open)-1]
		case ',':
			path = path[:top.path]
			top.named = false
			if top.array {
				top.index++
				path = append(strconv.AppendInt(append(path, '['), int64(top.index), 10), ']')
			}
			continue
		case '"':
			end := stringEnd(text, i)
			if end < 0 {
				return string(path)
			}
			name := text[i : end+1]
			i = end
			if !top.array && !top.named {
				path = appendPathName(path, name)
				top.named = true
				continue
			}
		}
		path = path[:top.path] // the member or element is complete
	}
	return string(path)
}

// stringEnd returns the index of the quote that ends the string beginning at text[start], or -1.
func stringEnd(text []byte, start int) int {
	for i := plain(text, start+1); i < len(text); i = plain(text, i+1) {
		switch text[i] {
		case '\\':
			i++
		case '"':
			return i
		}
	}
	return -1
}

// appendPathName appends a member's name, given with its quotes: `.name` for the names that
// schemas use, `["a b"]` for what could be misread or could break a line of a log.
func appendPathName(path, quoted []byte) []byte {
	name := quoted[1 : len(quoted)-1]
	misread := len(name) == 0
	for _, c := range name {
		misread = misread || !isPlain(c) || c == ' ' || c == '[' || c == ']'
	}
	if misread {
		return append(append(append(path, '['), quoted...), ']')
	}
	if len(path) > 0 {
		path = append(path, '.')
	}
	return append(path, name...)
}
