package qmptls_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log"
	"os"
	"time"

	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
	"github.com/qmpkit/qmpkit/qmp/qmptls"
)

// QEMU was started with these options:
//
//	-object tls-creds-x509,id=tls0,endpoint=server,dir=/etc/pki/qemu
//	-chardev socket,id=mon,host=0.0.0.0,port=4444,server=on,wait=off,tls-creds=tls0 -mon chardev=mon,mode=control
//
// QEMU asks for the client's certificate.
func ExampleDial() {
	if err := printStatus(); err != nil {
		log.Fatal(err)
	}
}

func printStatus() error {
	authority, err := os.ReadFile("/etc/pki/qmp/ca-cert.pem")
	if err != nil {
		return err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(authority) {
		return errors.New("ca-cert.pem has no certificate")
	}
	own, err := tls.LoadX509KeyPair("/etc/pki/qmp/client-cert.pem", "/etc/pki/qmp/client-key.pem")
	if err != nil {
		return err
	}
	config := &tls.Config{RootCAs: pool, Certificates: []tls.Certificate{own}}

	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	client, err := qmptls.Dial(ctx, "host1.example.org:4444", config, nil)
	if err != nil {
		return err
	}
	defer client.Close()
	status, err := qemu.QueryStatus{}.Do(ctx, client)
	if err != nil {
		return err
	}
	fmt.Println(status.Status)
	return nil
}
