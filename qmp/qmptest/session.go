package qmptest

import (
	"slices"
	"strings"

	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/introspect"
)

// newSession returns the schema of the commands that the server executes itself. Its capabilities
// may be some that QEMU does not know.
func newSession(capabilities []string) *introspect.Schema {
	capability := &introspect.Enum{Header: introspect.Header{Name: "3"}}
	for _, name := range append([]string{"oob"}, capabilities...) {
		capability.Members = append(capability.Members, introspect.EnumMember{Name: name})
	}
	return introspect.New([]introspect.Info{
		&introspect.Command{Header: introspect.Header{Name: "qmp_capabilities"}, ArgType: "1"},
		&introspect.Command{Header: introspect.Header{Name: "guest-sync"}, ArgType: "2"},
		&introspect.Command{Header: introspect.Header{Name: "guest-sync-delimited"}, ArgType: "2"},
		&introspect.Object{
			Header:  introspect.Header{Name: "1"},
			Members: []introspect.Member{{Name: "enable", Type: "[3]", Optional: true}},
		},
		&introspect.Object{
			Header:  introspect.Header{Name: "2"},
			Members: []introspect.Member{{Name: "id", Type: "int"}},
		},
		&introspect.Array{Header: introspect.Header{Name: "[3]"}, ElementType: "3"},
		capability,
		&introspect.Builtin{Header: introspect.Header{Name: "int"}, JSONType: "int"},
	})
}

// negotiate executes qmp_capabilities. It answers by itself, so that no event can come before
// the reply, nor be lost after it.
func (c *conn) negotiate(r *Request) (any, error) {
	if h := c.server.handler(r.Command); h != nil {
		if value, err := h(r); value != nil || err != nil {
			return value, err
		}
	}
	enable, err := c.capabilities(r)
	switch {
	case err != nil:
		return nil, err
	case c.ready:
		return nil, &qmp.Error{
			Class: qmp.ErrCommandNotFound,
			Desc:  "Capabilities negotiation is already complete, command ignored",
		}
	}
	c.oob = slices.Contains(enable, "oob")
	c.writes.Lock()
	defer c.writes.Unlock()
	c.ready = true
	c.writeLocked(c.marshal(returnMessage{Return: struct{}{}, ID: r.ID}))
	return nil, ErrNoReply
}

// capabilities returns the capabilities that the client enables.
func (c *conn) capabilities(r *Request) ([]string, error) {
	if wrong := c.server.checkSession(r); wrong != nil {
		return nil, wrong
	}
	var args struct{ Enable []string }
	if err := r.Decode(&args); err != nil {
		return nil, err
	}
	missing := slices.DeleteFunc(slices.Clone(args.Enable), func(name string) bool {
		return slices.Contains(c.server.options.Capabilities, name)
	})
	if len(missing) > 0 {
		return nil, refuse("Capability " + strings.Join(missing, ", ") + " not available")
	}
	return args.Enable, nil
}

// drains reports whether the command only makes the server close descriptors that no command
// has taken, see [qmp.WithFile]: it takes one, and fails.
func (r *Request) drains() bool {
	var args struct{ Fdname string }
	return r.Command == "getfd" && len(r.Files) == 0 && r.Decode(&args) == nil && args.Fdname == "0"
}

func (c *conn) drain(r *Request) error {
	if wrong := c.server.check(r); wrong != nil {
		return wrong
	}
	if len(c.files.files) == 0 {
		return refuse("No file descriptor supplied via SCM_RIGHTS")
	}
	c.files.close()
	return refuse("Parameter 'fdname' expects a name not starting with a digit")
}
