// Package failures looks at the errors of commands that a server may not have.
package failures

import (
	"context"
	"errors"
	"fmt"
	"log"
	"strings"

	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"

	"example.org/vet/caps"
)

type vm struct {
	c     *qmp.Client
	stats bool
}

func (v *vm) class(ctx context.Context) error {
	_, err := qemu.QueryStats{}.Do(ctx, v.c)
	var qe *qmp.Error
	if errors.As(err, &qe) && qe.Class == qmp.ErrCommandNotFound {
		return nil
	}
	return err
}

func (v *vm) classSwitch(ctx context.Context) error {
	_, err := qemu.QueryStats{}.Do(ctx, v.c)
	var qe *qmp.Error
	if errors.As(err, &qe) {
		switch qe.Class {
		case qmp.ErrCommandNotFound:
			return nil
		}
	}
	return err
}

func (v *vm) classType(ctx context.Context) error {
	_, err := qemu.QueryStats{}.Do(ctx, v.c)
	if e, ok := errors.AsType[*qmp.Error](err); ok && e.Class == "CommandNotFound" {
		return nil
	}
	return err
}

func (v *vm) otherClass(ctx context.Context) error {
	_, err := qemu.QueryStats{}.Do(ctx, v.c) // want `query-stats`
	var qe *qmp.Error
	if errors.As(err, &qe) && qe.Class == qmp.ErrDeviceNotFound {
		return nil
	}
	return err
}

func (v *vm) wrapped(ctx context.Context) error {
	_, err := qemu.QueryStats{}.Do(ctx, v.c)
	if err != nil {
		err = fmt.Errorf("stats: %w", err)
	}
	if errors.Is(err, errors.ErrUnsupported) {
		return nil
	}
	return err
}

func isMissing(err error) bool {
	return err != nil && (errors.Is(err, qmp.ErrCommandNotFound) || errors.Is(err, errors.ErrUnsupported))
}

func (v *vm) helper(ctx context.Context) error {
	if _, err := (qemu.QueryStats{}).Do(ctx, v.c); isMissing(err) {
		return nil
	}
	_, err := qemu.QueryStatsSchemas{}.Do(ctx, v.c)
	if caps.IsMissing(err) {
		return nil
	}
	_ = qemu.BlockdevAdd{Active: new(true)} // want `7.1 to 9.2 lack it`
	return err
}

func (v *vm) text(ctx context.Context) error {
	_, err := qemu.QueryStats{}.Do(ctx, v.c)
	if err != nil && strings.Contains(err.Error(), "has not been found") {
		return nil
	}
	return err
}

func (v *vm) fallback(ctx context.Context) error {
	err := qemu.BlockdevReopen{}.Do(ctx, v.c)
	if errors.Is(err, qmp.ErrCommandNotFound) {
		_, err = qmp.Raw{Command: "x-blockdev-reopen"}.Do(ctx, v.c)
	}
	return err
}

func (v *vm) anyFailure(ctx context.Context) error {
	if err := (qemu.BlockdevReopen{}).Do(ctx, v.c); err != nil {
		return qemu.Stop{}.Do(ctx, v.c)
	}
	return nil
}

func (v *vm) probe(ctx context.Context) {
	_, err := qemu.QueryStats{}.Do(ctx, v.c)
	v.stats = err == nil
	if _, err := (qemu.QueryStatsSchemas{}).Do(ctx, v.c); err == nil {
		qemu.QueryStats{}.Do(ctx, v.c)
		_ = qemu.BlockdevAdd{Active: new(true)} // want `7.1 to 9.2 lack it`
	}
}

func (v *vm) probed(ctx context.Context) {
	if v.stats {
		qemu.QueryStats{}.Do(ctx, v.c)
		_ = qemu.BlockdevAdd{Active: new(true)} // want `7.1 to 9.2 lack it`
	}
}

func (v *vm) fails(ctx context.Context) error {
	if _, err := (qemu.QueryStats{}).Do(ctx, v.c); err != nil { // want `query-stats`
		return fmt.Errorf("stats: %w", err)
	}
	if _, err := (qemu.QueryStats{}).Do(ctx, v.c); err != nil {
		return errors.New("no stats")
	}
	return nil
}

func (v *vm) logs(ctx context.Context) {
	err := qemu.BlockdevReopen{}.Do(ctx, v.c) // want `blockdev-reopen`
	if err != nil {
		log.Printf("reopen: %v", err)
		return
	}
}

func (v *vm) byHelper(ctx context.Context) error {
	err := v.queryStats(ctx)
	if errors.Is(err, errors.ErrUnsupported) {
		return nil
	}
	return err
}

func (v *vm) queryStats(ctx context.Context) error {
	_, err := qemu.QueryStats{}.Do(ctx, v.c)
	return err
}

func (v *vm) unrelated(ctx context.Context) error {
	_, err := qemu.QueryStatus{}.Do(ctx, v.c)
	if errors.Is(err, errors.ErrUnsupported) {
		return nil
	}
	_, err = qemu.QueryStats{}.Do(ctx, v.c) // want `query-stats`
	return err
}

func (v *vm) retries(ctx context.Context) error {
	for {
		_, err := qemu.QueryStats{}.Do(ctx, v.c)
		switch {
		case err == nil:
			return nil
		case errors.Is(err, qmp.ErrNotSent):
			continue
		case errors.Is(err, qmp.ErrCommandNotFound):
			return nil
		}
		return err
	}
}
