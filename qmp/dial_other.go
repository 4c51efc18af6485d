//go:build !linux

package qmp

import (
	"context"
	"math"
	"net"
)

// maxSocketPath has no meaning here: the system judges the length.
const maxSocketPath = math.MaxInt

func dialLongPath(ctx context.Context, path string) (net.Conn, error) { return dialUNIX(ctx, path) }
