package qmptest

import "os"

// pendingFiles are the descriptors that have come and that no command has taken. As in QEMU
// they do not belong to the command that they came with, but to the connection, and new ones
// take their place.
type pendingFiles struct {
	files []*os.File
	shown bool // in the Files of a request, which keeps them until the test ends
	new   bool // they came since the last command
}

func (p *pendingFiles) put(files []*os.File) {
	p.close()
	*p = pendingFiles{files: files, new: true}
}

// come returns the files that came with a command: those since the command before it.
func (p *pendingFiles) come() []*os.File {
	if !p.new {
		return nil
	}
	p.new, p.shown = false, true
	return p.files
}

// take lets a command have them, which may be another than the one they came with.
func (p *pendingFiles) take() []*os.File {
	files := p.files
	*p = pendingFiles{}
	return files
}

// close closes the files that no request has.
func (p *pendingFiles) close() {
	if !p.shown {
		closeFiles(p.files)
	}
	*p = pendingFiles{}
}

func closeFiles(files []*os.File) {
	for _, f := range files {
		_ = f.Close() // may be closed already
	}
}

// takesFiles reports whether a command takes the descriptors that are pending.
func takesFiles(command string) bool { return command == "getfd" || command == "add-fd" }
