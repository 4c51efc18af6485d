package migration

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"

	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
	"github.com/qmpkit/qmpkit/qmp/qmpschema"
)

// A Target is the place that a migration goes to or comes from. If it is malformed, Start and the other
// functions return an error before they send anything.
type Target struct {
	uri      string
	channels []qemu.MigrationChannel
	needs    string // what the QEMU must have, below the member channels
	file     *os.File
	fault    string
}

// Unix is a UNIX socket, at which the destination listens.
func Unix(path string) Target {
	if path == "" {
		return Target{fault: "a UNIX socket needs a path"}
	}
	return Target{uri: "unix:" + path}
}

// TCP is the address of a TCP socket, at which the destination listens: "host:port", or
// "[address]:port" for IPv6. The port is a number. For port 0 the destination takes a free port and
// reports it as SocketAddress in [Progress.Info].
func TCP(address string) Target {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return Target{fault: err.Error()}
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil || strings.Contains(host, ",") {
		return Target{fault: "address " + address + " is not a host and a port number"}
	}
	return Target{uri: "tcp:" + net.JoinHostPort(host, port)}
}

// FD is an open file: a socket that is connected to the destination, or one end of a socket pair whose
// other end the destination gets. QEMU gets a copy of the descriptor (getfd), and closes it if the
// migration does not begin. The caller must close the file when the migration has begun: while it is open,
// the other side does not see the end of the connection.
//
// The connection to QEMU must be a UNIX socket; see [qmp.WithFile].
func FD(file *os.File) Target {
	if file == nil {
		return Target{fault: "no file"}
	}
	return Target{file: file}
}

// File is a file to save the machine to or to load it from, at an offset in bytes. QEMU must be 8.2 or
// newer.
func File(path string, offset uint64) Target {
	if path == "" {
		return Target{fault: "a file needs a path"}
	}
	t := Channels(qemu.MigrationChannel{
		ChannelType: qemu.MigrationChannelTypeMain,
		Addr: qemu.MigrationAddress{
			Branch: &qemu.FileMigrationArgs{Filename: path, Offset: offset},
		},
	})
	t.needs = "/addr/+file"
	return t
}

// Channels is QEMU's description of a target, for targets that have no function in this package. QEMU must
// be 8.2 or newer.
func Channels(channels ...qemu.MigrationChannel) Target {
	if len(channels) == 0 {
		return Target{fault: "no channels"}
	}
	return Target{channels: channels}
}

// URI is QEMU's older description of a target: "exec:…", "vsock:…", "rdma:…".
func URI(uri string) Target { return Target{uri: uri} }

// check returns an error if a target is wrong for a command of this QEMU.
func (t Target) check(ctx context.Context, x qmp.Executor, command string) error {
	if t.fault == "" && t.uri == "" && t.channels == nil && t.file == nil {
		t.fault = "no target"
	}
	if t.fault != "" {
		return errors.New(t.fault)
	}
	if t.channels == nil {
		return nil
	}
	has, err := has(ctx, x, command+"/arg-type/channels"+t.needs)
	if err == nil && !has {
		err = fmt.Errorf("the target needs QEMU 8.2 or newer: %w", errors.ErrUnsupported)
	}
	return err
}

// has reports whether a QEMU's schema has a path.
func has(ctx context.Context, x qmp.Executor, path string) (bool, error) {
	schema, err := qmpschema.Query(ctx, x)
	if err != nil {
		return false, err
	}
	return schema.Has(path)
}
