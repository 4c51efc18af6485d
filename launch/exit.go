package launch

import (
	"cmp"
	"fmt"
	"os"
	"strconv"

	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

// An Exit says how QEMU has ended.
type Exit struct {
	// Reason is why QEMU has ended.
	Reason Reason

	// Status is the exit status of the process. It is -1 if a signal has ended it, and for a process of [Attach].
	Status int

	// Signal is the signal that has ended the process, or nil.
	Signal os.Signal

	// Stage is the last thing that [Process.Shutdown] or [Process.PowerOff] had done when QEMU ended, or empty.
	Stage Stage
}

// A Reason is why QEMU has ended: one of the constants, or another reason of QEMU's SHUTDOWN event.
type Reason string

const (
	ReasonQuit          = Reason(qemu.ShutdownCauseHostQMPQuit)        // the command quit
	ReasonGuestShutdown = Reason(qemu.ShutdownCauseGuestShutdown)      // the guest has powered the machine off
	ReasonGuestReset    = Reason(qemu.ShutdownCauseGuestReset)         // the guest has reset the machine, with -no-reboot
	ReasonGuestPanic    = Reason(qemu.ShutdownCauseGuestPanic)         // the guest has crashed
	ReasonHostReset     = Reason(qemu.ShutdownCauseHostQMPSystemReset) // the command system_reset, with -no-reboot
	ReasonHostSignal    = Reason(qemu.ShutdownCauseHostSignal)         // SIGTERM, SIGINT or SIGHUP; QEMU has closed its files
	ReasonHostError     = Reason(qemu.ShutdownCauseHostError)          // an error of QEMU
	ReasonKilled        = Reason("killed")                             // a signal that ends a process: SIGKILL, or SIGTERM while QEMU started
	ReasonCrashed       = Reason("crashed")                            // a signal for a fault of the program: SIGABRT, SIGSEGV and others
	ReasonFailed        = Reason("failed")                             // QEMU has ended itself with an error; see Process.Stderr
	ReasonUnknown       = Reason("unknown")                            // no event and no status; after Attach, killed or crashed
)

// setReason sets the reason. cause is from the last SHUTDOWN event, or empty if there was none.
func (e *Exit) setReason(cause qemu.ShutdownCause) {
	switch {
	case e.Signal != nil && isFault(e.Signal):
		e.Reason = ReasonCrashed
	case e.Signal != nil:
		e.Reason = ReasonKilled
	case cause == "" && e.Status > 0:
		e.Reason = ReasonFailed
	default:
		e.Reason = cmp.Or(Reason(cause), ReasonUnknown)
	}
}

// exitOf returns the status of a process that was waited for.
func exitOf(state *os.ProcessState) Exit {
	if state == nil { // the wait failed
		return Exit{Status: -1}
	}
	return Exit{Status: state.ExitCode(), Signal: signalOf(state)}
}

// String returns the reason, and the status or the signal.
func (e Exit) String() string {
	switch {
	case e.Signal != nil:
		return fmt.Sprintf("%s (%v)", e.Reason, e.Signal)
	case e.Status >= 0:
		return string(e.Reason) + " (status " + strconv.Itoa(e.Status) + ")"
	}
	return string(e.Reason)
}
