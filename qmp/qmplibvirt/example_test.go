package qmplibvirt_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net"
	"time"

	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/guest"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
	"github.com/qmpkit/qmpkit/qmp/qmplibvirt"
)

// Commands and events of a machine of the local daemon.
func ExampleDial() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	conn, err := qmplibvirt.Dial(ctx, "/run/libvirt/libvirt-sock", nil)
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Close()

	vm, err := conn.Domain(ctx, "web1")
	if errors.Is(err, qmplibvirt.ErrStopped) {
		log.Fatal("web1 does not run")
	}
	if err != nil {
		log.Fatal(err)
	}
	status, err := qemu.QueryStatus{}.Do(ctx, vm)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(status.Status)

	errs := qmp.Subscribe[qemu.BlockIOErrorEvent](vm)
	defer errs.Close()
	for e, err := range errs.All(ctx) {
		if err != nil {
			log.Print(err) // ErrStopped, for example
			break
		}
		fmt.Println(e.Data.Device, e.Data.Action)
	}
}

// A connection that the program has made: here TCP to a host name.
func ExampleNewConn() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	stream, err := new(net.Dialer).DialContext(ctx, "tcp", "host1.example.org:16509")
	if err != nil {
		log.Fatal(err)
	}
	conn, err := qmplibvirt.NewConn(ctx, stream, &qmplibvirt.Options{InFlight: 16})
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Close()
}

func ExampleConn_Domains() {
	var conn *qmplibvirt.Conn // of Dial
	for info, err := range conn.Domains(context.Background()) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(info.Name, info.State)
	}
}

func ExampleConn_Watch() {
	ctx := context.Background()
	var conn *qmplibvirt.Conn // of Dial
	events, err := conn.Watch(ctx)
	if err != nil {
		log.Fatal(err)
	}
	defer events.Close()
	for {
		e, err := events.Next(ctx)
		if errors.Is(err, qmp.ErrEventsLost) {
			continue
		}
		if err != nil {
			log.Fatal(err)
		}
		if e.Lifecycle != 0 {
			fmt.Println(e.Name, e.Lifecycle)
		} else {
			fmt.Println(e.Name, e.QMP)
		}
	}
}

func ExampleDomain_Guest() {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	var vm *qmplibvirt.Domain // of Conn.Domain
	if err := (guest.GuestPing{}).Do(ctx, vm.Guest()); err != nil {
		log.Fatal(err)
	}
}
