package qmpfd_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/internal/qemutest"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
	"github.com/qmpkit/qmpkit/qmp/qmpfd"
)

// TestCheckFlags tests the errors of Check. TestTable compares Check with QEMU.
func TestCheckFlags(t *testing.T) {
	qemutest.CheckFds(t)
	path := image(t)
	needsDirect(t, path)
	for _, c := range []struct {
		name  string
		use   qmpfd.Use
		files []int
		want  *qmpfd.FlagsError
	}{
		{"written to", qmpfd.Use{}, []int{rw}, nil},
		{"read-only", qmpfd.Use{ReadOnly: true}, []int{ro}, nil},
		{"auto-read-only", qmpfd.Use{AutoReadOnly: true}, []int{ro}, nil},
		{"auto-read-only, both", qmpfd.Use{AutoReadOnly: true}, []int{rw, ro}, nil},
		{"both kinds of read-only", qmpfd.Use{AutoReadOnly: true, ReadOnly: true}, []int{ro}, nil},
		{"direct", qmpfd.Use{Direct: true}, []int{rw | direct}, nil},
		{"one too many", qmpfd.Use{}, []int{ro, rw, rw | direct}, nil},

		{"read-only file", qmpfd.Use{}, []int{ro}, &qmpfd.FlagsError{Wrong: "access mode", Have: "O_RDONLY", Want: "O_RDWR"}},
		{"write-only file", qmpfd.Use{}, []int{os.O_WRONLY}, &qmpfd.FlagsError{Wrong: "access mode", Have: "O_WRONLY", Want: "O_RDWR"}},
		{"writable file", qmpfd.Use{ReadOnly: true}, []int{rw}, &qmpfd.FlagsError{Wrong: "access mode", Have: "O_RDWR", Want: "O_RDONLY"}},
		{"writable file, direct", qmpfd.Use{ReadOnly: true, Direct: true}, []int{rw}, &qmpfd.FlagsError{Wrong: "access mode", Have: "O_RDWR", Want: "O_RDONLY|O_DIRECT"}},
		{"auto-read-only, only writable", qmpfd.Use{AutoReadOnly: true}, []int{rw}, &qmpfd.FlagsError{Wrong: "access mode", Have: "O_RDWR", Want: "O_RDONLY"}},
		{"no O_DIRECT", qmpfd.Use{Direct: true}, []int{rw}, &qmpfd.FlagsError{Wrong: "O_DIRECT", Have: "O_RDWR", Want: "O_RDWR|O_DIRECT"}},
		{"O_DIRECT", qmpfd.Use{}, []int{rw | direct}, &qmpfd.FlagsError{Wrong: "O_DIRECT", Have: "O_RDWR|O_DIRECT", Want: "O_RDWR"}},
		{"O_DIRECT of one", qmpfd.Use{AutoReadOnly: true}, []int{rw | direct, ro}, &qmpfd.FlagsError{Wrong: "O_DIRECT", Have: "O_RDWR|O_DIRECT", Want: "O_RDWR"}},
		{"O_SYNC", qmpfd.Use{}, []int{rw | os.O_SYNC}, &qmpfd.FlagsError{Wrong: "O_SYNC", Have: "O_RDWR|O_SYNC", Want: "O_RDWR"}},
		{"O_PATH", qmpfd.Use{ReadOnly: true}, []int{qmpfd.PathFlag}, &qmpfd.FlagsError{Wrong: "O_PATH", Have: "O_RDONLY|O_PATH", Want: "O_RDONLY"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := c.use.Check(open(t, path, c.files...)...)
			if c.want == nil {
				require.NoError(t, err)
				return
			}
			c.want.File = path
			require.Equal(t, c.want, err)
			require.ErrorIs(t, err, qmp.ErrNotSent)
			require.EqualError(t, err, "qmpfd: "+path+": wrong "+c.want.Wrong+": it is open with "+c.want.Have+
				", to be opened with "+c.want.Want)
		})
	}
}

