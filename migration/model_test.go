package migration_test

import (
	"sync"

	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
	"github.com/qmpkit/qmpkit/qmp/qmptest"
)

// A model is a QEMU whose migration makes a step at each query-migrate. It changes its run state some
// queries later, as QEMU does.
type model struct {
	mu       sync.Mutex
	path     []qemu.MigrationStatus // the states that the migration goes through, the present one first
	begun    bool                   // by a command
	incoming bool
	run      qemu.RunState
	lag      int // how many times query-status still says what was
	cancels  int // how many migrate_cancel it got
}

// modelCommands are the commands that a model has.
var modelCommands = []string{
	"query-qmp-schema", "query-version", "query-status", "query-jobs", "query-migrate", "query-migrate-capabilities",
	"migrate-set-capabilities", "migrate", "migrate-incoming", "migrate_cancel", "migrate-start-postcopy", "migrate-continue",
}

// sends makes a model whose migration will go through these states. If it is begun it is in the first.
func sends(begun bool, path ...qemu.MigrationStatus) *model {
	m := &model{path: path, begun: begun, run: qemu.RunStateRunning}
	if m.status() == "completed" {
		m.run = qemu.RunStatePostmigrate
	}
	return m
}

// receives makes the model of a destination.
func receives(path ...qemu.MigrationStatus) *model {
	return &model{path: path, begun: true, incoming: true, run: qemu.RunStateInmigrate}
}

func (m *model) status() qemu.MigrationStatus {
	if !m.begun {
		return ""
	}
	return m.path[0]
}

func (m *model) becomes(status qemu.MigrationStatus) {
	m.path = append([]qemu.MigrationStatus{status}, m.path[1:]...)
	m.follow()
}

// follow changes the run state after the state of the migration.
func (m *model) follow() {
	after := map[qemu.MigrationStatus]qemu.RunState{
		"pre-switchover": "finish-migrate", "device": "finish-migrate", "postcopy-active": "finish-migrate",
		"completed": "postmigrate", "failed": "running", "cancelled": "running",
	}
	if m.incoming {
		after = map[qemu.MigrationStatus]qemu.RunState{"completed": "running"}
	}
	state, ok := after[m.status()]
	if !ok {
		return
	}
	if m.run = state; !m.incoming && state != "finish-migrate" {
		m.lag = 2
	}
}

func (m *model) runState() qemu.RunState {
	if m.lag > 0 {
		return qemu.RunStateFinishMigrate
	}
	return m.run
}

func (m *model) execute(r *qmptest.Request) (any, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch r.Command {
	case "query-qmp-schema":
		return exampleSchema(), nil
	case "query-version":
		return map[string]any{"qemu": map[string]int{"major": 7, "minor": 2, "micro": 0}, "package": ""}, nil
	case "query-jobs":
		return []any{}, nil
	case "query-migrate-capabilities":
		return []map[string]any{
			{"capability": "postcopy-ram", "state": true}, {"capability": "pause-before-switchover", "state": true},
		}, nil
	case "query-status":
		state := m.runState()
		m.lag = max(0, m.lag-1)
		return map[string]any{"status": state, "running": state == "running"}, nil
	case "query-migrate":
		status := m.status()
		waits := status == "pre-switchover" || status == "postcopy-paused"
		if m.begun && len(m.path) > 1 && !waits {
			m.path = m.path[1:]
			m.follow()
		}
		if status == "" {
			return map[string]any{}, nil
		}
		return map[string]any{"status": status, "total-time": 1}, nil
	case "migrate", "migrate-incoming":
		if m.begun = true; m.path[0] == "postcopy-paused" {
			m.path = m.path[1:]
		}
	case "migrate_cancel":
		m.cancels++
		switch m.status() {
		case "setup", "active", "pre-switchover":
			m.path = m.path[:1]
			m.becomes("cancelled")
		}
	case "migrate-start-postcopy":
		m.path = append(m.path[:1], "completed")
		m.becomes("postcopy-active")
	case "migrate-continue":
		if m.status() == "pre-switchover" {
			m.path = m.path[1:]
			m.follow()
		}
	}
	return nil, nil
}
