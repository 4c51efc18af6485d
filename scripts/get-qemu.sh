#!/bin/sh
# get-qemu.sh [--others] 5.2|7.2|10.0|11.1 [DIR]
#
# Unpacks that QEMU from Debian's packages into DIR (default: qemu-VERSION in the cache folder,
# see debian.sh) and prints DIR. A DIR that is there is left alone; several callers at once wait
# for the one that works.
#
#   DIR/qemu-system-x86_64, qemu-storage-daemon, qemu-img, qemu-ga    start the programs below
#   DIR/files                                                        them and all their libraries
#   DIR/VERSION                                                       the Debian version
#
# With --others, not for 5.2, it unpacks the emulators of other targets and their firmware (default:
# qemu-VERSION-others; a download of 110 MB):
#
#   DIR/qemu-system-aarch64, -ppc64, -riscv64, -s390x                 start the programs below
#   DIR/QEMU_EFI.fd                                                   UEFI, for -bios of an aarch64
#
# For x86-64 machines with apt (Debian's keyring included) and flock. No root needed.
set -eu
. "$(dirname "$0")/debian.sh"

libs=usr/lib/x86_64-linux-gnu
linker=$libs/ld-linux-x86-64.so.2 # the one in lib64 may be a link to the machine's own

# Of all that the packages depend on, perl, debconf, PAM and the like serve only their
# installation. check_libraries fails if this leaves out too much.
part='qemu-[^=]*|seabios|opensbi|ipxe-qemu|zlib1g|lib(?!perl|pam|debconf)[^=]*'

# hide_modules: QEMU tries its compiled-in module folder after $QEMU_MODULE_DIR. On a machine
# with another QEMU these modules do not fit: errors, and with QEMU >= 10 an abort. So the
# folder gets a name, of the same length, that is not there.
hide_modules() {
	for program in $programs; do
		LC_ALL=C sed -i "s|/$libs/qemu|/$libs/none|g" "$new/files/$program"
	done
}

# wrap: each program is started by the unpacked dynamic linker, so that the machine's libc
# plays no part. exec keeps the process that the caller started.
wrap() {
	for program in $programs; do
		firmware=
		case $program in
		*-system-*) firmware='-L "$files/usr/share/qemu" -L "$files/usr/share/seabios" -L "$files/usr/lib/ipxe/qemu"' ;;
		esac
		cat >"$new/${program##*/}" <<-WRAPPER
			#!/bin/sh
			files=\$(dirname "\$(readlink -f "\$0")")/files
			QEMU_MODULE_DIR=\$files/$libs/qemu
			export QEMU_MODULE_DIR
			exec "\$files/$linker" --inhibit-cache \\
				--library-path "\$files/$libs:\$files/$libs/pulseaudio" \\
				"\$files/$program" $firmware "\$@"
		WRAPPER
		chmod +x "$new/${program##*/}"
	done
}

# check_libraries: the dynamic linker falls back on the machine's libraries without a word.
check_libraries() {
	for program in $programs; do
		"$new/files/$linker" --list --inhibit-cache \
			--library-path "$new/files/$libs:$new/files/$libs/pulseaudio" \
			"$new/files/$program" >"$new/apt/libraries"
		! grep -vF -e linux-vdso -e "=> $new/" -e "	$new/" "$new/apt/libraries" >&2 ||
			die "$program: the libraries above are not among the unpacked packages"
	done
}

check_version() {
	got=$("$new/${programs##*/}" --version | sed -n '1s/.*version \([0-9.]*\).*/\1/p')
	case $got in
	"$version".*) ;;
	*) die "wanted QEMU $version, $1 has ${got:-one that does not start}" ;;
	esac
}

others=
[ "${1-}" != --others ] || {
	others=-others
	shift
}
version=${1-}
case $version$others in
5.2) set -- "${2-}" bullseye ;;
7.2 | 7.2-others) set -- "${2-}" bookworm ;;
10.0 | 10.0-others) set -- "${2-}" bookworm-backports bookworm ;;
11.1 | 11.1-others) set -- "${2-}" trixie-backports trixie ;;
*)
	echo "usage: $0 5.2|7.2|10.0|11.1 [DIR], or $0 --others 7.2|10.0|11.1 [DIR]" >&2
	exit 2
	;;
esac
begin "${1:-$cache/qemu-$version$others}"
shift

programs='usr/bin/qemu-storage-daemon usr/bin/qemu-img usr/sbin/qemu-ga usr/bin/qemu-system-x86_64'
packages='qemu-system-x86 qemu-utils qemu-guest-agent'
[ -z "$others" ] || {
	programs='usr/bin/qemu-system-ppc64 usr/bin/qemu-system-riscv64 usr/bin/qemu-system-s390x usr/bin/qemu-system-aarch64'
	packages='qemu-system-arm qemu-system-ppc ipxe-qemu opensbi qemu-efi-aarch64'
	case $version in
	7.2) packages="$packages qemu-system-misc" ;;
	*) packages="$packages qemu-system-riscv qemu-system-s390x" ;;
	esac
}

configure "$@"
persist download "$part" $packages
unpack "$new/files"
hide_modules
wrap
check_libraries
check_version "$1"
dpkg-deb -f "$(find "$new/apt/cache/archives" -name 'qemu-system-common_*.deb')" Version >"$new/VERSION"
[ -z "$others" ] || ln -s files/usr/share/qemu-efi-aarch64/QEMU_EFI.fd "$new/QEMU_EFI.fd"
finish
