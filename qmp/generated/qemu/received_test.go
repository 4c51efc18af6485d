package qemu_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
	"github.com/qmpkit/qmpkit/qmp/wire"
)

// decodeAs decodes a result of the type.
func decodeAs[T any, P interface {
	*T
	wire.MemberDecoder
}](text string) (v T, err error) {
	call := &qmp.Call{Command: "x", Result: func(d *wire.Decoder) { d.Object(P(&v)) }}
	return v, call.Decode([]byte(text))
}

// TestResultsWithoutDiscriminator decodes what servers answer to which a union of today is a struct,
// or that lack its discriminator for any other reason: no member is lost.
func TestResultsWithoutDiscriminator(t *testing.T) {
	sev, err := decodeAs[qemu.SEVInfo](`{"enabled": true, "api-major": 1, "api-minor": 55, "build-id": 34,
		"state": "running", "policy": 3, "handle": 1}`) // QEMU before 9.1
	require.NoError(t, err)
	require.Equal(t, qemu.SEVInfo{Enabled: true, APIMajor: 1, APIMinor: 55, BuildID: 34, State: "running",
		SEVType: "sev", Branch: &qemu.SEVGuestInfo{Policy: 3, Handle: 1}}, sev)

	sev, err = decodeAs[qemu.SEVInfo](`{"snp-policy": 7, "sev-type": "sev-snp", "enabled": true}`) // 9.1
	require.NoError(t, err)
	require.Equal(t, &qemu.SEVSNPGuestInfo{SNPPolicy: 7}, sev.Branch)

	job, err := decodeAs[qemu.BlockJobInfo](`{"actively-synced": true, "device": "d"}`)
	require.NoError(t, err)
	require.Equal(t, &qemu.RawBranch{Members: qmp.Args{"actively-synced": true}}, job.Branch)
	require.Equal(t, "d", job.Device)
}

// TestRepeatedMembers decodes results in which a member comes twice. None is taken, whatever else is
// there.
func TestRepeatedMembers(t *testing.T) {
	for _, text := range []string{
		`{"type": "0", "type": ""}`,
		`{"x": 1, "type": "0", "type": ""}`,
		`{"type": "mirror", "type": "commit", "actively-synced": true}`,
		`{"actively-synced": true, "type": "mirror", "actively-synced": true}`,
		`{"type": "mirror", "actively-synced": true, "x": 1, "x": 2}`,
		`{"type": "new", "x": 1, "x": 2}`,
		`{"x": 1, "x": 2}`,
		`{"error": "a", "error": "b"}`,
	} {
		_, err := decodeAs[qemu.BlockJobInfo](text)
		var decode *qmp.DecodeError
		require.ErrorAs(t, err, &decode, text)
		require.Equal(t, "repeated member", decode.Reason, text)
	}
}
