#!/bin/sh
# get-source.sh 5.2|7.2|10.0 [DIR]
#
# Takes QEMU's QAPI schemas, its own front end for them and that one's tests out of Debian's source
# package into DIR (default: source-VERSION in the cache folder, see debian.sh), in the layout of
# QEMU's tree, and prints DIR. A DIR that is there is left alone; several callers at once wait
# for the one that works.
#
# These files are under the GPL: tests read them, and nothing of them becomes part of the project.
#
# For machines with apt (Debian's keyring included) and flock. No root needed.
set -eu
. "$(dirname "$0")/debian.sh"
entry='deb-src [target=Sources'

source_package() {
	(cd "$new/apt/cache/archives" && private apt-get -qq --download-only --tar-only source "qemu/$1")
}

version=${1-}
case $version in
5.2) suite=bullseye ;;
7.2) suite=bookworm ;;
10.0) suite=bookworm-backports ;;
*)
	echo "usage: $0 5.2|7.2|10.0 [DIR]" >&2
	exit 2
	;;
esac
begin "${2:-$cache/source-$version}" xz
configure "$suite"
persist source_package "$suite"

mkdir "$new/tree"
tar -x -C "$new/tree" --strip-components=1 --no-same-owner --wildcards \
	-f "$new"/apt/cache/archives/qemu_*.orig.tar.xz \
	'*/VERSION' '*/qapi/*.json' '*/qga/qapi-schema.json' \
	'*/scripts/qapi*' '*/tests/qapi-schema/*'
grep -q "^$version" "$new/tree/VERSION" || die "wanted QEMU $version, $suite has $(cat "$new/tree/VERSION")"
for part in VERSION qapi qga storage-daemon scripts tests; do mv "$new/tree/$part" "$new/"; done
rm -rf "$new/tree"
finish
