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

// ReadRingbuf reads all bytes of a character device of the kind "ringbuf", for example the output of a serial port. It takes
// the bytes out of the device. They can be any bytes, not only UTF-8. The device keeps only the newest ones. If ReadRingbuf
// fails, data has the bytes that it has read before.
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
