package machine

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"image"
	"image/png"
	"io"
	"os"
	"time"

	"github.com/qmpkit/qmpkit/internal/wait"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
	"github.com/qmpkit/qmpkit/qmp/qmpfd"
)

// ScreendumpOptions configures [Screendump]. nil and the zero value are a picture of the first screen, in the format PPM.
type ScreendumpOptions struct {
	// Format is the format of the picture. PNG works with all versions of QEMU: Screendump encodes it.
	Format qemu.ImageFormat

	Device string // the ID of a display device; by default, the first console
	Head   int64  // of the device
}

// cleanupLimit is the time for cleaning up after an operation whose context has ended.
const cleanupLimit = 15 * time.Second

// Screendump writes a picture of the machine's screen. The machine needs a display device, but no display. QEMU writes into
// a temporary file without a name, in [os.TempDir]. If the machine is stopped, QEMU 5.2 and 7.2 keep the descriptor of that
// file until the machine runs and the connection ends.
//
// Screendump returns an error that matches:
//   - [qmp.ErrDeviceNotFound]: there is no such display device.
//   - [*qmp.Error]: QEMU refused, for example because the machine has no screen.
//   - [errors.ErrUnsupported]: the connection cannot carry descriptors, or there is no such format.
//
// Source: add-fd, screendump, remove-fd.
func Screendump(ctx context.Context, x qmp.Executor, w io.Writer, opts *ScreendumpOptions) error {
	if opts == nil {
		opts = &ScreendumpOptions{}
	}
	return failed("screendump", screendump(ctx, x, w, opts))
}

func screendump(ctx context.Context, x qmp.Executor, w io.Writer, opts *ScreendumpOptions) error {
	write := copyPicture
	switch opts.Format {
	case "", qemu.ImageFormatPPM:
	case qemu.ImageFormatPNG: // QEMU 7.1 has it, but up to 11.1 keeps the set of descriptors for ever then
		write = encodePNG
	default:
		return fmt.Errorf("%w: format %q", errors.ErrUnsupported, opts.Format)
	}
	to, from, err := namelessFile()
	if err != nil {
		return err
	}
	defer from.Close()
	defer to.Close()
	if err := drawInto(ctx, x, to, opts); err != nil {
		return err
	}
	return write(w, from)
}

// drawInto makes QEMU write the picture into a file.
func drawInto(ctx context.Context, x qmp.Executor, to *os.File, opts *ScreendumpOptions) (err error) {
	set, err := qmpfd.AddSet(ctx, x, to.Name(), to)
	if err != nil {
		return err
	}
	defer func() {
		ctx, cancel := wait.Detach(ctx, cleanupLimit)
		defer cancel()
		if removeErr := set.Remove(ctx); !errors.Is(removeErr, qmpfd.ErrKept) {
			err = errors.Join(err, removeErr)
		}
	}()
	request := qemu.Screendump{Filename: set.Path(), Device: qmp.NonZero(opts.Device)}
	if opts.Device != "" {
		request.Head = &opts.Head
	}
	return request.Do(ctx, x)
}

// namelessFile returns a new file that has no name any more, open for writing and for reading. QEMU takes only a file that is
// not open for reading.
func namelessFile() (to, from *os.File, err error) {
	from, err = os.CreateTemp("", "qmpkit-*")
	if err != nil {
		return nil, nil, err
	}
	to, err = os.OpenFile(from.Name(), os.O_WRONLY, 0)
	if err := errors.Join(err, os.Remove(from.Name())); err != nil {
		from.Close()
		to.Close()
		return nil, nil, err
	}
	return to, from, nil
}

func copyPicture(w io.Writer, ppm *os.File) error {
	_, err := io.Copy(w, ppm)
	return err
}

// encodePNG encodes a picture of QEMU as PNG.
func encodePNG(w io.Writer, ppm *os.File) error {
	r := bufio.NewReader(ppm)
	var width, height int
	if _, err := fmt.Fscanf(r, "P6\n%d %d\n255\n", &width, &height); err != nil {
		return fmt.Errorf("picture of QEMU is no PPM: %w", err)
	}
	const maxSide = 1 << 15
	if width < 0 || width > maxSide || height < 0 || height > maxSide {
		return fmt.Errorf("picture of QEMU has %d × %d pixels", width, height)
	}
	picture := image.NewRGBA(image.Rect(0, 0, width, height))
	row := make([]byte, 3*width)
	for y := range height {
		if _, err := io.ReadFull(r, row); err != nil {
			return fmt.Errorf("picture of QEMU is incomplete: %w", err)
		}
		for x := range width {
			pixel := picture.Pix[picture.PixOffset(x, y):]
			pixel[0], pixel[1], pixel[2], pixel[3] = row[3*x], row[3*x+1], row[3*x+2], 0xff
		}
	}
	return png.Encode(w, picture)
}
