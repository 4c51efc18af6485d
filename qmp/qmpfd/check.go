package qmpfd

import (
	"os"
	"slices"

	"github.com/qmpkit/qmpkit/qmp"
)

// Check returns an error if a node of this use cannot open its file from a set of these files. It applies
// the rules of the strictest version of QEMU, and sends nothing. The files must be regular files or block
// devices, and:
//
//   - a read-only node needs a file that is open with O_RDONLY;
//   - a node with auto-read-only needs a file with O_RDONLY, and also a file with O_RDWR if anything will
//     write;
//   - any other node needs a file with O_RDWR;
//   - a needed file must have O_DIRECT if u is Direct, and must not have it otherwise;
//   - no file with the access mode of a needed file may have O_SYNC or O_DSYNC;
//   - no file may have O_PATH.
//
// The set can contain other files, too. Any error matches [qmp.ErrNotSent]. It also matches:
//   - [*FlagsError]: a flag is wrong.
//   - [errors.ErrUnsupported]: this platform cannot read a file's flags, or has no O_DIRECT.
func (u Use) Check(files ...*os.File) error {
	if len(files) == 0 {
		return errNoFiles
	}
	if u.Direct && directFlag == 0 {
		return errNoDirect
	}
	have := make([]openFlags, len(files))
	for i, f := range files {
		if _, err := Driver(f); err != nil {
			return err
		}
		var err error
		if have[i], err = flagsOf(f); err != nil {
			return unsent(f.Name(), err)
		}
	}
	return u.checkFlags(files, have)
}

// checkFlags is Check for the flags that the files have.
func (u Use) checkFlags(files []*os.File, have []openFlags) error {
	wrong := func(i int, what string, want openFlags) error {
		return &FlagsError{files[i].Name(), what, have[i].String(), want.String()}
	}
	for i, flags := range have {
		if flags&pathFlag != 0 {
			return wrong(i, namePath, u.flags(flags.mode()))
		}
	}
	for _, want := range u.needed(have) {
		mode := func(f openFlags) bool { return f.mode() == want.mode() }
		nearest := slices.IndexFunc(have, mode)
		if nearest < 0 {
			return wrong(0, nameMode, want)
		}
		// The older QEMUs may take any one of this access mode.
		i := slices.IndexFunc(have, func(f openFlags) bool { return mode(f) && f&syncFlag != 0 })
		if i >= 0 {
			return wrong(i, nameSync, want)
		}
		if !slices.ContainsFunc(have, want.same) {
			return wrong(nearest, nameDirect, want)
		}
	}
	return nil
}

// needed returns the flags that QEMU may ask for and that a file must have. With auto-read-only
// it asks for O_RDWR only when something begins to write: there may be no such file. But one that
// is there and not as QEMU wants it would be found out then, by the guest.
func (u Use) needed(have []openFlags) []openFlags {
	all := u.all()
	if len(all) == 2 && !slices.ContainsFunc(have, func(f openFlags) bool { return f.mode() == readWrite }) {
		return all[:1]
	}
	return all
}

// A FlagsError reports that a file is open with flags that QEMU cannot use. Nothing was sent: the
// error matches [qmp.ErrNotSent].
type FlagsError struct {
	File  string // its name
	Wrong string // "access mode", "O_DIRECT", "O_SYNC" or "O_PATH"
	Have  string // the flags that it has: "O_RDWR"
	Want  string // the flags that it needs: "O_RDWR|O_DIRECT"
}

// Error returns all the fields in one line.
func (e *FlagsError) Error() string {
	return "qmpfd: " + e.File + ": wrong " + e.Wrong + ": it is open with " + e.Have + ", to be opened with " + e.Want
}

// Unwrap returns [qmp.ErrNotSent].
func (e *FlagsError) Unwrap() error { return qmp.ErrNotSent }

// checkSendable finds files that QEMU must not be given at all.
func checkSendable(files ...*os.File) error {
	if pathFlag == 0 {
		return nil
	}
	for _, f := range files {
		flags, err := flagsOf(f)
		if err != nil {
			return unsent("a file", err)
		}
		if flags&pathFlag != 0 {
			return &FlagsError{f.Name(), namePath, flags.String(), flags.mode().String()}
		}
	}
	return nil
}
