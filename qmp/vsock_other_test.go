//go:build !linux

package qmp

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestVsockElsewhere(t *testing.T) {
	for _, err := range []error{dialFails("vsock:2:1234"), dialWaitFails("vsock:2:1234")} {
		require.True(t, errors.Is(err, errors.ErrUnsupported), err)
		require.ErrorContains(t, err, "qmp: dial vsock 2:1234: vsock needs Linux")
	}
}
