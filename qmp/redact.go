package qmp

import (
	"strings"

	"github.com/qmpkit/qmpkit/qmp/wire"
)

// hidden takes the place of a secret in text for people.
const hidden = "***"

// Redact returns JSON text with "***" in place of secrets. The text is a message of the protocol, the
// arguments of a command or its result. If there is no secret, Redact returns the text itself, otherwise
// a copy. Valid JSON remains valid. [Options.Logger], [Options.Trace] and the String methods of requests
// use it. Call it for text that you log yourself, such as a result or the output of [Call.AppendArgs].
//
// It hides:
//   - strings and numbers in a member that is named like a secret: password, cookie, token, key and
//     others;
//   - strings and numbers in a member with data that may be secret: data, env, arg, input-data,
//     buf-b64;
//   - a string that is the value of a property, or that is the whole result of a command such as qom-get,
//     ringbuf-read and human-monitor-command;
//   - the arguments in the line of a human-monitor-command, except those of info;
//   - in all strings: passwords in URLs; the query of http and ftp URLs; text after "password="
//     or another name of a secret; a command after "exec:"; and all of these in the JSON of a
//     "json:" filename.
//
// The first three rules also apply to the elements of an array. The IDs of secret objects
// (key-secret, password-secret, passwordid) are shown. If in doubt, Redact hides the text. It
// cannot recognize a secret in any other place.
func Redact(text []byte) []byte { return redact(text, nameOfValue) }

// redact is Redact for text that has a member's name of that kind before it.
func redact(text []byte, is nameKind) []byte {
	r := redactor{text: text, is: is}
	for i := 0; i < len(text); {
		i = r.step(i)
	}
	if r.done == 0 {
		return text
	}
	return append(r.out, text[r.done:]...)
}

// A redactor goes through JSON from one token to the next. It takes text that is not JSON, too: a
// server's message may be wrong, and other text may follow the JSON.
type redactor struct {
	text []byte
	out  []byte // what replaces text[:done]
	done int

	is    nameKind   // what the value is that comes next
	outer []nameKind // what the values around it are
}

// A nameKind is the kind of value that a member's name stands for.
type nameKind uint8

const (
	nameOfAny     nameKind = iota
	nameOfValue            // strings may be secrets
	nameOfMonitor          // a line for the monitor
	nameOfData             // strings and numbers may be secrets, but for those of objects
	nameOfSecret           // all strings and numbers are secrets
)

// step handles the token at text[i] and returns the offset behind it.
func (r *redactor) step(i int) int {
	switch c := r.text[i]; {
	case c == '"' || c == '\'': // which QEMU takes as well
		return r.str(i)
	case c == '{' || c == '[':
		r.outer = append(r.outer, r.is)
	case (c == '}' || c == ']') && len(r.outer) > 0:
		last := len(r.outer) - 1
		r.is, r.outer = r.outer[last], r.outer[:last]
	case c == '-' || '0' <= c && c <= '9':
		return r.number(i)
	}
	return i + 1
}

// number handles a number.
func (r *redactor) number(i int) int {
	end := i + 1
	for end < len(r.text) && strings.IndexByte("0123456789+-.eE", r.text[end]) >= 0 {
		end++
	}
	if r.is >= nameOfData {
		r.replace(i, end, hidden)
	}
	return end
}

// str handles a string: a member's name, or a value.
func (r *redactor) str(i int) int {
	end := stringEnd(r.text, i)
	s := unquoted(r.text[i:end])
	if colon(r.text[end:]) {
		r.is = kindOfName(s)
		if n := len(r.outer); n > 0 && r.outer[n-1] == nameOfSecret {
			r.is = nameOfSecret
		}
		return end
	}
	if shown := redactString(s, r.is); shown != s {
		r.replace(i, end, shown)
	}
	return end
}

// replace writes a string in the place of text[i:end].
func (r *redactor) replace(i, end int, s string) {
	e := wire.NewEncoder(nil)
	if e.String(s); !e.OK() { // not UTF-8
		e = wire.NewEncoder(nil)
		e.String(hidden)
	}
	r.out = append(append(r.out, r.text[r.done:i]...), e.Bytes()...)
	r.done = end
}

// stringEnd returns the offset behind the string that begins at text[i].
func stringEnd(text []byte, i int) int {
	quote := text[i]
	for i++; i < len(text); i++ {
		switch text[i] {
		case quote:
			return i + 1
		case '\\':
			i++
		}
	}
	return len(text)
}

