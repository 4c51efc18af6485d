package main

import (
	"unicode/utf8"
)

// keys reads keys from the terminal, one at a time, in the form that the line editor knows.
type keys struct{ *editor }

// Private runes tell [editor.key] about keys that the line editor would handle itself.
const (
	runeBackspace = '\ue000' + iota
	runeAccept
	runeCancel
)

const (
	keyCtrlR = 18
	keyTab   = '\t'
)

// sameKeys are sequences of terminals for keys that the line editor knows by others.
var sameKeys = map[string]string{
	"\x1bOA": "\x1b[A", "\x1bOB": "\x1b[B", "\x1bOC": "\x1b[C", "\x1bOD": "\x1b[D", "\x1bOH": "\x01", "\x1bOF": "\x05",
	"\x1b[1~": "\x01", "\x1b[7~": "\x01", "\x1b[4~": "\x05", "\x1b[8~": "\x05",
	"\x1b[1;5C": "\x1b[1;3C", "\x1b[1;5D": "\x1b[1;3D", "\x1bf": "\x1b[1;3C", "\x1bb": "\x1b[1;3D",
	"\x1b": "", // alone, it would wait for more
}

func (k keys) Read(p []byte) (int, error) {
	if len(k.pending) == 0 {
		var buffer [4096]byte
		n, err := k.in.Read(buffer[:])
		if n == 0 {
			return 0, err
		}
		k.pending = append(k.pending, buffer[:n]...)
	}
	n := keyLength(k.pending)
	key := string(k.pending[:n])
	k.pending = k.pending[n:]
	if same, ok := sameKeys[key]; ok {
		key = same
	}
	switch key {
	case "\x1b[200~", "\x1b[201~":
		k.pasting = key == "\x1b[200~"
	case "\r", "\n":
		k.pasted = k.pasting
	}
	switch {
	case key == "\x03":
		k.interrupted = true
		key = "\x05^C\r"
		if k.search != nil {
			key = string(runeCancel) + key
		}
	case k.search == nil, key == "\x12":
	case key == "\x7f", key == "\x08":
		key = string(runeBackspace)
	case key == "\x07", key == "":
		key = string(runeCancel)
	case key < " ":
		key = string(runeAccept) + key
	}
	return copy(p, key), nil
}

// keyLength returns the number of bytes of the first key.
func keyLength(b []byte) int {
	if b[0] != 0x1b {
		n := 1
		for n < len(b) && n < utf8.UTFMax && !utf8.FullRune(b[:n]) {
			n++
		}
		return n
	}
	if len(b) > 2 && b[1] == '[' {
		for i := 2; i < len(b); i++ {
			if b[i] >= 0x40 && b[i] <= 0x7e {
				return i + 1
			}
		}
		return len(b)
	}
	if len(b) > 2 && b[1] == 'O' {
		return 3
	}
	return min(2, len(b))
}
