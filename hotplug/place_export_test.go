package hotplug

// Departing returns how many controllers are being removed whose buses QEMU could choose.
func Departing(vm *VM) int { return int(vm.carriers.Load()) }

// Hold makes the VM behave as if the guest had just ejected a slot and might eject it again. If pending is true, the VM
// does not know yet that the guest has ejected it.
func Hold(vm *VM, slot PCISlot, pending bool) {
	vm.ejections.look()
	vm.ejections.ask(slot)
	if !pending {
		vm.ejections.ejected(slot)
	}
}

// HoldBoard makes the VM behave as if it had asked the guest to eject a CPU or memory.
func HoldBoard(vm *VM, id string) { vm.boards.ask(id) }

// HeldBoards returns the CPUs and the memory that QEMU was asked for twice.
func HeldBoards(vm *VM) []string { return vm.boards.twice() }
