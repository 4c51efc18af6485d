package machine

import (
	"context"
	"encoding/base64"
	"fmt"

	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

// ringbufPiece is the number of bytes that ReadRingbuf asks for at once.
const ringbufPiece = 1 << 20

// ReadRingbuf reads, and takes, all bytes that are in a character device of the kind "ringbuf": what a serial port has
// printed, for example. Bytes that are no UTF-8 are kept. The buffer keeps only the newest bytes. If ReadRingbuf fails, data
// has the bytes that it had read.
//
// Source: ringbuf-read.
func ReadRingbuf(ctx context.Context, x qmp.Executor, chardev string) (data []byte, err error) {
	for {
		text, err := qemu.RingbufRead{Device: chardev, Size: ringbufPiece, Format: new(qemu.DataFormatBase64)}.Do(ctx, x)
		if err != nil {
			return data, failed(fmt.Sprintf("read ring buffer %q", chardev), err)
		}
		piece, err := base64.StdEncoding.DecodeString(text)
		if err != nil {
			return data, failed(fmt.Sprintf("read ring buffer %q", chardev), &qmp.DecodeError{Command: "ringbuf-read", Reason: err.Error()})
		}
		data = append(data, piece...)
		if len(piece) < ringbufPiece {
			return data, nil
		}
	}
}
