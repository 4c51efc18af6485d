// Package caps asks a server for other packages.
package caps

import (
	"context"
	"errors"
	"fmt"

	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/introspect"
	"github.com/qmpkit/qmpkit/qmp/qmpschema"
)

// HasStats asks for one thing.
func HasStats(ctx context.Context, c *qmp.Client) bool {
	s, err := qmpschema.Query(ctx, c)
	if err != nil {
		return false
	}
	ok, err := s.Has("query-stats")
	return err == nil && ok
}

// Has asks for what the caller wants.
func Has(s *introspect.Schema, path string) bool { ok, _ := s.Has(path); return ok }

// Need fails if the server lacks a path.
func Need(s *introspect.Schema, path string) error {
	ok, err := s.Has(path)
	if err != nil {
		return err
	}
	if !ok {
		return fmt.Errorf("no %s", path)
	}
	return nil
}

// AtLeast compares a version.
func AtLeast(v qmp.Version, major, minor int) bool {
	return v.Major > major || v.Major == major && v.Minor >= minor
}

// IsMissing looks at an error.
func IsMissing(err error) bool {
	var e *qmp.Error
	return errors.Is(err, errors.ErrUnsupported) || errors.As(err, &e) && e.Class == qmp.ErrCommandNotFound
}

// Must ends the program.
func Must(ok bool) {
	if !ok {
		panic("too old")
	}
}

// Die never returns.
func Die(text string) { panic(text) }

// Caps has answers.
type Caps struct {
	Stats, Active bool
	Extra         map[string]bool
	Version       qmp.Version
	Debug         bool
}

// Load fills a Caps.
func Load(s *introspect.Schema, c *qmp.Client) (caps Caps, err error) {
	if caps.Stats, err = s.Has("query-stats"); err != nil {
		return caps, err
	}
	if ok, _ := s.Has("blockdev-add/arg-type/active"); ok {
		caps.Active = true
	}
	caps.Extra = map[string]bool{}
	for _, path := range []string{"block-export-add", "blockdev-reopen"} {
		caps.Extra[path], _ = s.Has(path)
	}
	caps.Version = c.Version()
	return caps, nil
}

// Level is a number that stands for what the server has.
func (c Caps) Level() int {
	switch {
	case c.Active:
		return 2
	case c.Stats:
		return 1
	}
	return 0
}

// Plain says nothing of the server.
func Plain(n int) bool { return n > 3 }

// Ignore drops an error of a command that the server lacks.
func Ignore(err error) error {
	if errors.Is(err, errors.ErrUnsupported) {
		return nil
	}
	return err
}

// All reports whether a schema has all paths.
func All(s *introspect.Schema, paths ...string) bool {
	for _, p := range paths {
		if ok, err := s.Has(p); err != nil || !ok {
			return false
		}
	}
	return true
}

// Require returns an error if a schema lacks a path.
func Require(s *introspect.Schema, path string) error {
	ok, err := s.Has(path)
	if err != nil {
		return err
	}
	if !ok {
		return fmt.Errorf("%s: %w", path, errors.ErrUnsupported)
	}
	return nil
}

// Execute executes a command by its name.
func Execute(ctx context.Context, x qmp.Executor, name string, args qmp.Args) error {
	_, err := qmp.Raw{Command: name, Args: args}.Do(ctx, x)
	return err
}
