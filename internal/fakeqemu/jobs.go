package fakeqemu

import (
	"encoding/json"
	"slices"
	"sync"

	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
	"github.com/qmpkit/qmpkit/qmp/qmptest"
)

// Jobs are the jobs of a fake QEMU. They copy nothing. A job goes on at once to a state in which QEMU waits for a command,
// and sends the events of these states, unless the test holds it.
type Jobs struct {
	server *qmptest.Server

	mu   sync.Mutex
	all  []*fakeJob
	hold bool
	mute bool
	fail string
}

type fakeJob struct {
	id                        string
	kind                      qemu.JobType
	status                    qemu.JobStatus
	ready                     bool // it is to become ready
	autoFinalize, autoDismiss bool
	reason                    *string
	ioStatus                  qemu.BlockDeviceIOStatus
	group                     []*fakeJob // of a transaction, if they end together
}

// block reports whether QEMU calls a job a block job.
func (j *fakeJob) block() bool {
	switch j.kind {
	case qemu.JobTypeMirror, qemu.JobTypeCommit, qemu.JobTypeStream, qemu.JobTypeBackup:
		return true
	}
	return false
}

// NewJobs gives a server jobs.
func NewJobs(s *qmptest.Server) *Jobs {
	jobs := &Jobs{server: s}
	for command, kind := range map[string]qemu.JobType{
		"blockdev-mirror": qemu.JobTypeMirror, "block-commit": qemu.JobTypeCommit, "block-stream": qemu.JobTypeStream,
		"blockdev-backup": qemu.JobTypeBackup, "blockdev-create": qemu.JobTypeCreate, "snapshot-save": qemu.JobTypeSnapshotSave,
	} {
		jobs.handle(command, func(args *jobArguments) (any, error) { return nil, jobs.start(kind, args) })
	}
	for command, verb := range map[string]func(j *fakeJob, args *jobArguments) error{
		"job-complete":        jobs.complete,
		"job-finalize":        jobs.finalize,
		"job-dismiss":         jobs.dismiss,
		"job-cancel":          jobs.cancel,
		"job-pause":           jobs.pause,
		"job-resume":          jobs.resume,
		"block-job-cancel":    jobs.cancel,
		"block-job-set-speed": func(*fakeJob, *jobArguments) error { return nil },
	} {
		jobs.handle(command, func(args *jobArguments) (any, error) {
			id := args.ID
			if id == "" {
				id = args.Device
			}
			j := jobs.find(id)
			if j == nil {
				return nil, generic("Job not found")
			}
			return nil, verb(j, args)
		})
	}
	s.Handle("transaction", jobs.transaction)
	jobs.handle("query-jobs", jobs.query)
	jobs.handle("query-block-jobs", jobs.queryBlock)
	return jobs
}

// jobArguments has the arguments of all commands about jobs.
type jobArguments struct {
	JobID        string `json:"job-id"`
	ID           string `json:"id"`
	Device       string `json:"device"`
	Force        *bool  `json:"force"`
	AutoFinalize *bool  `json:"auto-finalize"`
	AutoDismiss  *bool  `json:"auto-dismiss"`
}

