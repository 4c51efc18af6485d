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

// A Target is where a migration goes, or where it comes from. What is wrong with it is told by the
// function that it is given to, before anything is sent.
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
// "[address]:port" for IPv6. The port is a number. A destination that is told 0 takes a free one,
// and tells which: [Progress.Info] has it as SocketAddress.
func TCP(address string) Target {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return Target{fault: err.Error()}
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil || strings.Contains(host, ",") {
		return Target{fault: "address " + address + ": not a host and the number of a port"}
	}
	return Target{uri: "tcp:" + net.JoinHostPort(host, port)}
}

// FD is an open descriptor: a socket that is connected to the destination, or one end of a socket
// pair whose other end the destination is given. It is sent to QEMU (getfd), and closed there when
// the migration does not begin. The file remains the caller's, who closes it once the migration has
// begun: as long as it is open, the other side does not see the connection end.
//
// The connection to QEMU must be a UNIX socket, see [qmp.WithFile].
func FD(file *os.File) Target {
	if file == nil {
		return Target{fault: "no file"}
	}
	return Target{file: file}
}

// File is a file that the machine is saved to, or loaded from, at an offset in bytes. QEMU must be
// 8.2 or newer.
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

// Channels are QEMU's own description of a target, for all that there is no function for. QEMU must
// be 8.2 or newer.
func Channels(channels ...qemu.MigrationChannel) Target {
	if len(channels) == 0 {
		return Target{fault: "no channels"}
	}
	return Target{channels: channels}
}

// URI is QEMU's older description of a target: "exec:…", "vsock:…", "rdma:…".
func URI(uri string) Target { return Target{uri: uri} }

// check tells what is wrong with a target, for a command of this QEMU.
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
		err = fmt.Errorf("this QEMU takes no such target, 8.2 and newer do: %w", errors.ErrUnsupported)
	}
	return err
}

// has tells whether a QEMU's schema has a path.
func has(ctx context.Context, x qmp.Executor, path string) (bool, error) {
	schema, err := qmpschema.Query(ctx, x)
	if err != nil {
		return false, err
	}
	return schema.Has(path)
}
