#!/bin/sh
# get-libvirt.sh 9.0|11.3 [DIR]
#
# Unpacks that libvirt from Debian's packages into DIR (default: libvirt-VERSION-EDITION in the cache folder, see
# debian.sh) and prints DIR. If DIR exists, the script leaves it alone; several callers at once wait for the one that works.
#
#   DIR/files      the packages with all their libraries, to be /usr of a chroot: libvirtd with its QEMU driver, the
#                  modules and saslpasswd2 of SASL, polkitd and dbus-daemon, ssh and sshd, a shell and coreutils
#   DIR/VERSION    the Debian version
#
# internal/libvirttest makes the chroot and starts the daemon in it, which needs root.
#
# For x86-64 machines with apt (Debian's keyring included) and flock. The script itself needs no root.
set -eu
. "$(dirname "$0")/debian.sh"

# A number for what the script unpacks: change it when that changes.
edition=2

# Of all that the packages depend on, these serve only their installation, or a system that boots.
part='(?!perl|debconf|adduser|init-system-helpers|systemd|udev|dbus=|dbus-bin|logrotate|dmsetup|iptables|passwd|login|mount'
part="$part"'|procps|ucf|openssh-sftp-server|libvirt-clients|libvirt-daemon-config|qemu-system|seabios|ipxe)[^=]*'

# check_libraries: a missing library would show only when a daemon starts, and that of a module not even then.
check_libraries() {
	libs=usr/lib/x86_64-linux-gnu
	programs="usr/sbin/libvirtd usr/sbin/saslpasswd2 usr/lib/polkit-1/polkitd usr/bin/dbus-daemon usr/bin/ssh usr/sbin/sshd"
	for file in $programs $(cd "$new/files" && echo $libs/libvirt/connection-driver/*.so $libs/sasl2/*.so); do
		"$new/files/$libs/ld-linux-x86-64.so.2" --list --inhibit-cache \
			--library-path "$new/files/$libs" "$new/files/$file" >"$new/apt/libraries" 2>&1 ||
			die "$file: $(cat "$new/apt/libraries")"
		! grep -vF -e linux-vdso -e "=> $new/" -e "	$new/" "$new/apt/libraries" >&2 ||
			die "$file: the libraries above are not among the unpacked packages"
	done
}

version=${1-}
case $version in
9.0) set -- "${2-}" bookworm && policies=libvirt-daemon-system ;; # in later versions, libvirt-common has them
11.3) set -- "${2-}" trixie && policies= ;;
*)
	echo "usage: $0 9.0|11.3 [DIR]" >&2
	exit 2
	;;
esac
begin "${1:-$cache/libvirt-$version-$edition}"
shift

configure "$@"
persist download "$part" libvirt-daemon libvirt-daemon-driver-qemu $policies dash coreutils \
	libsasl2-modules sasl2-bin polkitd dbus-daemon openssh-server openssh-client
unpack "$new/files"
check_libraries
got=$(dpkg-deb -f "$(find "$new/apt/cache/archives" -name 'libvirt-daemon-driver-qemu_*.deb')" Version)
case $got in
"$version".*) ;;
*) die "wanted libvirt $version, $1 has $got" ;;
esac
echo "$got" >"$new/VERSION"
finish
