package hotplug

// Departing returns how many controllers are being removed whose buses QEMU could choose.
func Departing(vm *VM) int { return int(vm.carriers.Load()) }
