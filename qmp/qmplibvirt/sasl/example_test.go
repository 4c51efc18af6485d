package sasl_test

import (
	"context"
	"log"
	"os"
	"strings"
	"time"

	"github.com/qmpkit/qmpkit/qmp/qmplibvirt"
	"github.com/qmpkit/qmpkit/qmp/qmplibvirt/sasl"
)

// The password is in a file that only the program's user can read.
func ExampleLogin() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	login := &sasl.Login{Username: "alice", Password: func(context.Context) (string, error) {
		text, err := os.ReadFile("/etc/fleet/password")
		return strings.TrimSuffix(string(text), "\n"), err
	}}
	conn, err := qmplibvirt.Dial(ctx, "/run/libvirt/libvirt-sock", &qmplibvirt.Options{SASL: login})
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Close()
}
