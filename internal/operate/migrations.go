package operate

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/qmpkit/qmpkit/migration"
)

var migrationOperations = []Operation{
	{
		Name: "migrate to", Help: "Send the machine to another QEMU; if the command is interrupted, the machine stays here",
		Args: []Arg{
			{Name: "address", Kind: "text", Required: true, Positional: true, Help: "HOST:PORT, unix:PATH, file:PATH, or another URI of QEMU"},
			{Name: "bandwidth", Kind: "size", Help: "limit in bytes a second; it also holds for later migrations"},
			{Name: "downtime", Kind: "duration", Help: "longest time that the machine may stand still; it also holds for later migrations"},
			{Name: "detach", Kind: "bool", Default: "off", Help: "only begin; migrate status and migrate wait report the rest"}},
		Run: migrateTo,
	},
	{
		Name: "migrate wait", Help: "Wait until a migration that was begun has ended; if the command is interrupted, the migration continues",
		Run: func(ctx context.Context, env *Env, _ Values) error {
			p, err := migration.Wait(ctx, env.conn(), &migration.Options{Progress: env.migration})
			return env.done(err, "the machine is sent, after %v; it stood still for %v", p.Elapsed, p.Downtime)
		},
	},
	{
		Name: "migrate listen", Help: "Receive a machine, in a QEMU that was started with -incoming defer",
		Args: []Arg{{Name: "address", Kind: "text", Required: true, Positional: true, Help: "HOST:PORT, unix:PATH, file:PATH, or another URI of QEMU"}},
		Run: func(ctx context.Context, env *Env, v Values) error {
			if err := migration.StartIncoming(ctx, env.conn(), address(v.text("address"))); err != nil {
				return err
			}
			env.say("listens at %s", v.text("address"))
			_, err := migration.WaitIncoming(ctx, env.conn(), &migration.IncomingOptions{Progress: env.migration})
			return env.done(err, "the machine is here")
		},
	},
	{
		Name: "migrate status", Help: "Show how far the migration is",
		Run: func(ctx context.Context, env *Env, _ Values) error {
			p, err := migration.Query(ctx, env.conn())
			switch {
			case err != nil:
				return err
			case p.Status == "":
				return env.result(map[string]any{}, "no migration")
			}
			return env.result(map[string]any{"status": p.Status, "total": p.Total, "remaining": p.Remaining, "elapsed": p.Elapsed.Seconds(),
				"downtime": p.Downtime.Seconds()}, fmt.Sprint(p))
		},
	},
	{
		Name: "migrate cancel", Help: "Cancel the migration that this QEMU sends; the machine stays here",
		Args: []Arg{{Name: "timeout", Kind: "duration", Default: "30s", Help: "how long to wait for QEMU"}},
		Run: limited(func(ctx context.Context, env *Env, _ Values) error {
			_, err := migration.Cancel(ctx, env.conn())
			return env.done(err, "no migration is running")
		}),
	},
}

func (env *Env) migration(p migration.Progress) {
	env.progress("migrate: "+string(p.Status), p.Total-p.Remaining, p.Total)
}

func migrateTo(ctx context.Context, env *Env, v Values) error {
	if v.has("bandwidth") || v.has("downtime") {
		limits := migration.Limits{Bandwidth: uint64(v.size("bandwidth")), Downtime: v.duration("downtime")}
		if err := migration.SetLimits(ctx, env.conn(), limits); err != nil {
			return err
		}
	}
	to := address(v.text("address"))
	if v.bool("detach") {
		return env.done(migration.Start(ctx, env.conn(), to), "the migration has begun")
	}
	p, err := migration.Run(ctx, env.conn(), to, &migration.Options{Progress: env.migration})
	if errors.Is(err, migration.ErrUnknown) {
		return fmt.Errorf("%w; ask with migrate status", err)
	}
	return env.done(err, "the machine is sent, after %v; it stood still for %v", p.Elapsed, p.Downtime)
}

// address returns the target that a person has typed.
func address(text string) migration.Target {
	kind, rest, _ := strings.Cut(text, ":")
	switch kind {
	case "tcp":
		return migration.TCP(rest)
	case "unix":
		return migration.Unix(absolute(rest))
	case "file":
		return migration.File(absolute(rest), 0)
	case "exec", "fd", "rdma", "vsock":
		return migration.URI(text)
	}
	return migration.TCP(text)
}