// TestUseOf has the use for which a file is open, and none for files that QEMU cannot use.
func TestUseOf(t *testing.T) {
	qemutest.CheckFds(t)
	path := image(t)
	needsDirect(t, path)
	for _, c := range []struct {
		flags int
		want  qmpfd.Use
	}{
		{rw, qmpfd.Use{}},
		{ro, qmpfd.Use{ReadOnly: true}},
		{rw | direct, qmpfd.Use{Direct: true}},
		{ro | direct, qmpfd.Use{ReadOnly: true, Direct: true}},
	} {
		use, err := qmpfd.UseOf(open(t, path, c.flags)[0])
		require.NoError(t, err)
		require.Equal(t, c.want, use)
	}
	for wrong, flags := range map[string]int{"access mode": os.O_WRONLY, "O_SYNC": rw | os.O_SYNC, "O_PATH": qmpfd.PathFlag} {
		_, err := qmpfd.UseOf(open(t, path, flags)[0])
		var f *qmpfd.FlagsError
		require.ErrorAs(t, err, &f)
		require.Equal(t, wrong, f.Wrong)
	}
	_, err := qmpfd.UseOf(open(t, os.DevNull, rw)[0])
	require.ErrorContains(t, err, "neither a file nor a block device")
}

func TestCheckFiles(t *testing.T) {
	reader, writer, err := os.Pipe()
	require.NoError(t, err)
	defer reader.Close()
	defer writer.Close()
	closed, err := os.Open(os.DevNull)
	require.NoError(t, err)
	require.NoError(t, closed.Close())
	for name, c := range map[string]struct {
		files []*os.File
		want  string
	}{
		"none":             {nil, "no files"},
		"pipe":             {[]*os.File{reader}, "neither a file nor a block device"},
		"character device": {open(t, os.DevNull, ro), "neither a file nor a block device"},
		"folder":           {open(t, t.TempDir(), ro), "neither a file nor a block device"},
		"nil":              {[]*os.File{nil}, "invalid argument"},
		"closed":           {[]*os.File{closed}, "closed"},
	} {
		t.Run(name, func(t *testing.T) {
			err := qmpfd.Use{ReadOnly: true}.Check(c.files...)
			require.ErrorContains(t, err, c.want)
			require.ErrorIs(t, err, qmp.ErrNotSent)
		})
	}
}

// TestOpen: Check accepts the files of Open.
func TestOpen(t *testing.T) {
	qemutest.CheckFds(t)
	path := image(t)
	for _, d := range []bool{false, true} {
		for use, n := range map[qmpfd.Use]int{
			{}:                                   1,
			{ReadOnly: true}:                     1,
			{AutoReadOnly: true}:                 2,
			{ReadOnly: true, AutoReadOnly: true}: 1,
		} {
			use.Direct = d
			files, err := use.Open(path)
			if d && errors.Is(err, errors.ErrUnsupported) {
				require.ErrorIs(t, use.Check(open(t, path, rw)...), errors.ErrUnsupported)
				continue
			}
			if d && err != nil {
				needsDirect(t, path)
			}
			require.NoError(t, err)
			require.Len(t, files, n)
			require.NoError(t, use.Check(files...))
			driver, err := qmpfd.Driver(files[0])
			require.NoError(t, err)
			require.Equal(t, qemu.BlockdevDriverFile, driver)
			require.NoError(t, files.Close())
			require.NoError(t, files.Close(), "twice")
		}
	}
}

func TestOpenErrors(t *testing.T) {
	qemutest.CheckFds(t)
	path := image(t)
	_, err := qmpfd.Use{}.Open(path + "x")
	require.ErrorIs(t, err, os.ErrNotExist)
	_, err = qmpfd.Use{}.Open(filepath.Dir(path))
	require.ErrorContains(t, err, "neither a file nor a block device")
	_, err = qmpfd.Use{}.Open(os.DevNull)
	require.ErrorContains(t, err, "neither a file nor a block device")
}