// unquoted returns the value of a JSON string. Of one that is not JSON it removes the quotes and
// the backslashes.
func unquoted(quoted []byte) string {
	if d := wire.NewDecoder(quoted); quoted[0] == '"' {
		if s := d.String(); d.End() == nil {
			return s
		}
	}
	body := quoted[1:]
	if n := len(body); n > 0 && body[n-1] == quoted[0] {
		body = body[:n-1]
	}
	return strings.ReplaceAll(string(body), `\`, "")
}

// colon reports whether a colon comes next, so that what was before it is a member's name.
func colon(text []byte) bool {
	for _, c := range text {
		if !isSpace(c) {
			return c == ':'
		}
	}
	return false
}

// kindOfName returns the kind of value that a member's name stands for. The name may have those
// of the objects around it in front, as in "file.password".
func kindOfName(name string) nameKind {
	name = strings.ToLower(name[strings.LastIndexByte(name, '.')+1:])
	switch {
	case name == "value" || name == "return":
		return nameOfValue
	case name == "command-line":
		return nameOfMonitor
	case isSecretName(name):
		return nameOfSecret
	case isDataName(name):
		return nameOfData
	default:
		return nameOfAny
	}
}

// isSecretName reports whether a name, in lower case, is one of a secret.
func isSecretName(name string) bool {
	if name == "secret" || name == "psk" || name == "pin" {
		return true
	}
	if strings.HasSuffix(name, "id") {
		return false
	}
	for _, id := range []string{"key-secret", "password-secret", "cookie-secret", "new-secret", "old-secret"} {
		if strings.HasSuffix(name, id) {
			return false // the ID of a secret object
		}
	}
	for _, part := range []string{"passw", "passphrase", "passcode", "pwd", "secret", "token", "cookie", "credential", "private"} {
		if strings.Contains(name, part) {
			return true
		}
	}
	return false
}

// isDataName reports whether a name, in lower case, is one of something that may be secret.
func isDataName(name string) bool {
	switch name {
	case "data", "buf-b64", // what files and channels hold
		"arg", "args", "env", "cpr-exec-command", // of programs, which take passwords so
		"osk": // of isa-applesmc
		return true
	}
	return strings.HasSuffix(name, "-data") || strings.HasSuffix(name, "key") || strings.HasSuffix(name, "keys")
}

// redactString returns the string as people may read it.
func redactString(s string, is nameKind) string {
	switch {
	case s == "":
		return ""
	case is == nameOfAny:
		return redactText(s)
	case is == nameOfMonitor:
		return redactLine(s)
	default:
		return hidden
	}
}

// redactLine hides the arguments of a line for the monitor but for those of info: "set_password",
// "change", "object_add" and "drive_add" take secrets, and there are too many commands to know.
func redactLine(line string) string {
	command, arguments, _ := strings.Cut(strings.TrimSpace(line), " ")
	if arguments == "" && !strings.ContainsAny(command, "\t\r\n") || command == "info" {
		return redactText(line)
	}
	if i := strings.IndexAny(command, "\t\r\n"); i >= 0 {
		command = command[:i]
	}
	return command + " " + hidden
}

// redactText hides the secrets in a text: a filename, a URL, options, an error for people.
func redactText(text string) string {
	if strings.HasPrefix(text, "exec:") {
		return "exec:" + hidden
	}
	json := jsonAt(text)
	before := redactOptions(redactURLs(text[:json]))
	return before + string(redact([]byte(text[json:]), nameOfAny))
}

// jsonAt returns the offset of the "json:{" that a filename begins with, which may be in the midst
// of a text. It returns the length of a text without.
func jsonAt(text string) int {
	const pseudo = "json:"
	for i := 0; ; i += len(pseudo) {
		next := strings.Index(text[i:], pseudo)
		if next < 0 {
			return len(text)
		}
		i += next
		if strings.HasPrefix(strings.TrimLeft(text[i+len(pseudo):], " \t\r\n"), "{") {
			return i
		}
	}
}

// redactOptions hides the text after the name of a secret and "=", to the end of the text: there
// are many ways to separate options and to escape the separators. It hides the command of a
// guestfwd ("tcp:10.0.2.100:1-cmd:…"), too.
func redactOptions(text string) string {
	for i := 0; i < len(text); i++ {
		switch {
		case text[i] == '=' && text[i+1:] != "" && kindOfName(lastWord(text[:i])) >= nameOfData:
			return text[:i+1] + hidden
		case strings.HasPrefix(text[i:], "-cmd:"):
			return text[:i] + "-cmd:" + hidden
		}
	}
	return text
}

// lastWord returns the letters, digits, "-" and "_" that text ends in.
func lastWord(text string) string {
	i := len(text)
	for i > 0 && isWord(text[i-1]) {
		i--
	}
	return text[i:]
}

func isWord(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-' || c == '_'
}

// redactURLs hides the passwords of URLs, "scheme://user:password@host", or of iSCSI
// "iscsi://user%password@host". What may be in a password that nobody has escaped cannot be known: it
// may end at the last "@" of the text. The query of a URL for http and ftp is hidden, for it may
// be what lets its holder in.
func redactURLs(text string) string {
	const mark = "://"
	i := strings.Index(text, mark)
	if i < 0 {
		return text
	}
	start := i + len(mark)
	if at := strings.LastIndexByte(text, '@'); at >= start {
		from := strings.IndexAny(text[start:at], ":%")
		switch {
		case from >= 0:
			text = text[:start+from+1] + hidden + text[at:]
		case isWeb(text[:i]): // a token
			text = text[:start] + hidden + text[at:]
		}
	}
	for !isWeb(text[:i]) {
		next := strings.Index(text[start:], mark)
		if next < 0 {
			return text
		}
		i = start + next
		start = i + len(mark)
	}
	if query := strings.IndexByte(text[i:], '?'); query >= 0 {
		return text[:i+query+1] + hidden
	}
	return text
}

// isWeb reports whether text ends in the scheme of http or ftp.
func isWeb(text string) bool {
	scheme := strings.ToLower(lastWord(text))
	return strings.HasPrefix(scheme, "http") || strings.HasPrefix(scheme, "ftp")
}
