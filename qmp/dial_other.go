//go:build !linux

package qmp

import (
	"context"
	"net"
)

// dialPath connects to a socket. The system judges the length of the path.
func dialPath(ctx context.Context, path string) (net.Conn, error) { return connectUNIX(ctx, path) }
