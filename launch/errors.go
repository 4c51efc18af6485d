package launch

import (
	"errors"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// ErrPathInUse means that a program listens at a path where QEMU was to listen.
var ErrPathInUse = errors.New("a program listens at this path")

var errNoDescriptors = because(errors.ErrUnsupported, "this platform cannot pass descriptors to a program")

// A StartError reports that QEMU was not started. No process is left.
type StartError struct {
	Binary string
	Args   []string // what Start would have executed, or has executed; the values of secrets are "***"

	// Exit is how the process has ended. It is the zero value if there was none.
	Exit Exit

	// Stderr is what QEMU wrote to its standard error, see [Process.Stderr].
	Stderr string

	// Err is the reason if it is not QEMU's: the program cannot be executed, ctx ended. It is nil if QEMU has ended itself.
	Err error
}

// Error names the program and gives the reason: Err, or the text that QEMU wrote, without warnings.
func (e *StartError) Error() string {
	text := "launch: start " + filepath.Base(e.Binary)
	switch {
	case e.Err != nil:
		text += ": " + strings.TrimPrefix(e.Err.Error(), "launch: ")
	case e.Exit.Status == 0 && e.Exit.Signal == nil: // -version, -device help
		text += ": the program has ended with status 0, and had no monitor or closed it"
	default:
		text += ": " + e.Exit.String()
	}
	if reason := e.Reason(); reason != "" {
		text += ": " + reason
	}
	return text
}

// Unwrap returns Err.
func (e *StartError) Unwrap() error { return e.Err }

// Reason returns the text with which QEMU gave up, without warnings and without the name of the program. It can have
// several lines. It is for people: the texts differ between versions.
func (e *StartError) Reason() string { return reasonIn(e.Stderr, filepath.Base(e.Binary)) }

// aWarning also matches a warning about an option, which begins with the option. An info about an option is a reason: QEMU
// waits for a connection.
var aWarning = regexp.MustCompile(`^(info|(-.*: )?warning): `)

// reasonIn returns the last message in the output of a program that is not a warning, and the hints after it. The
// program begins each message with its name or, in some parts of QEMU, with "qemu". "-msg" puts the time and the name of
// the guest before that.
func reasonIn(stderr, program string) string {
	lines := strings.Split(strings.TrimSpace(stderr), "\n")
	begins := regexp.MustCompile(`^(.* )?(` + regexp.QuoteMeta(program) + `|qemu[-\w]*): `)
	message := func(line string) (text string, ok bool) {
		if prefix := begins.FindString(line); prefix != "" {
			return line[len(prefix):], true
		}
		return line, false
	}
	last, warned := -1, false
	for i, line := range lines {
		if text, ok := message(line); ok && !aWarning.MatchString(text) {
			last = i
		}
	}
	if last < 0 {
		last = len(lines) - 1 // of a program that writes its messages in another way
	}
	var reason []string
	for _, line := range lines[last:] {
		text, ok := message(line)
		if ok {
			warned = aWarning.MatchString(text)
		}
		if !warned {
			reason = append(reason, text)
		}
	}
	return strings.Join(slices.DeleteFunc(reason, func(line string) bool { return line == "" }), "\n")
}

// because returns an error with this text that matches a sentinel.
func because(is error, text string) error { return &reason{is, text} }

type reason struct {
	is   error
	text string
}

func (e *reason) Error() string { return e.text }
func (e *reason) Unwrap() error { return e.is }
