package operate

import (
	"encoding/json"
	"slices"

	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

// The jobs of a dry run succeed at once: so it also tells the commands that follow a job. Jobs that QEMU really has stay as
// they are.

// A plannedJob is a job of a dry run. QEMU does not have it.
type plannedJob struct {
	kind    qemu.JobType
	status  qemu.JobStatus
	options jobOptions
	group   int // the jobs of a transaction that are finalized together; 0 for others
}

// jobOptions are members of the arguments that start a job, or are about one.
type jobOptions struct {
	JobID        string `json:"job-id"`
	ID           string `json:"id"`
	Device       string `json:"device"`
	TopNode      string `json:"top-node"`
	AutoFinalize *bool  `json:"auto-finalize"`
	AutoDismiss  *bool  `json:"auto-dismiss"`
	Force        *bool  `json:"force"`

	Properties struct {
		Mode string `json:"completion-mode"`
	} `json:"properties"`
	Actions []struct {
		Type string
		Data json.RawMessage
	}
}

// jobKinds are the commands that start jobs.
var jobKinds = map[string]qemu.JobType{
	"blockdev-create": qemu.JobTypeCreate, "blockdev-mirror": qemu.JobTypeMirror, "block-commit": qemu.JobTypeCommit, "block-stream": qemu.JobTypeStream,
	"blockdev-backup": qemu.JobTypeBackup, "snapshot-save": qemu.JobTypeSnapshotSave, "snapshot-load": qemu.JobTypeSnapshotLoad,
	"snapshot-delete": qemu.JobTypeSnapshotDelete,
}

// planJobs does what a command would do with jobs.
func (p *plan) planJobs(command string, arguments []byte) {
	var o jobOptions
	if json.Unmarshal(arguments, &o) != nil {
		return
	}
	isOfQEMU := p.jobs[o.ID+o.Device] == nil
	switch command {
	case "transaction":
		for _, a := range o.Actions {
			var options jobOptions
			if json.Unmarshal(a.Data, &options) == nil {
				p.begin(a.Type, options)
			}
			if j := p.jobs[options.JobID]; j != nil && o.Properties.Mode == "grouped" {
				j.group = len(p.events)
			}
		}
		return
	case "job-pause", "job-resume", "job-cancel", "job-dismiss", "block-job-set-speed":
		if !isOfQEMU && command == "job-dismiss" {
			p.to(o.ID, qemu.JobStatusNull)
		}
	case "job-complete":
		p.finish(o.ID)
	case "block-job-cancel":
		if o.Force != nil && !*o.Force {
			p.finish(o.Device)
		}
	case "job-finalize":
		if first := p.jobs[o.ID]; first != nil {
			for _, id := range p.order {
				if j := p.jobs[id]; j == first || j != nil && j.group != 0 && j.group == first.group {
					p.conclude(id)
				}
			}
		}
	default:
		p.begin(command, o)
		return
	}
	p.unsure = p.unsure || isOfQEMU
}

// begin starts a job, if the command does that.
func (p *plan) begin(command string, o jobOptions) {
	kind, ok := jobKinds[command]
	if !ok || o.JobID == "" {
		return
	}
	if p.jobs == nil {
		p.jobs = map[string]*plannedJob{}
	}
	p.jobs[o.JobID] = &plannedJob{kind: kind, options: o}
	p.order = append(p.order, o.JobID)
	p.to(o.JobID, qemu.JobStatusCreated)
	if kind == qemu.JobTypeMirror || kind == qemu.JobTypeCommit && (o.TopNode == "" || o.TopNode == o.Device) {
		p.to(o.JobID, qemu.JobStatusReady)
		return
	}
	p.finish(o.JobID)
}

// finish ends the work of a job, which may have to be finalized.
func (p *plan) finish(id string) {
	switch j := p.jobs[id]; {
	case j == nil:
	case j.options.AutoFinalize != nil && !*j.options.AutoFinalize:
		p.to(id, qemu.JobStatusPending)
	default:
		p.conclude(id)
	}
}

// conclude ends a job with success.
func (p *plan) conclude(id string) {
	j := p.jobs[id]
	if _, isBlock := blockJobs[j.kind]; isBlock {
		p.event("BLOCK_JOB_COMPLETED", map[string]any{"type": j.kind, "device": id, "len": 0, "offset": 0, "speed": 0})
	}
	p.to(id, qemu.JobStatusConcluded)
	if _, isBlock := blockJobs[j.kind]; isBlock && (j.options.AutoDismiss == nil || *j.options.AutoDismiss) {
		p.to(id, qemu.JobStatusNull)
	}
}

// blockJobs are the jobs that query-block-jobs lists.
var blockJobs = map[qemu.JobType]struct{}{
	qemu.JobTypeMirror: {}, qemu.JobTypeCommit: {}, qemu.JobTypeStream: {}, qemu.JobTypeBackup: {},
}

func (p *plan) to(id string, status qemu.JobStatus) {
	p.jobs[id].status = status
	p.event("JOB_STATUS_CHANGE", map[string]any{"id": id, "status": status})
	if status == qemu.JobStatusNull {
		delete(p.jobs, id)
	}
}

func (p *plan) event(name string, data any) {
	text, _ := json.Marshal(data)
	p.events = append(p.events, qmp.RawEvent{Name: name, Data: text})
}

// entry describes a job for query-jobs or query-block-jobs. It is nil if the query does not list the job.
func (j *plannedJob) entry(query, id string) any {
	if query == "query-jobs" {
		return map[string]any{"id": id, "type": j.kind, "status": j.status, "current-progress": 0, "total-progress": 0}
	}
	if _, isBlock := blockJobs[j.kind]; !isBlock {
		return nil
	}
	finalizes, dismisses := j.options.AutoFinalize, j.options.AutoDismiss
	return map[string]any{"device": id, "type": j.kind, "status": j.status, "len": 0, "offset": 0, "busy": false, "paused": false, "speed": 0,
		"io-status": "ok", "ready": j.status == qemu.JobStatusReady,
		"auto-finalize": finalizes == nil || *finalizes, "auto-dismiss": dismisses == nil || *dismisses}
}

// nextPlanned returns the next event of the dry run for a stream.
func (e *dryEvents) nextPlanned() (event qmp.RawEvent, ok bool) {
	e.plan.mu.Lock()
	defer e.plan.mu.Unlock()
	for e.next < len(e.plan.events) {
		event = e.plan.events[e.next]
		if e.next++; len(e.names) == 0 || slices.Contains(e.names, event.Name) {
			return event, true
		}
	}
	return qmp.RawEvent{}, false
}
