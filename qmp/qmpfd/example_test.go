package qmpfd_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/qmpkit/qmpkit/internal/fakeqemu"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/qmpfd"
	"github.com/qmpkit/qmpkit/qmp/qmptest"
)

// Use opens a file for a node that reads and writes, and gives it to QEMU.
func ExampleUse() {
	exampleServer(func(ctx context.Context, client *qmp.Client, path string) error {
		use := qmpfd.Use{}
		files, err := use.Open(path)
		if err != nil {
			return err
		}
		defer files.Close() // QEMU has its own by then

		set, err := use.AddSet(ctx, client, "qmpkit:data1", files...)
		if err != nil {
			return err
		}
		fmt.Println(len(files), "file in", set.Path())
		// blockdev-add with set.Path(). When the node is gone again:
		return set.Remove(ctx)
	})
	// Output:
	// 1 file in /dev/fdset/0
}

// Check finds a file with the wrong flags, before anything is sent.
func ExampleUse_Check() {
	exampleServer(func(_ context.Context, _ *qmp.Client, path string) error {
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		defer f.Close()
		err = qmpfd.Use{}.Check(f) // to be written to
		if wrong, ok := errors.AsType[*qmpfd.FlagsError](err); ok {
			fmt.Println(wrong.Wrong, "is", wrong.Have, "and should be", wrong.Want)
		}
		fmt.Println(errors.Is(err, qmp.ErrNotSent))
		return nil
	})
	// Output:
	// access mode is O_RDONLY and should be O_RDWR
	// true
}

// A manager that was restarted removes the sets that it had added before.
func ExampleRemoveSets() {
	exampleServer(func(ctx context.Context, client *qmp.Client, path string) error {
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		defer f.Close()
		if _, err := qmpfd.AddSet(ctx, client, "qmpkit:data1", f); err != nil {
			return err
		}
		// … and later, in another process:
		for range 2 {
			err := qmpfd.RemoveSets(ctx, client, "qmpkit:data1")
			fmt.Println("removed:", err)
		}
		return nil
	})
	// Output:
	// removed: <nil>
	// removed: <nil>
}

// Send gives QEMU a tap device under a name. If no command uses it, Close closes it.
func ExampleSend() {
	exampleServer(func(ctx context.Context, client *qmp.Client, path string) error {
		tap, err := os.Open(path) // in truth /dev/net/tun, made a tap device by an ioctl
		if err != nil {
			return err
		}
		defer tap.Close()
		fmt.Println(qmpfd.Send(ctx, client, "0tap", tap))
		if err := qmpfd.Send(ctx, client, "tap0", tap); err != nil {
			return err
		}
		// netdev_add with "fd": "tap0" takes the name away. Where that failed:
		return qmpfd.Close(ctx, client, "tap0")
	})
	// Output:
	// qmpfd: the descriptor's name begins with a digit
	// getfd tap0
	// closefd tap0
}

// A file that another process has opened decides what the node may do with it.
func ExampleUseOf() {
	exampleServer(func(ctx context.Context, client *qmp.Client, path string) error {
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		defer f.Close()
		use, err := qmpfd.UseOf(f)
		if err != nil {
			return err
		}
		fmt.Println("read-only:", use.ReadOnly, "direct:", use.Direct)
		set, err := use.AddSet(ctx, client, "qmpkit:data1", f)
		if err != nil {
			return err
		}
		return set.Remove(ctx)
	})
	// Output: read-only: true direct: false
}

// Another function opens the file, with the flags that the node needs.
func ExampleUse_OpenWith() {
	exampleServer(func(_ context.Context, _ *qmp.Client, path string) error {
		files, err := qmpfd.Use{}.OpenWith(func(path string, flags int) (*os.File, error) {
			fmt.Println("writing:", flags&os.O_RDWR != 0)
			return os.OpenFile(path, flags, 0) // or a process that has the right opens the file
		}, path)
		if err != nil {
			return err
		}
		return files.Close()
	})
	// Output: writing: true
}

// exampleServer calls f with a file and a client of a QEMU that only keeps account of
// descriptors.
func exampleServer(f func(ctx context.Context, client *qmp.Client, path string) error) {
	var p qmptest.Program
	defer func() {
		if err := p.Close(); err != nil {
			fmt.Println(err)
		}
	}()
	m := fakeqemu.New(&p)
	for _, command := range []string{"getfd", "closefd"} {
		m.Handle(command, func(r *qmptest.Request) (any, error) {
			var args struct{ Fdname string }
			err := r.Decode(&args)
			fmt.Println(command, args.Fdname)
			return nil, err
		})
	}
	dir, err := os.MkdirTemp("", "qmpfd")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "data1.img")
	if err := os.WriteFile(path, make([]byte, 4096), 0o600); err != nil {
		panic(err)
	}
	if err := f(context.Background(), m.Dial(), path); err != nil {
		fmt.Println(err)
	}
}
