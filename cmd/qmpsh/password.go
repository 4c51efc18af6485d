package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"golang.org/x/term"

	"github.com/qmpkit/qmpkit/internal/address"
)

// askPassword asks on the terminal for the password that an address needs. Without a terminal it does nothing, and the address
// package says what is missing. The question comes before the time limit of the connection begins.
func askPassword(ctx context.Context, addr string) error {
	login, ok := address.NeedsPassword(addr)
	if !ok {
		return nil
	}
	tty, err := os.OpenFile("/dev/tty", os.O_RDWR, 0) // the input can be a script
	if err != nil {
		return nil
	}
	defer tty.Close()
	password, err := readPassword(ctx, tty, "password of "+login+": ")
	if err != nil {
		return err
	}
	address.SetPassword(login, password)
	return nil
}

// readPassword reads a line that the terminal does not show. It ends with ctx and with a signal, and the terminal is as before.
func readPassword(ctx context.Context, tty *os.File, prompt string) (string, error) {
	raw, err := tty.SyscallConn() // Fd would make the terminal blocking, and a read could not be ended
	if err != nil {
		return "", err
	}
	var state *term.State
	if controlErr := raw.Control(func(fd uintptr) { state, err = term.MakeRaw(int(fd)) }); controlErr != nil || err != nil {
		return "", errors.Join(controlErr, err)
	}
	defer raw.Control(func(fd uintptr) { _ = term.Restore(int(fd), state) })
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	defer context.AfterFunc(ctx, func() { _ = tty.SetReadDeadline(time.Unix(1, 0)) })()
	if _, err := io.WriteString(tty, prompt); err != nil {
		return "", err
	}
	defer io.WriteString(tty, "\r\n")
	var line []byte
	for {
		var key [1]byte
		if _, err := tty.Read(key[:]); err != nil {
			if ctx.Err() != nil {
				err = errInterrupted
			}
			return "", fmt.Errorf("password: %w", err)
		}
		switch key[0] {
		case '\r', '\n':
			return string(line), nil
		case 3, 4: // Ctrl-C, Ctrl-D
			return "", errInterrupted
		case 8, 127:
			line = line[:max(0, len(line)-1)]
		case 21: // Ctrl-U
			line = line[:0]
		default:
			line = append(line, key[0])
		}
	}
}
