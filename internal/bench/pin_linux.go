package main

import (
	"os/exec"
	"runtime"

	"golang.org/x/sys/unix"
)

// startPinned starts a command that is to run on one CPU, with all that it starts itself: a
// program inherits that from the thread which starts it. Set from within it would come too
// late for threads that are there already.
func startPinned(cmd *exec.Cmd) error {
	failed := make(chan error)
	go func() {
		runtime.LockOSThread() // never unlocked, so that the thread ends with the goroutine
		failed <- func() error {
			cpus, err := oneCPU()
			if err != nil {
				return err
			}
			if err := unix.SchedSetaffinity(0, &cpus); err != nil {
				return &cannotPin{err}
			}
			return cmd.Start()
		}()
	}()
	return <-failed
}

// oneCPU returns the last of the CPUs that this process may run on: the first ones tend to have
// more of the system's own work.
func oneCPU() (one unix.CPUSet, err error) {
	var all unix.CPUSet
	if err := unix.SchedGetaffinity(0, &all); err != nil {
		return one, &cannotPin{err}
	}
	last, left := 0, all.Count()
	for cpu := 0; left > 0; cpu++ {
		if all.IsSet(cpu) {
			last = cpu
			left--
		}
	}
	one.Set(last)
	return one, nil
}
