package hotplug_test

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/qmpkit/qmpkit/hotplug"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

// The guest of a QEMU 5.2 hears of new CPUs only after this. Machines that are older than pc-i440fx-2.7
// and pc-q35-2.7 do not have it.
func ExampleVM_AddCPU_qemu52() {
	_ = modernCPUHotplug
}

func modernCPUHotplug(ctx context.Context, client *qmp.Client) error {
	raw, err := qemu.QOMGet{Path: "/machine", Property: "acpi-device"}.Do(ctx, client)
	if err != nil {
		return err
	}
	var path string
	if err := json.Unmarshal(raw, &path); err != nil {
		return err
	}
	return qemu.QOMSet{Path: path, Property: "cpu-hotplug-legacy", Value: qmp.RawJSON("false")}.Do(ctx, client)
}

// Two CPUs more, in the first free places.
func ExampleVM_AddCPU() {
	add := func(ctx context.Context, vm *hotplug.VM) error {
		for _, id := range []string{"cpu1", "cpu2"} {
			cpu, err := vm.AddCPU(ctx, hotplug.CPU{ID: id})
			if err != nil {
				return err
			}
			fmt.Println(id, "is in socket", qmp.Value(cpu.Props.SocketID))
		}
		return nil
	}
	_ = add
}
