package qmp_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/qmp"
)

func TestNonZero(t *testing.T) {
	require.Nil(t, qmp.NonZero(""))
	require.Nil(t, qmp.NonZero(0))
	require.Nil(t, qmp.NonZero(false))
	v := "a"
	p := qmp.NonZero(v)
	require.Equal(t, new("a"), p)
	*p = "b"
	require.Equal(t, "a", v, "it is a copy")
	require.Equal(t, new(int64(-1)), qmp.NonZero(int64(-1)))

	for _, v := range []uint32{0, 1} {
		require.Equal(t, v, qmp.Value(qmp.NonZero(v)))
	}
}
