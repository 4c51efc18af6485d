package operate

import (
	"context"
	"errors"
	"fmt"
	"image/jpeg"
	"image/png"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/qmpkit/qmpkit/machine"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
	"github.com/qmpkit/qmpkit/qom"
)

var machineOperations = []Operation{
	{
		Name: "screenshot", Help: "Write a picture of the screen into a new file: PNG, or JPEG or PPM if the name of the file says so",
		Args: []Arg{{Name: "file", Kind: "file", Required: true, Positional: true, Help: "the new file; - is the output"},
			{Name: "device", Kind: "device", Help: "ID of a display device; by default the first screen"},
			{Name: "head", Kind: "int", Help: "head of the device"}},
		Run: func(ctx context.Context, env *Env, v Values) error {
			opts := &machine.ScreendumpOptions{Format: qemu.ImageFormatPNG, Device: v.text("device"), Head: v.int("head")}
			write := func(w io.Writer) error { return machine.Screendump(ctx, env.conn(), w, opts) }
			switch ending := strings.ToLower(filepath.Ext(v.text("file"))); ending {
			case ".ppm":
				opts.Format = qemu.ImageFormatPPM
			case ".jpg", ".jpeg":
				write = func(w io.Writer) error { return screenJPEG(ctx, env.conn(), w, opts) }
			case ".bmp", ".gif", ".tif", ".tiff", ".webp", ".svg", ".pdf":
				return mistake("file: a name that ends with .png, .jpg or .ppm expected, not %s", ending)
			}
			err := env.create(v.text("file"), write)
			return env.wrote(err, v.text("file"), "the screen")
		},
	},
	{
		Name: "dump memory", Help: "Write the memory of the machine into a new file; the machine pauses",
		Args: []Arg{{Name: "file", Kind: "file", Required: true, Positional: true, Help: "the new file; - is the output"},
			{Name: "format", Kind: "enum:elf,kdump-zlib,kdump-lzo,kdump-snappy,kdump-raw-zlib,kdump-raw-lzo,kdump-raw-snappy,win-dmp", Default: "elf", Help: "format of the dump"},
			{Name: "paging", Kind: "bool", Default: "off", Help: "with the guest's virtual addresses"}},
		Run: func(ctx context.Context, env *Env, v Values) error {
			err := env.create(v.text("file"), func(w io.Writer) error {
				return machine.DumpMemory(ctx, env.conn(), w, &machine.DumpOptions{Format: qemu.DumpGuestMemoryFormat(v.text("format")),
					Paging: v.bool("paging"), Progress: func(completed, total int64) { env.progress("dump", completed, total) }})
			})
			return env.wrote(err, v.text("file"), "the memory")
		},
	},
	{
		Name: "console", Help: "Show what comes from a character device, and send it the input; Ctrl-C ends the command",
		Args: []Arg{{Name: "chardev", Kind: "chardev", Required: true, Positional: true,
			Help: "a ringbuf (output only), a pty, or a socket on which QEMU listens"},
			{Name: "follow", Kind: "bool", Default: "off", Help: "of a ringbuf: wait for more"}},
		Run: console,
	},
	{
		Name: "hmp", Help: "Execute a command of the human monitor",
		Args: []Arg{{Name: "command", Kind: "text", Required: true, Positional: true, Rest: true, Help: "the command: info mtree"}},
		Run: func(ctx context.Context, env *Env, v Values) error {
			output, err := machine.HumanMonitor(ctx, env.conn(), strings.Join(v["command"], " "))
			if err == nil {
				_, err = io.WriteString(env.Out, strings.ReplaceAll(output, "\r\n", "\n"))
			}
			return err
		},
	},
	{
		Name: "set balloon", Help: "Make the balloon leave the guest this much memory, and wait for it",
		Args: []Arg{{Name: "size", Kind: "size", Required: true, Positional: true, Help: "bytes for the guest: 1G"}, timeout("30s")},
		Run:  limited(setBalloon),
	},
	{
		Name: "balloon stats", Help: "Show what the guest reports about its memory",
		Args: []Arg{{Name: "path", Kind: "qom-path", Positional: true, Help: "the virtio-balloon; by default the machine's"}, timeout("5s")},
		Run:  limited(balloonStats),
	},
	{
		Name: "reset", Help: "Reset the machine, as its button does, and wait until it has been",
		Args: []Arg{{Name: "timeout", Kind: "duration", Default: "10s", Help: "how long to wait for QEMU"}},
		Run: limited(func(ctx context.Context, env *Env, _ Values) error {
			_, err := qmp.AwaitEvent[qemu.ResetEvent](ctx, env.conn(), nil, qemu.SystemReset{})
			return env.done(err, "the machine has been reset")
		}),
	},
	{
		Name: "powerdown", Help: "Press the power button, and wait until the guest has shut down",
		Args: []Arg{timeout("2m"), {Name: "wait", Kind: "bool", Default: "on", Help: "wait until the guest has shut down"}},
		Run:  limited(powerdown),
	},
}

// screenJPEG writes a picture of the screen as JPEG. QEMU makes only PNG and PPM.
func screenJPEG(ctx context.Context, conn qmp.Conn, w io.Writer, opts *machine.ScreendumpOptions) error {
	var picture strings.Builder
	if err := machine.Screendump(ctx, conn, &picture, opts); err != nil {
		return err
	}
	screen, err := png.Decode(strings.NewReader(picture.String()))
	if err != nil {
		return fmt.Errorf("the picture of QEMU cannot be read: %w", err)
	}
	return jpeg.Encode(w, screen, &jpeg.Options{Quality: 90})
}

