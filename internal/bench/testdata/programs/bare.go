// Bare dials a UNIX socket and does nothing with it. The other programs are compared with it.
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
