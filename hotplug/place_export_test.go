package hotplug

// Departing returns how many controllers are being removed whose buses QEMU could choose.
func Departing(vm *VM) int { return int(vm.carriers.Load()) }

// Hold makes the VM behave as if the guest had just ejected a slot and might eject it again.
func Hold(vm *VM, slot PCISlot) {
	vm.ejections.look()
	vm.ejections.ask(slot)
	vm.ejections.ejected(slot)
}
