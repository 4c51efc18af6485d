package launch

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/qmpkit/qmpkit/internal/fdconn"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/qmpfd"
)

// Args are arguments of QEMU. Each is a string, an [Option], or again Args. Start refuses any other value.
type Args []any

// An Option is a part of a command line. The functions of this package return options, and types of other packages are
// some: hotplug.Disk, hotplug.NIC. A program can have its own.
type Option interface {
	// AppendTo adds the words and the descriptors of the option.
	AppendTo(line *Line) error
}

// An option is an Option that only needs a function.
type option func(line *Line) error

func (o option) AppendTo(line *Line) error { return o(line) }

// A Line is a command line that Start makes. [Option.AppendTo] gets it.
type Line struct {
	ctx     context.Context
	binary  string
	words   []string
	secret  map[int]bool // words that an error must not show
	files   []*os.File   // 3 and up in the child
	paths   []ownedPath
	sockets []*Socket
	sets    int
	version *qmp.Version
}

// firstFile is the descriptor in the child that os/exec gives to the first of the ExtraFiles.
const firstFile = 3

// appendAll adds arguments.
func (l *Line) appendAll(args Args) error {
	for i, arg := range args {
		var err error
		switch arg := arg.(type) {
		case string:
			l.Add(arg)
		case Args:
			err = l.appendAll(arg)
		case Option:
			err = arg.AppendTo(l)
		default:
			err = errors.New("is neither a string nor an Option")
		}
		if err != nil {
			return fmt.Errorf("Args[%d] (%T): %w", i, arg, err)
		}
	}
	return nil
}

// Add adds words.
func (l *Line) Add(words ...string) { l.words = append(l.words, words...) }

// AddSecret adds a word that the errors of Start do not show. Other users of the host can read it in the list of
// processes: prefer [Line.Secret].
func (l *Line) AddSecret(word string) {
	if l.secret == nil {
		l.secret = map[int]bool{}
	}
	l.secret[len(l.words)] = true
	l.Add(word)
}

// shown returns the words for an error.
func (l *Line) shown() []string {
	words := append([]string(nil), l.words...)
	for i := range words {
		switch {
		case l.secret[i]:
			words[i] = "***"
		case strings.HasPrefix(words[i], "{"):
			words[i] = string(qmp.Redact([]byte(words[i])))
		}
	}
	return words
}

// hide removes secrets from the output of QEMU: a message begins with the option that it is about.
func (l *Line) hide(output string) string {
	for i, shown := range l.shown() {
		if word := l.words[i]; word != shown && word != "" {
			output = strings.ReplaceAll(output, word, shown)
		}
	}
	return output
}

// FD gives QEMU a copy of a file, and returns the number of its descriptor in QEMU. The file remains the caller's, who can
// close it at once. FD does not change the flags of the file.
//
// QEMU makes the descriptor of a tap or a socket non-blocking, which the caller's file notices.
func (l *Line) FD(f *os.File) (string, error) {
	if !canPassDescriptors {
		return "", errNoDescriptors
	}
	copied, err := fdconn.Duplicate([]*os.File{f})
	if err != nil {
		return "", err
	}
	return l.give(copied[0]), nil
}

// give gives QEMU a file, which belongs to the line.
func (l *Line) give(f *os.File) string {
	l.files = append(l.files, f)
	return strconv.Itoa(firstFile + len(l.files) - 1)
}

// The numbers of sets begin here. Callers write smaller numbers, and QEMU chooses smaller numbers later.
const firstSet = 1000

// FDSet gives QEMU a set of descriptors (-add-fd), and returns the name by which a node opens it: "/dev/fdset/1000". opaque
// is the text that QEMU keeps with the descriptors, see [qmpfd.AddSet]. use describes the node: FDSet checks the flags of
// the files as [qmpfd.Use.Check] does. The files remain the caller's, who can close them at once.
func (l *Line) FDSet(opaque string, use qmpfd.Use, files ...*os.File) (path string, err error) {
	if err := use.Check(files...); err != nil {
		return "", err
	}
	set := firstSet + l.sets
	l.sets++
	for _, f := range files {
		fd, err := l.FD(f)
		if err != nil {
			return "", err
		}
		l.Add("-add-fd", fmt.Sprintf("fd=%s,set=%d,opaque=%s", fd, set, escape(opaque)))
	}
	return "/dev/fdset/" + strconv.Itoa(set), nil
}

// maxSecret is how much a pipe of Linux takes at least.
const maxSecret = 4096

// Secret gives QEMU a secret object with this ID. QEMU reads the secret from a pipe, so that no other process sees it.
func (l *Line) Secret(id string, secret []byte) error {
	if len(secret) > maxSecret {
		return fmt.Errorf("secret %q has %d bytes: it can have at most %d", id, len(secret), maxSecret)
	}
	r, w, err := os.Pipe()
	if err != nil {
		return err
	}
	defer r.Close()
	_, err = w.Write(secret)
	if err = errors.Join(err, w.Close()); err != nil {
		return err
	}
	// On Linux, QEMU opens the pipe by its name in /proc, perhaps as another user. Nobody else can: the folder there is
	// QEMU's. Other systems make a copy, and may refuse to change the mode.
	_ = r.Chmod(0o444)
	fd, err := l.FD(r)
	if err == nil {
		l.Add("-object", "secret,id="+escape(id)+",file=/dev/fd/"+fd)
	}
	return err
}

// socketPair gives QEMU one end of a connection, and returns the other and the number of QEMU's.
func (l *Line) socketPair() (ours *os.File, fd string, err error) {
	ours, theirs, err := fdconn.Pair()
	if err != nil {
		return nil, "", err
	}
	return ours, l.give(theirs), nil
}

// Target returns the architecture of the machines that the binary runs, from its name: "x86_64" for
// qemu-system-x86_64. It is empty if the program has another name.
func (l *Line) Target() string {
	_, target, _ := strings.Cut(filepath.Base(l.binary), "qemu-system-")
	return target
}

// Version returns the version of QEMU. It runs the binary, see [Version].
func (l *Line) Version() (qmp.Version, error) {
	if l.version == nil {
		version, err := Version(l.ctx, l.binary)
		if err != nil {
			return qmp.Version{}, err
		}
		l.version = &version
	}
	return *l.version, nil
}

// close closes the descriptors for QEMU.
func (l *Line) close() {
	for _, f := range l.files {
		_ = f.Close() // nothing was written
	}
	l.files = nil
}