func (s *Jobs) handle(command string, h func(args *jobArguments) (any, error)) {
	s.server.Handle(command, func(r *qmptest.Request) (any, error) {
		args := &jobArguments{}
		if len(r.Arguments) > 0 {
			if err := json.Unmarshal(r.Arguments, args); err != nil {
				return nil, err
			}
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		return h(args)
	})
}

// Hold makes jobs that start later stay in the state "running" until Advance.
func (s *Jobs) Hold(hold bool) { s.set(func() { s.hold = hold }) }

// Mute turns events off or on.
func (s *Jobs) Mute(mute bool) { s.set(func() { s.mute = mute }) }

// Fail makes jobs fail for a reason when they would end; "" makes them succeed.
func (s *Jobs) Fail(reason string) { s.set(func() { s.fail = reason }) }

// Advance lets a job go on: to ready, or to its end.
func (s *Jobs) Advance(id string) { s.set(func() { s.advance(s.find(id)) }) }

// Stop stops a job as an I/O error does.
func (s *Jobs) Stop(id string, status qemu.BlockDeviceIOStatus) {
	s.set(func() {
		j := s.find(id)
		j.ioStatus = status
		s.event(qemu.EventBlockJobError, map[string]any{"device": id, "operation": "write", "action": "stop"})
		s.to(j, qemu.JobStatusPaused)
	})
}

// Forget ends a job and dismisses it, as another client does. Its events are sent.
func (s *Jobs) Forget(id string) {
	s.set(func() {
		j := s.find(id)
		j.autoDismiss = true
		s.conclude(j)
	})
}

// States lists the jobs with their states: "data1.copy running".
func (s *Jobs) States() (all []string) {
	s.set(func() {
		for _, j := range s.all {
			all = append(all, j.id+" "+string(j.status))
		}
	})
	return all
}

func (s *Jobs) set(do func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	do()
}

func (s *Jobs) find(id string) *fakeJob {
	if i := slices.IndexFunc(s.all, func(j *fakeJob) bool { return j.id == id }); i >= 0 {
		return s.all[i]
	}
	return nil
}

func (s *Jobs) event(name string, data any) {
	if !s.mute {
		s.server.Event(name, data)
	}
}

func (s *Jobs) to(j *fakeJob, status qemu.JobStatus) {
	j.status = status
	s.event(qemu.EventJobStatusChange, map[string]any{"id": j.id, "status": status})
}

// transaction starts the backups among its actions, and ignores the other actions.
func (s *Jobs) transaction(r *qmptest.Request) (any, error) {
	var args struct {
		Actions []struct {
			Type qemu.TransactionActionKind `json:"type"`
			Data jobArguments               `json:"data"`
		} `json:"actions"`
		Properties struct {
			Mode qemu.ActionCompletionMode `json:"completion-mode"`
		} `json:"properties"`
	}
	if err := json.Unmarshal(r.Arguments, &args); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var started []*fakeJob
	for i := range args.Actions {
		if args.Actions[i].Type != qemu.TransactionActionKindBlockdevBackup {
			continue
		}
		j, err := s.create(qemu.JobTypeBackup, &args.Actions[i].Data)
		if err != nil {
			for _, j := range started {
				s.to(j, qemu.JobStatusAborting)
				s.to(j, qemu.JobStatusConcluded)
				s.drop(j)
			}
			return nil, err
		}
		started = append(started, j)
	}
	for _, j := range started {
		if args.Properties.Mode == qemu.ActionCompletionModeGrouped {
			j.group = started
		}
		s.to(j, qemu.JobStatusRunning)
	}
	for _, j := range started {
		if !s.hold && s.find(j.id) == j && j.status == qemu.JobStatusRunning { // it has not ended with another one
			s.advance(j)
		}
	}
	return nil, nil
}

func (s *Jobs) start(kind qemu.JobType, args *jobArguments) error {
	j, err := s.create(kind, args)
	if err != nil {
		return err
	}
	s.to(j, qemu.JobStatusRunning)
	if !s.hold {
		s.advance(j)
	}
	return nil
}

func (s *Jobs) create(kind qemu.JobType, args *jobArguments) (*fakeJob, error) {
	if s.find(args.JobID) != nil {
		return nil, generic("Job ID '%s' already in use", args.JobID)
	}
	j := &fakeJob{
		id: args.JobID, kind: kind, ready: kind == qemu.JobTypeMirror, ioStatus: qemu.BlockDeviceIOStatusOk,
		autoFinalize: args.AutoFinalize == nil || *args.AutoFinalize,
	}
	j.autoDismiss = j.block() && (args.AutoDismiss == nil || *args.AutoDismiss)
	s.all = append(s.all, j)
	s.to(j, qemu.JobStatusCreated)
	return j, nil
}

func (s *Jobs) advance(j *fakeJob) {
	switch {
	case s.fail != "":
		j.reason = new(s.fail)
		s.conclude(j)
	case j.ready:
		s.to(j, qemu.JobStatusReady)
	default:
		s.to(j, qemu.JobStatusWaiting)
		group := j.together()
		if slices.ContainsFunc(group, func(j *fakeJob) bool { return j.status != qemu.JobStatusWaiting }) {
			return
		}
		for _, j := range group {
			s.to(j, qemu.JobStatusPending)
		}
		if !slices.ContainsFunc(group, func(j *fakeJob) bool { return !j.autoFinalize }) {
			s.concludeAll(group)
		}
	}
}

// together returns the jobs that end with a job, which is one of them.
func (j *fakeJob) together() []*fakeJob {
	if j.group == nil {
		return []*fakeJob{j}
	}
	return j.group
}

func (s *Jobs) concludeAll(group []*fakeJob) {
	for _, j := range group {
		j.group = nil
	}
	for _, j := range group {
		s.conclude(j)
	}
}

// conclude ends a job. If it has not succeeded, the others of its group are cancelled.
func (s *Jobs) conclude(j *fakeJob) {
	if group := j.together(); j.reason != nil && len(group) > 1 {
		for _, other := range group {
			if other != j {
				other.reason = new(cancelled)
			}
		}
		s.concludeAll(group)
		return
	}
	if j.reason != nil {
		s.to(j, qemu.JobStatusAborting)
	}
	if j.block() {
		data := map[string]any{"type": j.kind, "device": j.id, "len": 100, "offset": 100, "speed": 0}
		name := qemu.EventBlockJobCompleted
		switch {
		case j.reason != nil && *j.reason == cancelled:
			name = qemu.EventBlockJobCancelled
		case j.reason != nil:
			data["error"] = *j.reason
		}
		s.event(name, data)
	}
	s.to(j, qemu.JobStatusConcluded)
	if j.autoDismiss {
		s.drop(j)
	}
}

const cancelled = "Operation canceled"

func (s *Jobs) drop(j *fakeJob) {
	s.to(j, qemu.JobStatusNull)
	s.all = slices.DeleteFunc(s.all, func(other *fakeJob) bool { return other == j })
}

// allow refuses a verb in other states than these.
func (j *fakeJob) allow(verb string, states ...qemu.JobStatus) error {
	if slices.Contains(states, j.status) {
		return nil
	}
	return generic("Job '%s' in state '%s' cannot accept command verb '%s'", j.id, j.status, verb)
}

func (s *Jobs) complete(j *fakeJob, _ *jobArguments) error {
	err := j.allow("complete", qemu.JobStatusReady)
	if err == nil {
		j.ready = false
		s.advance(j)
	}
	return err
}

func (s *Jobs) finalize(j *fakeJob, _ *jobArguments) error {
	err := j.allow("finalize", qemu.JobStatusPending)
	if err == nil {
		s.concludeAll(j.together())
	}
	return err
}

func (s *Jobs) dismiss(j *fakeJob, _ *jobArguments) error {
	err := j.allow("dismiss", qemu.JobStatusConcluded)
	if err == nil {
		s.drop(j)
	}
	return err
}

func (s *Jobs) cancel(j *fakeJob, args *jobArguments) error {
	if j.status == qemu.JobStatusConcluded {
		return j.allow("cancel")
	}
	if args.Force != nil && !*args.Force && j.status == qemu.JobStatusReady {
		j.ready = false
		s.advance(j)
		return nil
	}
	j.reason = new(cancelled)
	s.conclude(j)
	return nil
}

func (s *Jobs) pause(j *fakeJob, _ *jobArguments) error {
	err := j.allow("pause", qemu.JobStatusRunning, qemu.JobStatusReady)
	if err == nil {
		s.to(j, qemu.JobStatusPaused)
	}
	return err
}

func (s *Jobs) resume(j *fakeJob, _ *jobArguments) error {
	err := j.allow("resume", qemu.JobStatusPaused)
	if err == nil {
		j.ioStatus = qemu.BlockDeviceIOStatusOk
		s.to(j, qemu.JobStatusRunning)
	}
	return err
}

func (s *Jobs) query(*jobArguments) (any, error) {
	all := []qemu.JobInfo{}
	for _, j := range s.all {
		info := qemu.JobInfo{ID: j.id, Type: j.kind, Status: j.status, CurrentProgress: 50, TotalProgress: 100, Error: j.reason}
		if j.status == qemu.JobStatusConcluded {
			info.CurrentProgress = 100
		}
		all = append(all, info)
	}
	return all, nil
}

func (s *Jobs) queryBlock(*jobArguments) (any, error) {
	all := []qemu.BlockJobInfo{}
	for _, j := range s.all {
		if j.block() {
			all = append(all, qemu.BlockJobInfo{
				Type: j.kind, Device: j.id, Status: j.status, IOStatus: j.ioStatus,
				AutoFinalize: j.autoFinalize, AutoDismiss: j.autoDismiss, Branch: nil,
			})
		}
	}
	return all, nil
}

// Complete completes a job that is ready, as job-complete does.
func (s *Jobs) Complete(id string) (err error) {
	s.set(func() { err = s.complete(s.find(id), nil) })
	return err
}
