// Bare dials a UNIX socket and does nothing with it. It is what the other programs here are
// compared with.
package main

import (
	"net"
	"os"
)

func main() {
	conn, err := net.Dial("unix", os.Args[1])
	if err != nil {
		println(err.Error())
		os.Exit(1)
	}
	conn.Close()
}
