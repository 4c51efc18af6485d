package qemutest_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/internal/qemutest"
)

// program makes an executable script.
func program(t *testing.T, path, text string) string {
	t.Helper()
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
	require.NoError(t, os.WriteFile(path, []byte("#!/bin/sh\n"+text), 0o755))
	return path
}

func fakeQEMU(t *testing.T, version string) string {
	return program(t, filepath.Join(t.TempDir(), "qemu-system-x86_64"), `echo "QEMU emulator version `+version+`"`)
}

// noQEMU leaves neither a variable, nor a PATH, nor scripts.
func noQEMU(t *testing.T) {
	t.Setenv("QEMU", "")
	t.Setenv("QEMU_GUEST", "")
	t.Setenv("PATH", "/usr/bin/empty")
	t.Setenv("CI", "")
	t.Setenv("QMPKIT_OFFLINE", "")
	qemutest.ForgetFetched(t)
	t.Chdir(t.TempDir())
}

func TestVariableStandsForAllVersions(t *testing.T) {
	noQEMU(t)
	t.Setenv("QEMU", fakeQEMU(t, "9.1.2 (from source)"))
	var ran []string
	qemutest.Run(t, []string{"7.2", "10.0"}, func(t *testing.T, q *qemutest.QEMU) {
		ran = append(ran, t.Name()+" "+q.Release())
	})
	require.Equal(t, []string{t.Name() + "/qemu-9.1 9.1"}, ran)
}

func TestVariableIsWrong(t *testing.T) {
	noQEMU(t)
	t.Setenv("QEMU", filepath.Join(t.TempDir(), "none"))
	_, err := qemutest.Find("7.2")
	require.ErrorIs(t, err, os.ErrNotExist)
	require.NotErrorIs(t, err, qemutest.ErrMissing)
	require.Regexp(t, "^failed: ", verdict(t, func(t testing.TB) { qemutest.Get(t, "7.2") }))

	t.Setenv("QEMU", program(t, filepath.Join(t.TempDir(), "cat"), "echo meow"))
	_, err = qemutest.Find("7.2")
	require.ErrorContains(t, err, "is not a QEMU")

	t.Setenv("QEMU", program(t, filepath.Join(t.TempDir(), "broken"), "echo cannot run >&2; exit 1"))
	_, err = qemutest.Find("7.2")
	require.ErrorContains(t, err, "exit status 1: cannot run")
}

func TestPathBeforeTheCacheIfOfThatVersion(t *testing.T) {
	noQEMU(t)
	installed := fakeQEMU(t, "8.2.2")
	t.Setenv("PATH", filepath.Dir(installed))

	for _, version := range []string{"", "8.2"} {
		q, err := qemutest.Find(version)
		require.NoError(t, err)
		require.Equal(t, installed, q.Path)
	}

	unpacked := fakeQEMU(t, "7.2.1")
	program(t, "scripts/get-qemu.sh", `[ "$1" = 7.2 ] && echo `+filepath.Dir(unpacked))
	q, err := qemutest.Find("7.2")
	require.NoError(t, err)
	require.Equal(t, unpacked, q.Path)

	q, err = qemutest.Find("5.2") // the script has none: rather another version than none
	require.NoError(t, err)
	require.Equal(t, installed, q.Path)
}

func TestProgramsBesideElsePath(t *testing.T) {
	noQEMU(t)
	q := &qemutest.QEMU{Path: fakeQEMU(t, "7.2.1")}
	_, err := q.Program("qemu-img")
	require.ErrorIs(t, err, qemutest.ErrMissing)

	installed := program(t, filepath.Join(t.TempDir(), "qemu-img"), "")
	t.Setenv("PATH", filepath.Dir(installed))
	path, err := q.Program("qemu-img")
	require.NoError(t, err)
	require.Equal(t, installed, path)

	beside := program(t, filepath.Join(filepath.Dir(q.Path), "qemu-img"), "")
	path, err = q.Program("qemu-img")
	require.NoError(t, err)
	require.Equal(t, beside, path)
}

func TestAtLeast(t *testing.T) {
	q := &qemutest.QEMU{Major: 7, Minor: 2}
	require.True(t, q.AtLeast(7, 2))
	require.True(t, q.AtLeast(5, 9))
	require.False(t, q.AtLeast(7, 3))
	require.False(t, q.AtLeast(10, 0))
}

func TestMissingSkipsAndFailsInCI(t *testing.T) {
	noQEMU(t)
	get := func(t testing.TB) { qemutest.Get(t, "7.2") }
	require.Regexp(t, "^skipped: QEMU 7.2 is missing: set QEMU to the path of a qemu-system-x86_64", verdict(t, get))
	t.Setenv("CI", "true")
	require.Regexp(t, "^failed: QEMU 7.2 is missing: set QEMU to", verdict(t, get))
}

func TestMissingGuestAndPrograms(t *testing.T) {
	noQEMU(t)
	q := &qemutest.QEMU{Path: fakeQEMU(t, "7.2.1")}
	require.Regexp(t, "^skipped: guest is missing: set QEMU_GUEST", verdict(t, func(t testing.TB) {
		q.Start(t, qemutest.Config{Guest: true})
	}))
	require.Regexp(t, "^skipped: qemu-storage-daemon is missing", verdict(t, func(t testing.TB) { q.StartStorage(t) }))
	require.Regexp(t, "^skipped: qemu-ga is missing", verdict(t, func(t testing.TB) { q.StartAgent(t) }))
}

// After a failure the scripts are told not to try the network again.
func TestFetchGoesOfflineAfterAFailure(t *testing.T) {
	noQEMU(t)
	unpacked := fakeQEMU(t, "10.0.2")
	program(t, "scripts/get-qemu.sh", `case $1$QMPKIT_OFFLINE in
		3.01) echo "3.0: offline" >&2; exit 1;;
		10.01) echo `+filepath.Dir(unpacked)+`;;
		*) echo noise >&2; echo "no network" >&2; exit 1;;
		esac`)
	_, err := qemutest.Find("2.0")
	require.ErrorContains(t, err, "get-qemu.sh 2.0: exit status 1: no network")
	_, err = qemutest.Find("3.0")
	require.ErrorContains(t, err, "3.0: offline")
	q, err := qemutest.Find("")
	require.NoError(t, err)
	require.Equal(t, unpacked, q.Path)
}
