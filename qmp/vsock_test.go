package qmp

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestParseVsock(t *testing.T) {
	for text, want := range map[string]vsockAddr{
		"2:1234":                {2, 1234},
		"0:0":                   {0, 0},
		"4294967295:4294967295": {1<<32 - 1, 1<<32 - 1},
		"003:010":               {3, 10}, // decimal all the same
	} {
		got, err := parseVsock(text)
		require.NoError(t, err, text)
		require.Equal(t, want, got, text)
	}
	require.Equal(t, "3:1234", vsockAddr{3, 1234}.String())
	require.Equal(t, "vsock", vsockAddr{}.Network())
}

func TestInvalidVsockAddresses(t *testing.T) {
	for _, text := range []string{
		"", ":", "2", "2:", ":1234", "2:1234:", "2:1234:5", " 2:1234", "2:1234 ", "2 :1234", "+2:1234", "-1:1234",
		"2:-1", "0x2:1234", "2:0x4d2", "1_0:1", "4294967296:1", "1:4294967296", "2.0:1", "host:1234", "2:qmp", "2,1234",
	} {
		for _, dial := range []func(string) error{dialFails, dialWaitFails, dialGuestFails} {
			err := dial("vsock:" + text)
			require.ErrorIs(t, err, errVsockAddress, text)
			require.EqualError(t, err, "qmp: vsock:"+text+": "+errVsockAddress.Error())
		}
	}
}

func dialFails(address string) error {
	_, err := Dial(context.Background(), address, nil)
	return err
}

func dialWaitFails(address string) error {
	_, err := DialWait(context.Background(), address, nil, nil)
	return err
}

func dialGuestFails(address string) error {
	_, err := DialGuest(context.Background(), address, nil)
	return err
}