// wrote reports the end of an operation that writes into a file of create.
func (env *Env) wrote(err error, path, what string) error {
	if path == "-" {
		return err
	}
	return env.done(err, "%s has %s", path, what)
}

func powerdown(ctx context.Context, env *Env, v Values) error {
	if !v.bool("wait") {
		return env.done(qemu.SystemPowerdown{}.Do(ctx, env.conn()), "the power button is pressed")
	}
	waited := env.waiting(v)
	_, err := qmp.AwaitEvent[qemu.ShutdownEvent](ctx, env.conn(), nil, qemu.SystemPowerdown{})
	waited()
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("the guest has not shut down within %v; it may ignore the power button", v.duration("timeout"))
	}
	return env.done(err, "the guest has shut down")
}

func setBalloon(ctx context.Context, env *Env, v Values) error {
	size := v.size("size")
	if err := (qemu.Balloon{Value: size}).Do(ctx, env.conn()); err != nil {
		return err
	}
	var actual int64
	err := every(ctx, time.Second/5, func() (bool, error) {
		info, err := qemu.QueryBalloon{}.Do(ctx, env.conn())
		if err == nil {
			actual = info.Actual
			env.progress("balloon", actual, size)
		}
		return actual == size, err
	})
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("the guest still has %s; QEMU goes on asking it", bytes(actual))
	}
	return env.done(err, "the guest has %s", bytes(actual))
}

func balloonStats(ctx context.Context, env *Env, v Values) error {
	path := v.text("path")
	if path == "" {
		for object, err := range qom.Walk(ctx, env.conn(), "/machine") {
			if err != nil {
				return err
			}
			if strings.HasPrefix(object.Type, "virtio-balloon-") {
				path = object.Path
				break
			}
		}
		if path == "" {
			return errors.New("the machine has no virtio-balloon")
		}
	}
	stats, err := qom.Balloon(ctx, env.conn(), path, time.Second)
	if err != nil {
		return err
	}
	value := map[string]any{"updated": stats.Updated}
	lines := []string{"reported at " + stats.Updated.Format(time.DateTime)}
	for _, row := range []struct {
		name string
		n    *uint64
	}{
		{"total", stats.Total}, {"available", stats.Available}, {"free", stats.Free}, {"disk caches", stats.DiskCaches},
		{"swapped in", stats.SwapIn}, {"swapped out", stats.SwapOut},
	} {
		if row.n != nil {
			value[strings.ReplaceAll(row.name, " ", "-")] = *row.n
			lines = append(lines, row.name+": "+bytes(int64(*row.n)))
		}
	}
	return env.result(value, lines...)
}

// console connects the input and the output with a character device.
func console(ctx context.Context, env *Env, v Values) error {
	id := v.text("chardev")
	all, err := qemu.QueryChardev{}.Do(ctx, env.conn())
	if err != nil {
		return err
	}
	for _, dev := range all {
		if dev.Label != id {
			continue
		}
		if dev.Filename == "ringbuf" || dev.Filename == "memory" {
			return ringbuf(ctx, env, id, v.bool("follow"))
		}
		if env.dry {
			return nil // the console is no command of QMP
		}
		return attach(ctx, env, id, dev.Filename)
	}
	return fmt.Errorf("there is no character device %q", id)
}

func ringbuf(ctx context.Context, env *Env, id string, follow bool) error {
	err := every(ctx, time.Second/5, func() (bool, error) {
		data, err := machine.ReadRingbuf(ctx, env.conn(), id)
		if _, writeErr := env.Out.Write(data); err == nil {
			err = writeErr
		}
		return !follow, err
	})
	if follow && ctx.Err() != nil {
		return nil
	}
	return err
}

// attach opens the other side of a character device, by what query-chardev calls its file name.
func attach(ctx context.Context, env *Env, id, filename string) error {
	terminal, isPTY := strings.CutPrefix(filename, "pty:")
	address, free := strings.CutPrefix(filename, "disconnected:")
	network, address, _ := strings.Cut(address, ":")
	address, options, _ := strings.Cut(address, ",")
	server := strings.HasPrefix(options, "server") && !strings.HasPrefix(options, "server=off")
	switch {
	case isPTY:
		f, err := os.OpenFile(terminal, os.O_RDWR, 0)
		if err != nil {
			return err
		}
		return copyBoth(ctx, env, f)
	case (network == "unix" || network == "tcp") && server && free:
		conn, err := new(net.Dialer).DialContext(ctx, network, address)
		if err != nil {
			return err
		}
		return copyBoth(ctx, env, conn)
	case (network == "unix" || network == "tcp") && server:
		return fmt.Errorf("another client is connected to character device %q", id)
	}
	return fmt.Errorf("character device %q is %s: no other program can connect to it. "+
		"A ringbuf, a pty or a socket with server=on has a console", id, filename)
}

// copyBoth copies the input to a device, and from the device to the output, until the device or ctx ends. The end of
// ctx is no error. It leaves a read of the input behind.
func copyBoth(ctx context.Context, env *Env, device io.ReadWriteCloser) error {
	closed := context.AfterFunc(ctx, func() { device.Close() })
	defer func() {
		if closed() {
			device.Close()
		}
	}()
	if env.Stdin != nil {
		go func() { _, _ = io.Copy(device, env.Stdin) }()
	}
	_, err := io.Copy(env.Out, device)
	if ctx.Err() != nil {
		return nil
	}
	return err
}
