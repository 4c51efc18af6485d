package qmpfd

import (
	"os"
	"strings"
)

// openFlags are the flags that a file is open with, as open(2) takes them.
type openFlags int

const (
	readOnly   = openFlags(os.O_RDONLY)
	writeOnly  = openFlags(os.O_WRONLY)
	readWrite  = openFlags(os.O_RDWR)
	accessMode = readOnly | writeOnly | readWrite // a mask, because the modes are not bits

	syncFlag = openFlags(os.O_SYNC) // O_DSYNC is a part of it
)

// mode is the access mode alone.
func (f openFlags) mode() openFlags { return f & accessMode }

// same reports whether QEMU asking for g gets a file that is open with f, by the strictest version.
func (f openFlags) same(g openFlags) bool { return (f^g)&(accessMode|directFlag) == 0 }

// String names the flags that count here.
func (f openFlags) String() string {
	names := []string{"O_RDONLY"}
	switch f.mode() {
	case writeOnly:
		names[0] = "O_WRONLY"
	case readWrite:
		names[0] = "O_RDWR"
	}
	for _, flag := range []struct {
		bits openFlags
		name string
	}{{directFlag, nameDirect}, {syncFlag, nameSync}, {pathFlag, namePath}} {
		if f&flag.bits != 0 {
			names = append(names, flag.name)
		}
	}
	return strings.Join(names, "|")
}

// The values of FlagsError.Wrong.
const (
	nameMode   = "access mode"
	nameDirect = "O_DIRECT"
	nameSync   = "O_SYNC"
	namePath   = "O_PATH"
)

// flagsOf asks for the flags of an open file. It leaves its blocking mode as it is, unlike File.Fd.
// If the platform cannot read them, the error matches errors.ErrUnsupported.
func flagsOf(f *os.File) (openFlags, error) {
	raw, err := f.SyscallConn()
	if err != nil {
		return 0, err
	}
	var flags openFlags
	var askErr error
	err = raw.Control(func(fd uintptr) { flags, askErr = getFlags(fd) })
	if err == nil {
		err = askErr
	}
	return flags, err
}
