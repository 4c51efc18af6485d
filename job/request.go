package job

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

// kinds are the commands that start jobs, with the types of the jobs. The kind of a job of block-commit is "commit",
// also if QEMU lists the commit of the active layer as a mirror.
var kinds = map[string]qemu.JobType{
	"blockdev-mirror":  qemu.JobTypeMirror,
	"drive-mirror":     qemu.JobTypeMirror,
	"block-commit":     qemu.JobTypeCommit,
	"block-stream":     qemu.JobTypeStream,
	"blockdev-backup":  qemu.JobTypeBackup,
	"drive-backup":     qemu.JobTypeBackup,
	"blockdev-create":  qemu.JobTypeCreate,
	"x-blockdev-amend": qemu.JobTypeAmend,
	"snapshot-save":    qemu.JobTypeSnapshotSave,
	"snapshot-load":    qemu.JobTypeSnapshotLoad,
	"snapshot-delete":  qemu.JobTypeSnapshotDelete,
}

// A start is the request of a job, with the members that this package sets.
type start struct {
	command string
	members map[string]qmp.RawJSON
	id      string
	kind    qemu.JobType

	// holds reports that the caller wants to finalize the job.
	holds bool
}

// newStart reads a request. It sends nothing.
func newStart(ctx context.Context, id string, request qmp.Request) (*start, error) {
	if request == nil {
		return nil, errors.New("needs a request")
	}
	s := &start{id: id, members: map[string]qmp.RawJSON{}}
	var reading reader
	err := request.Do(ctx, &reading)
	switch {
	case reading.command == "":
		return nil, errors.Join(errors.New("request sends no command"), err)
	case reading.err != nil:
		return nil, reading.err
	}
	s.command = reading.command
	s.kind = kinds[s.command]
	if s.kind == "" {
		return nil, fmt.Errorf("%s starts no job", s.command)
	}
	if len(reading.args) > 0 {
		if err := json.Unmarshal(reading.args, &s.members); err != nil {
			return nil, err
		}
	}
	return s, s.check()
}

// check derives the ID, and returns an error if the request starts no job that this package can follow.
func (s *start) check() error {
	if own := s.text("job-id"); own != "" {
		if s.id != "" && s.id != own {
			return fmt.Errorf("request has the job ID %q: leave it out", own)
		}
		s.id = own
	}
	if s.id == "" {
		node := s.node()
		if node == "" {
			return fmt.Errorf("%s needs an ID", s.command)
		}
		s.id = node + "." + string(s.kind)
	}
	if err := checkID(s.id); err != nil {
		return err
	}
	if _, given := s.members["auto-dismiss"]; given {
		return errors.New("request has auto-dismiss, which this package sets: leave it out")
	}
	for _, policy := range []string{"on-error", "on-source-error", "on-target-error"} {
		if s.text(policy) == string(qemu.BlockdevOnErrorIgnore) {
			return fmt.Errorf("%s is \"ignore\": the job would succeed without the data that it could not copy; use \"report\" or \"stop\"", policy)
		}
	}
	if s.text("on-cbw-error") == string(qemu.OnCBWErrorBreakSnapshot) {
		return errors.New("on-cbw-error is \"break-snapshot\": the backup could succeed with data that the guest wrote after it began")
	}
	s.holds = string(s.members["auto-finalize"]) == "false"
	return nil
}

// text returns a member that is a string, or "".
func (s *start) text(member string) (text string) {
	if json.Unmarshal(s.members[member], &text) != nil {
		return ""
	}
	return text
}

// node returns the name of the node that the job is about, or "" if the request names none.
func (s *start) node() string {
	for _, member := range []string{"device", "node-name", "vmstate"} {
		if name := s.text(member); name != "" {
			return name
		}
	}
	var devices []string
	if json.Unmarshal(s.members["devices"], &devices) == nil && len(devices) > 0 {
		return devices[0]
	}
	var options struct{ File string }
	if json.Unmarshal(s.members["options"], &options) == nil {
		return options.File
	}
	return ""
}

// checkID checks the ID of a job by QEMU's rule (id_wellformed of util/id.c).
func checkID(id string) error {
	for i, c := range []byte(id) {
		letter := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
		if !letter && (i == 0 || !('0' <= c && c <= '9') && !strings.ContainsRune("-._", rune(c))) {
			return errors.New("ID must begin with a letter, and have letters, digits, '-', '.' and '_' only")
		}
	}
	return nil
}

// do sends the request.
func (s *start) do(ctx context.Context, x qmp.Executor, v qmp.Version) error {
	return x.Execute(ctx, &qmp.Call{Command: s.command, Args: s.args(v)})
}

// args returns the arguments of the command for a version of QEMU.
func (s *start) args(v qmp.Version) qmp.Args {
	args := qmp.Args{"job-id": s.id}
	for name, value := range s.members {
		if name != "job-id" {
			args[name] = value
		}
	}
	switch s.kind {
	case qemu.JobTypeMirror, qemu.JobTypeCommit, qemu.JobTypeStream, qemu.JobTypeBackup:
		args["auto-dismiss"] = dismissesItself(s.kind, v)
		if waitFinalizes(s.kind, v) {
			args["auto-finalize"] = false
		}
	}
	return args
}

// A reader is an executor that keeps the command and sends nothing.
type reader struct {
	command string
	args    []byte
	err     error
}

func (r *reader) Execute(_ context.Context, call *qmp.Call) error {
	r.command = call.Command
	r.args, r.err = call.AppendArgs(nil)
	return errors.New("not sent")
}

// dismissesItself reports whether a job must dismiss itself, because query-named-block-nodes terminates that QEMU as
// long as the job has ended and is not dismissed. Measured: backups on 5.2, streams on 7.2 and 10.0; not on 11.1.
func dismissesItself(kind qemu.JobType, v qmp.Version) bool {
	switch kind {
	case qemu.JobTypeBackup:
		return v.Compare(qmp.Version{Major: 7, Minor: 2}) < 0
	case qemu.JobTypeStream:
		return v.Major >= 6 && v.Compare(qmp.Version{Major: 11, Minor: 1}) < 0
	}
	return false
}

// waitFinalizes reports whether a wait finalizes a job, although the caller did not ask for that. If a backup finalizes
// itself, QEMU can free the backup's filter while another thread of QEMU moves the disk to or from an iothread. It moves a
// disk of virtio-blk when the guest starts or resets the disk, and when the machine stops or continues. QEMU 7.2 and 10.0
// terminate then. QEMU does not execute job-finalize while it moves a disk.
func waitFinalizes(kind qemu.JobType, v qmp.Version) bool {
	return kind == qemu.JobTypeBackup || dismissesItself(kind, v)
}

// version returns the version in the greeting, if the connection has that, and else asks the server.
func version(ctx context.Context, conn qmp.Conn) (qmp.Version, error) {
	if greeted, ok := conn.(interface{ Version() qmp.Version }); ok {
		return greeted.Version(), nil
	}
	info, err := qemu.QueryVersion{}.Do(ctx, conn)
	return qmp.Version{Major: int(info.QEMU.Major), Minor: int(info.QEMU.Minor), Micro: int(info.QEMU.Micro)}, err
}
