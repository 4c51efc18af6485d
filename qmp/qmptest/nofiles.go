package qmptest

import (
	"net"
	"os"
)

// noFiles reads a connection on which no descriptors come.
type noFiles struct{ net.Conn }

func (noFiles) takeFiles() []*os.File { return nil }
func (noFiles) close()                {}
