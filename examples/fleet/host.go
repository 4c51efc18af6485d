package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/qmpkit/qmpkit/job"
	"github.com/qmpkit/qmpkit/migration"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
	"github.com/qmpkit/qmpkit/qmp/qmplibvirt"
)

// How long a host and a machine may take to answer. A machine that has not answered gets less time in the next round, so that it
// does not delay the table.
const (
	hostLimit    = 5 * time.Second
	machineLimit = 2 * time.Second
	hungLimit    = 100 * time.Millisecond
)

// A runOfMachine is a run of a machine: libvirt gives each one another ID.
type runOfMachine struct {
	uuid string
	id   int
}

// A host is a libvirt daemon.
type host struct {
	address string
	conn    *qmplibvirt.Conn // nil if there is no connection
	watch   *qmplibvirt.Watch
	known   map[runOfMachine]*qmplibvirt.Domain
	hung    map[string]bool // machines that have not answered, by UUID
	reading sync.WaitGroup

	mu     sync.Mutex
	rows   []row
	events map[string]string // the last event of each machine, by UUID
	err    error
}

// A row is a machine in the table.
type row struct{ uuid, name, state, jobs, migration, event string }

// refresh asks the daemon for its machines, and each machine for its jobs and its migration.
func (h *host) refresh(ctx context.Context) error {
	rows, err := h.ask(ctx)
	if err != nil {
		err = fmt.Errorf("%s: %w", h.address, err)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.rows, h.err = rows, err
	return err
}

func (h *host) ask(ctx context.Context) ([]row, error) {
	limited, cancel := context.WithTimeout(ctx, hostLimit)
	defer cancel()
	if err := h.connect(limited); err != nil {
		return nil, err
	}
	var rows []row
	var domains []*qmplibvirt.Domain // by row; nil for a machine that has just ended
	known := map[runOfMachine]*qmplibvirt.Domain{}
	for info, err := range h.conn.Domains(limited) {
		if err != nil {
			return nil, err
		}
		this := runOfMachine{info.UUID, info.ID}
		vm := h.known[this]
		if vm == nil {
			vm, err = h.conn.Domain(limited, info.UUID)
			if err != nil && !errors.Is(err, qmplibvirt.ErrStopped) {
				return nil, err
			}
		}
		if vm != nil {
			known[this] = vm
		}
		rows = append(rows, row{uuid: info.UUID, name: info.Name, state: info.State.String()})
		domains = append(domains, vm)
	}
	h.known = known
	var all sync.WaitGroup
	for i, vm := range domains {
		if vm != nil {
			limit := machineLimit
			if h.hung[rows[i].uuid] {
				limit = hungLimit
			}
			all.Go(func() { rows[i].ask(ctx, vm, limit) })
		}
	}
	all.Wait()
	h.hung = map[string]bool{}
	for _, r := range rows {
		if r.jobs == noAnswer {
			h.hung[r.uuid] = true
		}
	}
	return rows, nil
}

// ask asks a machine for what libvirt does not tell.
func (r *row) ask(ctx context.Context, vm *qmplibvirt.Domain, limit time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	jobs, err := job.List(ctx, vm)
	if err != nil {
		r.jobs = problem(err)
		return
	}
	var texts []string
	for _, j := range jobs {
		texts = append(texts, jobText(j))
	}
	r.jobs = strings.Join(texts, ", ")
	progress, err := migration.Query(ctx, vm)
	switch {
	case err != nil:
		r.migration = problem(err)
	case progress.Status != "" && progress.Status != qemu.MigrationStatusNone:
		r.migration = string(progress.Status)
		if progress.Total > 0 {
			r.migration += fmt.Sprintf(" %d%%", 100*(progress.Total-progress.Remaining)/progress.Total)
		}
	}
}

const noAnswer = "no answer"

// problem says in a word why a machine has not answered.
func problem(err error) string {
	switch {
	case errors.Is(err, qmplibvirt.ErrStopped):
		return "stopped"
	case errors.Is(err, context.DeadlineExceeded):
		return noAnswer
	}
	return err.Error()
}

// jobText returns a job as "mirror1 (mirror, running, 45%)".
func jobText(j qemu.JobInfo) string {
	text := fmt.Sprintf("%s (%s, %s", j.ID, j.Type, j.Status)
	if j.TotalProgress > 0 {
		text += fmt.Sprintf(", %d%%", 100*j.CurrentProgress/j.TotalProgress)
	}
	return text + ")"
}

// connect connects to the daemon if there is no connection, for example because the daemon was restarted.
func (h *host) connect(ctx context.Context) error {
	if h.conn != nil && h.conn.Err() == nil {
		return nil
	}
	h.close()
	conn, err := qmplibvirt.Dial(ctx, h.address, nil)
	if err != nil {
		return err
	}
	watch, err := conn.Watch(ctx)
	if err != nil {
		conn.Close()
		return err
	}
	h.conn, h.watch, h.known = conn, watch, nil
	h.reading.Go(func() { h.follow(watch) })
	return nil
}

// follow notes the last event of each machine until the connection ends.
func (h *host) follow(watch *qmplibvirt.Watch) {
	for {
		e, err := watch.Next(context.Background())
		if errors.Is(err, qmp.ErrEventsLost) {
			continue // newer ones follow
		}
		if err != nil {
			return
		}
		text := e.QMP.Name
		if e.Lifecycle != 0 {
			text = e.Lifecycle.String()
		}
		h.mu.Lock()
		if h.events == nil {
			h.events = map[string]string{}
		}
		h.events[e.UUID] = time.Now().Format(time.TimeOnly) + " " + text
		if e.Lifecycle == qmplibvirt.Stopped {
			delete(h.events, e.UUID) // it has no row any more
		}
		h.mu.Unlock()
	}
}

// table returns the rows with the last events, or why the host has not answered.
func (h *host) table() ([]row, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	rows := append([]row(nil), h.rows...)
	for i := range rows {
		rows[i].event = h.events[rows[i].uuid]
	}
	if h.err != nil {
		return nil, errors.Unwrap(h.err) // write adds the address
	}
	return rows, nil
}

// close ends the connection. The machines run on.
func (h *host) close() {
	if h.conn == nil {
		return
	}
	h.conn.Close()
	h.reading.Wait()
	h.conn = nil
}
