package migration_test

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"

	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
	"github.com/qmpkit/qmpkit/qmp/qmptest"
)

// exampleQEMU calls f with a client of a QEMU that prints its commands and reports these states
// of its migration, one after the other.
func exampleQEMU(f func(ctx context.Context, client *qmp.Client) error, states ...qemu.MigrationStatus) {
	var p qmptest.Program
	defer func() {
		if err := p.Close(); err != nil {
			fmt.Println(err)
		}
	}()
	s := qmptest.NewServer(&p, nil)
	var mu sync.Mutex
	for _, command := range []string{
		"migrate", "migrate-incoming", "migrate-set-parameters", "migrate-set-capabilities", "migrate_cancel",
		"migrate-start-postcopy", "migrate-continue", "migrate-recover", "getfd", "cont", "quit",
	} {
		s.Handle(command, func(r *qmptest.Request) (any, error) {
			fmt.Println(strings.TrimSpace(command + " " + string(r.Arguments)))
			mu.Lock()
			defer mu.Unlock()
			if command == "migrate_cancel" {
				states = []qemu.MigrationStatus{"cancelled"}
			}
			return nil, nil
		})
	}
	s.Handle("query-qmp-schema", qmptest.Return(exampleSchema()))
	s.Handle("query-status", func(*qmptest.Request) (any, error) {
		mu.Lock()
		defer mu.Unlock()
		if slices.Equal(states, []qemu.MigrationStatus{"completed"}) {
			return qemu.StatusInfo{Status: qemu.RunStatePostmigrate}, nil
		}
		return qemu.StatusInfo{Status: qemu.RunStateRunning, Running: true}, nil
	})
	s.Handle("query-migrate-capabilities", qmptest.Return([]qemu.MigrationCapabilityStatus{
		{Capability: qemu.MigrationCapabilityPostcopyRAM, State: true},
		{Capability: qemu.MigrationCapabilityPauseBeforeSwitchover, State: true},
	}))
	s.Handle("query-migrate", func(*qmptest.Request) (any, error) {
		mu.Lock()
		defer mu.Unlock()
		if len(states) == 0 {
			return qemu.MigrationInfo{}, nil
		}
		status := states[0]
		if len(states) > 1 { // there is more to be asked for
			states = states[1:]
			s.Event(qemu.EventMigration, map[string]any{"status": status})
		}
		return exampleInfo(status), nil
	})
	if err := f(context.Background(), s.Dial()); err != nil {
		fmt.Println(err)
	}
}

func exampleInfo(status qemu.MigrationStatus) map[string]any {
	info := map[string]any{"status": status, "total-time": 2000}
	switch status {
	case qemu.MigrationStatusCompleted:
		info["downtime"] = 37
	case qemu.MigrationStatusFailed:
		info["error-desc"] = "Connection refused"
	case qemu.MigrationStatusActive:
		info["expected-downtime"] = 120
		ram := map[string]any{"remaining": 512 << 20, "total": int64(2 << 30), "transferred": 1 << 30, "mbps": 800.0}
		for _, name := range []string{
			"duplicate", "normal", "normal-bytes", "dirty-pages-rate", "dirty-sync-count", "postcopy-requests",
			"page-size", "multifd-bytes", "pages-per-second", "precopy-bytes", "downtime-bytes", "postcopy-bytes",
			"dirty-sync-missed-zero-copy",
		} {
			ram[name] = 0
		}
		ram["dirty-sync-count"] = 3
		info["ram"] = ram
	}
	return info
}

// exampleSchema has the parts that this package asks for.
func exampleSchema() []map[string]any {
	member := func(name, typ string) map[string]any { return map[string]any{"name": name, "type": typ} }
	object := func(name string, members ...map[string]any) map[string]any {
		return map[string]any{"name": name, "meta-type": "object", "members": members}
	}
	command := func(name, args string) map[string]any {
		return map[string]any{"name": name, "meta-type": "command", "arg-type": args, "ret-type": "empty"}
	}
	address := object("address", member("transport", "str"))
	address["tag"] = "transport"
	address["variants"] = []map[string]any{{"case": "file", "type": "empty"}}
	return []map[string]any{
		command("migrate", "target"), command("migrate-incoming", "target"), command("migrate-set-parameters", "parameters"),
		object("target", member("channels", "[channel]"), member("exit-on-error", "bool")),
		object("parameters", member("max-postcopy-bandwidth", "int")),
		{"name": "[channel]", "meta-type": "array", "element-type": "channel"},
		object("channel", member("addr", "address")), address, object("empty", []map[string]any{}...),
		{"name": "str", "meta-type": "builtin", "json-type": "string"},
		{"name": "int", "meta-type": "builtin", "json-type": "int"},
		{"name": "bool", "meta-type": "builtin", "json-type": "boolean"},
	}
}

// exampleSocket is a file that stands for a socket.
func exampleSocket() *os.File {
	f, err := os.Open(os.DevNull)
	if err != nil {
		panic(err)
	}
	return f
}
