package qmpfd_test

import (
	"errors"
	"fmt"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/internal/qemutest"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
	"github.com/qmpkit/qmpkit/qmp/qmpfd"
)

// tableSets are sets of files, by the flags that these are open with.
var tableSets = [][]int{
	{ro}, {rw}, {ro | direct}, {rw | direct},
	{rw, ro}, {ro, rw}, {rw | direct, ro | direct}, // both kinds
	{rw | direct, ro}, {rw, ro | direct}, {rw, rw | direct}, {rw | direct, rw},
	{os.O_WRONLY}, {rw | os.O_APPEND}, {ro | os.O_APPEND}, {rw | direct | os.O_APPEND},
	{rw | os.O_SYNC}, {ro | os.O_SYNC}, {rw, ro | os.O_SYNC}, {rw, rw | direct | os.O_SYNC},
}

// stricter says where Check refuses what blockdev-add of a QEMU takes that minds O_DIRECT, and why.
var stricter = []struct {
	why   string
	files []int
	uses  []qmpfd.Use
}{
	{"QEMU refuses the O_RDWR file only when something begins to write", []int{rw | direct, ro},
		[]qmpfd.Use{{AutoReadOnly: true}}},
	{"QEMU refuses the O_RDWR file only when something begins to write", []int{rw, ro | direct},
		[]qmpfd.Use{{AutoReadOnly: true, Direct: true}}},
	{"QEMU 10.0 tells the files apart by O_DIRECT; 7.2 takes the one with O_SYNC, and refuses it", []int{rw, rw | direct | os.O_SYNC},
		[]qmpfd.Use{{}}},
}

// isStricter finds the row for a set and a use.
func isStricter(files []int, use qmpfd.Use) bool {
	for _, row := range stricter {
		for _, u := range row.uses {
			if u == use && fmt.Sprint(row.files) == fmt.Sprint(files) {
				return true
			}
		}
	}
	return false
}

// uses are all that there are.
func uses() (all []qmpfd.Use) {
	for _, d := range []bool{false, true} {
		for _, use := range []qmpfd.Use{{}, {ReadOnly: true}, {AutoReadOnly: true}, {ReadOnly: true, AutoReadOnly: true}} {
			use.Direct = d
			all = append(all, use)
		}
	}
	return all
}

// TestTable compares Check with QEMU. All versions accept the files that Check accepts, and write
// to them. QEMU 10.0 and newer refuse the files that Check refuses, except the rows of stricter.
// Older ones also accept a wrong O_DIRECT.
func TestTable(t *testing.T) {
	path := image(t)
	needsDirect(t, path)
	qemutest.Run(t, allVersions, func(t *testing.T, q *qemutest.QEMU) {
		vm, c := machine(t, q)
		before := counted(t, vm, c)
		for _, flags := range tableSets {
			for _, use := range uses() {
				what := fmt.Sprintf("files %o, %+v", flags, use)
				files := open(t, path, flags...) // anew: QEMU changes flags
				checked := use.Check(files...)
				set, err := qmpfd.AddSet(t.Context(), c, "t", files...)
				require.NoError(t, err)
				added := addNode(t, c, use, set)

				if checked == nil {
					require.NoError(t, added, what)
				} else {
					require.Equal(t, expectTaken(q, flags, use, checked), added == nil, "%s: %v", what, checked)
				}
				if added == nil {
					if checked == nil && !use.ReadOnly && hasWritable(flags) {
						requireWrites(t, c, what)
					}
					require.NoError(t, qemu.BlockdevDel{NodeName: "d"}.Do(t.Context(), c))
				}
				require.NoError(t, set.Remove(t.Context()))
				require.NoError(t, files.Close())
				require.Equal(t, before, counted(t, vm, c), what)
			}
		}
	})
}

// expectTaken reports whether QEMU takes what Check refuses for this reason.
func expectTaken(q *qemutest.QEMU, files []int, use qmpfd.Use, refusal error) bool {
	if q.AtLeast(9, 1) {
		return isStricter(files, use)
	}
	wrong, ok := errors.AsType[*qmpfd.FlagsError](refusal)
	return ok && wrong.Wrong == "O_DIRECT"
}

func hasWritable(flags []int) bool {
	for _, f := range flags {
		if f&(os.O_WRONLY|os.O_RDWR) == rw {
			return true
		}
	}
	return false
}

// requireWrites writes to the node, which with auto-read-only opens its file again.
func requireWrites(t *testing.T, c *qmp.Client, what string) {
	t.Helper()
	said, err := qemu.HumanMonitorCommand{CommandLine: `qemu-io d "write 0 4096"`}.Do(t.Context(), c)
	require.NoError(t, err, what)
	require.Empty(t, said, what)
}

// TestPlaceIsNotSent: a file with O_PATH would end QEMU, which still runs.
func TestPlaceIsNotSent(t *testing.T) {
	if qmpfd.PathFlag == 0 {
		t.Skip("no O_PATH")
	}
	qemutest.Run(t, allVersions, func(t *testing.T, q *qemutest.QEMU) {
		vm, c := machine(t, q)
		place := open(t, image(t), qmpfd.PathFlag)
		before := counted(t, vm, c)
		_, err := qmpfd.AddSet(t.Context(), c, "t", place...)
		require.ErrorIs(t, err, qmp.ErrNotSent)
		require.ErrorIs(t, qmpfd.Send(t.Context(), c, "t", place[0]), qmp.ErrNotSent)
		require.Equal(t, before, counted(t, vm, c))
	})
}
