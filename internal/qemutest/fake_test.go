package qemutest_test

import (
	"fmt"
	"runtime"
	"testing"
)

// verdict runs f with a test of its own, which is not part of this one, and tells how it ended:
// "passed", "skipped: …" or "failed: …".
func verdict(t *testing.T, f func(t testing.TB)) string {
	fake := &fakeTest{TB: t, verdict: "passed"}
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer fake.cleanUp()
		f(fake)
	}()
	<-done
	return fake.verdict
}

type fakeTest struct {
	testing.TB
	verdict  string
	cleanups []func()
}

func (f *fakeTest) Cleanup(c func()) { f.cleanups = append(f.cleanups, c) }
func (f *fakeTest) Fatal(args ...any) {
	f.verdict = "failed: " + fmt.Sprint(args...)
	runtime.Goexit()
}
func (f *fakeTest) Fatalf(format string, args ...any) { f.Fatal(fmt.Sprintf(format, args...)) }
func (f *fakeTest) Skip(args ...any) {
	f.verdict = "skipped: " + fmt.Sprint(args...)
	runtime.Goexit()
}

func (f *fakeTest) cleanUp() {
	for _, c := range f.cleanups {
		defer c() // so that those after one that fails run too
	}
}
