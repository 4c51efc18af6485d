package job

import (
	"errors"
	"fmt"
	"slices"

	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

// ErrNotStarted means that the job has not begun. Nothing has changed. The error also matches the reason:
//   - [ErrExists]: a job with this ID exists.
//   - [*qmp.Error]: QEMU refused the request.
//   - [qmp.ErrNotSent]: the request was not sent, for example because the context had ended.
var ErrNotStarted error = &ending{text: "not started"}

// ErrExists means that a job with this ID exists, or has ended and was not dismissed.
var ErrExists = errors.New("job ID is in use")

// ErrCancelled means that the job was cancelled: by the end of the context of a wait, by [Job.Cancel], or by another
// client. If a context ended, the error also matches the context's error.
//
// If another client has cancelled the job, and the event was lost or came before [Find], the error is a [*FailedError]
// with QEMU's reason "Operation canceled".
var ErrCancelled error = &ending{text: "cancelled", executed: true}

// ErrTooLate means that [Job.Cancel] came too late: the job has succeeded. From [Job.EndWithoutPivot] it means
// that the job was completed before, and has succeeded.
var ErrTooLate = errors.New("too late, the job has succeeded")

// ErrGone means that QEMU does not list the job. The job never existed, or it has ended and was dismissed by
// another client or by itself. Its outcome is unknown. The block nodes that the disk uses now may show the outcome.
var ErrGone error = &ending{text: "QEMU does not have the job", executed: true}

// ErrNotDismissed means that the job has succeeded and could not be dismissed: QEMU still lists it, and its ID is
// in use. To dismiss the job, wait again, or call [Find] and [Job.Wait]. The error also matches the reason.
// From [Job.Cancel], it means that the job is cancelled. If the job has failed and cannot be dismissed, the error is
// a [*FailedError].
var ErrNotDismissed error = &ending{text: "ended, and could not be dismissed", executed: true}

// ErrGoesOn means that only the wait has ended: QEMU refused a command or did not cancel the job in time, or
// [Job.Detach] was called. The job continues, or waits until a client completes or finalizes it. Wait again; if the
// context of the wait has ended, or after Detach, call [Find] first. The error also matches the reason.
var ErrGoesOn error = &ending{text: "still there", executed: true}

// ErrUnknown means that the state of the job is unknown: the connection was lost, or QEMU does not answer. The job
// may continue. Connect again and call [Find]. The error also matches the reason and [qmp.ErrOutcomeUnknown].
var ErrUnknown error = &ending{text: "state unknown, QEMU does not answer", executed: true}

var (
	errDetached  = errors.New("Detach was called")
	errCompleted = errors.New("it was completed already; complete or cancel it")
)

// An ending is one of the sentinels above that exclude one another.
type ending struct {
	text     string
	executed bool // the job has begun, perhaps
}

func (e *ending) Error() string         { return e.text }
func (e *ending) MayHaveExecuted() bool { return e.executed }

// endings are the sentinels of which an error matches only one.
var endings = []error{ErrNotStarted, ErrCancelled, ErrGone, ErrNotDismissed, ErrGoesOn, ErrUnknown}

// A FailedError reports that a job has failed. Nothing that the guest sees has changed.
type FailedError struct {
	ID     string
	Type   qemu.JobType
	Reason string // QEMU's, for people
}

// Error names the job and gives the reason.
func (e *FailedError) Error() string {
	return fmt.Sprintf("job: %s %q failed: %s", e.Type, e.ID, e.Reason)
}

// MayHaveExecuted returns true: the job had begun.
func (e *FailedError) MayHaveExecuted() bool { return true }

// A StoppedError reports that an I/O error has stopped a job whose request has the policy "stop" or "enospc". The job
// waits. Remove the cause of the error, call [Job.Resume] and wait again, or call [Job.Cancel].
type StoppedError struct {
	ID       string
	Type     qemu.JobType
	IOStatus qemu.BlockDeviceIOStatus // "nospace" or "failed"
}

// Error names the job and what to do.
func (e *StoppedError) Error() string {
	return fmt.Sprintf("job: %s %q is stopped by an I/O error (%s); resume or cancel it", e.Type, e.ID, e.IOStatus)
}

// MayHaveExecuted returns true: the job has begun.
func (e *StoppedError) MayHaveExecuted() bool { return true }

// A jobError is an ending of a job, with the reasons.
type jobError struct {
	id      string
	kind    qemu.JobType
	ending  error
	reasons []error
}

func (e *jobError) Error() string {
	text := "job: " + string(e.kind)
	if e.kind != "" {
		text += " "
	}
	text += fmt.Sprintf("%q: %v", e.id, e.ending)
	for _, reason := range e.reasons {
		text += ": " + reason.Error()
	}
	return text
}

// Is reports whether target is the ending, or what a reason matches. It ignores the endings that a reason matches.
func (e *jobError) Is(target error) bool {
	switch {
	case target == e.ending:
		return true
	case target == qmp.ErrOutcomeUnknown:
		return e.ending == ErrUnknown
	case target == qmp.ErrNotSent:
		return e.ending == ErrNotStarted && !slices.ContainsFunc(e.reasons, refused)
	case slices.Contains(endings, target):
		return false
	}
	return slices.ContainsFunc(e.reasons, func(reason error) bool { return errors.Is(reason, target) })
}

// As finds the reasons by their types.
func (e *jobError) As(target any) bool {
	return slices.ContainsFunc(e.reasons, func(reason error) bool { return errors.As(reason, target) })
}

func (e *jobError) MayHaveExecuted() bool { return qmp.MayHaveExecuted(e.ending) }

// end makes the error of a job.
func (j *Job) end(ending error, reasons ...error) error {
	return newError(j.id, j.kind, ending, reasons...)
}

func newError(id string, kind qemu.JobType, ending error, reasons ...error) error {
	return &jobError{id, kind, ending, slices.DeleteFunc(reasons, func(err error) bool { return err == nil })}
}

// An existsError is QEMU's refusal of an ID that another job has.
type existsError struct{ refusal error }

func (e *existsError) Error() string   { return ErrExists.Error() + ": " + e.refusal.Error() }
func (e *existsError) Unwrap() []error { return []error{ErrExists, e.refusal} }

// refused reports whether the server answered that a command failed.
func refused(err error) bool {
	_, ok := errors.AsType[*qmp.Error](err)
	return ok
}
