#!/bin/sh
# get-guest.sh [--target aarch64|ppc64|riscv64|s390x] [DIR]
#
# Makes a small Linux guest for QEMU, DIR/vmlinuz and DIR/initrd (default: in the cache folder, see
# debian.sh) and prints DIR. A DIR that is there is left alone; several callers at once wait for
# the one that works. Without a target, the guest is for x86-64 machines.
#
# The kernel is Debian's for clouds, if there is one, with PCI and NVMe hotplug built in and without
# USB; the rest is busybox. On its console the guest reports that it is up, then its disks and network
# interfaces, and its CPUs and memory (MiB), at once and whenever they change:
#
#   READY
#   GUEST blk=vda net=eth0 lo
#   BOARD cpus=1 mem=215
#
# It brings CPUs online that are added, and powers off when its power button is pressed. Memory
# that is added it uses as the kernel's parameter memhp_default_state says. With keep=1 on the
# kernel's command line it refuses to let go of CPUs and memory. If a second initrd brings /agent/start,
# it runs that for as long as the guest runs.
#
# For x86-64 machines with apt (Debian's keyring included) and flock. No root needed.
set -eu
. "$(dirname "$0")/debian.sh"

# The number in the default DIR's name: to be raised when what this script makes changes, since a
# DIR that is there is left alone.
edition=5

# What the guest's devices need, in the order of loading. Modules that a kernel does not have are
# built into it.
modules='virtio virtio_ring virtio_pci_legacy_dev virtio_pci_modern_dev virtio_pci virtio_mmio virtio_blk
	failover net_failover virtio_net scsi_common scsi_mod sd_mod virtio_scsi virtio_balloon
	virtio_mem virtio_console button evdev'

# kernel_and_busybox: the package of the kernel depends on the kernel of the day.
kernel_and_busybox() {
	download 'linux-image-[0-9][^=]*|busybox-static' "$kernel" busybox-static
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
		exec >/dev/console

		for input in /sys/class/input/event*; do
			read -r name <$input/device/name
			[ "$name" != "Power Button" ] || {
				head -c 1 /dev/input/${input##*/} >/dev/null
				poweroff -f
			} &
		done

		[ ! -e /agent/start ] || sh /agent/start &

		[ -z "${keep:-}" ] || for kind in processor memory; do
			echo 0 >/sys/firmware/acpi/hotplug/$kind/enabled
		done

		# online_cpus: sets cpus to how many there are. The first may have no such file. A pseries has the
		# files of CPUs that can be added, too.
		online_cpus() {
			cpus=0
			for cpu in /sys/devices/system/cpu/cpu[0-9]*; do
				online=1
				[ ! -e $cpu/online ] || read -r online <$cpu/online
				[ $online = 1 ] || echo 1 2>/dev/null >$cpu/online || continue
				cpus=$((cpus + 1))
			done
		}

		echo READY
		seen= had=
		while :; do
			sees="blk=$(echo $(ls /sys/block)) net=$(echo $(ls /sys/class/net))"
			[ "$sees" = "$seen" ] || echo "GUEST $sees"
			seen=$sees
			online_cpus
			read -r name kib unit </proc/meminfo
			has="cpus=$cpus mem=$((kib / 1024))"
			[ "$has" = "$had" ] || echo "BOARD $has"
			had=$has
			usleep 100000
		done
	INIT
	chmod +x "$new/tree/init"
}

# cpio_entry PATH: the file or folder as an entry of a cpio archive, in the format newc. The busybox of
# another target does not run here.
cpio_entry() {
	size=0 mode=0
	[ ! -e "$1" ] || mode=0x$(stat -c %f "$1")
	[ ! -f "$1" ] || size=$(stat -c %s "$1")
	printf 070701
	printf %08X $((number += 1)) "$mode" 0 0 1 0 "$size" 0 0 0 0 $((${#1} + 1)) 0
	printf '%s\0' "$1"
	pad $((110 + ${#1} + 1))
	[ "$size" = 0 ] || cat "$1"
	pad "$size"
}

# pad SIZE: zeros behind SIZE bytes, up to a multiple of 4.
pad() { head -c $(((4 - $1 % 4) % 4)) /dev/zero; }

pack() {
	number=0
	(
		cd "$new/tree"
		for path in $(find . -mindepth 1 | sort); do cpio_entry "${path#./}"; done
		cpio_entry 'TRAILER!!!' # the end, which is no file
	) | gzip -1 >"$new/initrd"
}

target=
[ "${1-}" != --target ] || {
	target=-$2
	shift 2
}
suite=bookworm
case $target in
'') kernel=linux-image-cloud-amd64 ;;
-aarch64) arch=arm64 kernel=linux-image-cloud-arm64 ;;
-ppc64) arch=ppc64el kernel=linux-image-powerpc64le ;;
-riscv64) arch=riscv64 kernel=linux-image-riscv64 suite=trixie ;; # bookworm has none
-s390x) arch=s390x kernel=linux-image-s390x ;;
*)
	echo "usage: $0 [--target aarch64|ppc64|riscv64|s390x] [DIR]" >&2
	exit 2
	;;
esac

begin "${1:-$cache/guest-$edition$target}" gzip xz
configure "$suite"
persist kernel_and_busybox
unpack "$new/files"

mkdir -p "$new/tree/bin" "$new/tree/dev" "$new/tree/proc" "$new/tree/sys" "$new/tree/modules"
cp "$new"/files/boot/vmlinu[xz]-* "$new/vmlinuz"
cp "$new/files/usr/bin/busybox" "$new/tree/bin/"
add_modules
add_init
pack
rm -rf "$new/files" "$new/tree"
finish
