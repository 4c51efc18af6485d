#!/bin/sh
# get-guest.sh [DIR]
#
# Makes a small Linux guest for QEMU, DIR/vmlinuz and DIR/initrd (default: guest in the cache
# folder, see debian.sh) and prints DIR. A DIR that is there is left alone; several callers at
# once wait for the one that works.
#
# The kernel is Debian's for clouds, with PCI hotplug built in; the rest is busybox. On its first
# serial line the guest tells that it is up, then its disks and network interfaces, at once and
# whenever they change:
#
#   READY
#   GUEST blk=vda net=eth0 lo
#
# For x86-64 machines with apt (Debian's keyring included) and flock. No root needed.
set -eu
. "$(dirname "$0")/debian.sh"

# What disks and network interfaces need, in the order of loading. Modules that a kernel does
# not have are built into it.
modules='virtio virtio_ring virtio_pci_legacy_dev virtio_pci_modern_dev virtio_pci virtio_blk
	failover net_failover virtio_net'

# kernel_and_busybox: linux-image-cloud-amd64 depends on the kernel package of the day.
kernel_and_busybox() {
	download 'linux-image-[0-9][^=]*|busybox-static' linux-image-cloud-amd64 busybox-static
}

add_modules() {
	number=10
	for name in $modules; do
		found=$(find "$new/files" -name "$name.ko" -o -name "$name.ko.xz")
		case $found in
		*.xz) xz -dc "$found" >"$new/tree/modules/$number-$name.ko" ;;
		?*) cp "$found" "$new/tree/modules/$number-$name.ko" ;;
		esac
		number=$((number + 1))
	done
}

add_init() {
	cat >"$new/tree/init" <<-'INIT'
		#!/bin/busybox sh
		/bin/busybox --install -s /bin
		PATH=/bin
		mount -t devtmpfs none /dev
		mount -t proc none /proc
		mount -t sysfs none /sys
		for module in /modules/*; do insmod $module; done
		exec >/dev/ttyS0
		echo READY
		seen=
		while :; do
			sees="blk=$(echo $(ls /sys/block)) net=$(echo $(ls /sys/class/net))"
			[ "$sees" = "$seen" ] || echo "GUEST $sees"
			seen=$sees
			usleep 100000
		done
	INIT
	chmod +x "$new/tree/init"
}

pack() {
	(cd "$new/tree" && find . | bin/busybox cpio -o -H newc 2>/dev/null) | gzip -1 >"$new/initrd"
}

begin "${1:-$cache/guest}" gzip xz
configure bookworm
persist kernel_and_busybox
unpack "$new/files"

mkdir -p "$new/tree/bin" "$new/tree/dev" "$new/tree/proc" "$new/tree/sys" "$new/tree/modules"
cp "$new"/files/boot/vmlinuz-* "$new/vmlinuz"
cp "$new/files/usr/bin/busybox" "$new/tree/bin/"
add_modules
add_init
pack
rm -rf "$new/files" "$new/tree"
finish
