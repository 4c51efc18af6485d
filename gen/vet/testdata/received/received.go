// Package received reads members that older servers do not send.
package received

import (
	"fmt"

	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

func copied(c *qmp.Client) {
	m, _ := qemu.QueryMigrate{}.Do(nil, c)
	p := m.DirtyLimitRingFullTime
	fmt.Println(*p) // want `dirty-limit-ring-full-time`
	q := m.DirtyLimitRingFullTime
	if q != nil {
		fmt.Println(*q)
	}
	r := m.DirtyLimitRingFullTime
	if m.DirtyLimitRingFullTime == nil {
		return
	}
	fmt.Println(*r, *m.DirtyLimitRingFullTime, qmp.Value(m.DirtyLimitRingFullTime))
}

func loops(l []qemu.CPUInfoFast) {
	for _, d := range l {
		fmt.Println(*d.QOMType) // want `qom-type`
	}
	for i := range l {
		fmt.Println(*l[i].QOMType) // want `qom-type`
	}
	for _, d := range l {
		if d.QOMType == nil {
			continue
		}
		fmt.Println(*d.QOMType)
	}
	for _, d := range l {
		if d.QOMType != nil && *d.QOMType == "x" {
			fmt.Println(*d.QOMType)
		}
	}
	for _, d := range l {
		func() { fmt.Println(*d.QOMType) }() // want `qom-type`
		if d.QOMType != nil {
			func() { fmt.Println(*d.QOMType) }()
		}
	}
}

func hasType(d *qemu.CPUInfoFast) bool { return d.QOMType != nil }

func helped(d *qemu.CPUInfoFast, e *qemu.CPUInfoFast) {
	if hasType(d) {
		fmt.Println(*d.QOMType)
	}
	fmt.Println(*e.QOMType) // want `qom-type`
}

func inferred(c *qmp.Client, d qemu.CPUInfoFast) {
	if d.QOMType != nil { // 10.1
		_ = qemu.BlockdevAdd{Active: new(true)}
		return
	}
	_ = qemu.BlockdevAdd{Active: new(true)} // want `active`
}

func ok(d qemu.CPUInfoFast) string {
	there := d.QOMType != nil
	if there {
		return *d.QOMType
	}
	switch {
	case d.QOMType == nil:
		return ""
	}
	return *d.QOMType
}
