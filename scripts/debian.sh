# Sourced by the get-*.sh scripts: Debian packages fetched into a folder of our own and unpacked
# there, beside whatever the machine has installed and without touching it. No root needed.
#
# apt does the work, with its own state (lists, cache, an empty dpkg status) and with the
# machine's settings (proxies, credentials) below ours. The archive's signatures are checked
# against Debian's keyring, so it does not matter which mirror a package came from.
#
#   QMPKIT_CACHE     where finished folders go when the caller names none; default: qmpkit in
#                    $XDG_CACHE_HOME or ~/.cache
#   QMPKIT_OFFLINE   when set: only what is there already, nothing is fetched
#   DEBIAN_MIRROR    base address of a Debian mirror; default: those that this machine's apt has
#   DEBIAN_KEYRING   default: what the package debian-archive-keyring installs

: "${DEBIAN_KEYRING:=/usr/share/keyrings/debian-archive-keyring.gpg}"
cache=${QMPKIT_CACHE:-${XDG_CACHE_HOME:-${HOME:?is not set: set QMPKIT_CACHE}/.cache}/qmpkit}
attempts=2
[ "${CI:-}" != true ] || attempts=6 # where waiting is better than failing

say() { echo "${0##*/}: $*" >&2; }
die() {
	say "$*"
	exit 1
}

# need COMMAND...: one message that names all that is missing.
need() {
	missing=
	for tool; do command -v "$tool" >/dev/null || missing="$missing $tool"; done
	[ -z "$missing" ] || die "not on this machine:$missing"
	[ -r "$DEBIAN_KEYRING" ] || die "no $DEBIAN_KEYRING: install debian-archive-keyring or set DEBIAN_KEYRING"
}

# begin DIR COMMAND...: prints DIR and exits when it is there already. Else checks that the machine
# has the commands, takes DIR's lock and leaves in $new an empty folder, which finish renames to
# DIR: a folder of the final name is always complete.
begin() {
	mkdir -p "$(dirname "$1")"
	dir=$(cd "$(dirname "$1")" && pwd)/$(basename "$1")
	shift
	exit_if_there
	[ -z "${QMPKIT_OFFLINE:-}" ] || die "$dir is not there, and QMPKIT_OFFLINE is set"
	[ "$(uname -sm)" = 'Linux x86_64' ] || die "Debian's amd64 packages do not run on $(uname -sm)"
	need apt-get dpkg-deb flock tar awk "$@"
	exec 9>"$dir.lock"
	flock 9
	exit_if_there
	new=$dir.tmp
	rm -rf "$new"
	mkdir -p "$new"
	trap 'rm -rf "$new"' EXIT
}

exit_if_there() {
	[ -d "$dir" ] || return 0
	echo "$dir"
	exit
}

finish() {
	rm -rf "$new/apt"
	mv "$new" "$dir"
	exit_if_there
}

# mirrors: candidates, likely ones first. It asks for no release files, which are not there
# before the machine's first apt-get update; which candidate is Debian's shows when its
# release file has Debian's signature.
mirrors() {
	if [ -n "${DEBIAN_MIRROR:-}" ]; then
		echo "$DEBIAN_MIRROR"
		return
	fi
	apt-get indextargets --no-release-info --format '$(REPO_URI) $(COMPONENT)' 'Identifier: Packages' |
		awk '$2 == "main" && $1 !~ /^cdrom:/ && !seen[$1]++ { print ($1 ~ /\/debian\/*$/ ? 0 : 1), $1 }' |
		sort -s -k 1,1n | cut -d ' ' -f 2-
}

# private COMMAND...: an apt command on the state in $new/apt.
private() {
	tool=$1
	shift
	"$tool" -c "$new/apt/conf" "$@" 9>&-
}

# configure SUITE...: the first suite is preferred, the others complete it. The packages are those of
# the architecture arch.
arch=amd64
configure() {
	mkdir -p "$new/apt/lists/partial" "$new/apt/cache/archives/partial"
	: >"$new/apt/status"
	suites=$*
	cat >"$new/apt/conf" <<-CONF
		Dir::Etc::sourcelist "$new/apt/sources.list";
		Dir::Etc::sourceparts "/dev/null";
		Dir::Etc::preferences "/dev/null";
		Dir::Etc::preferencesparts "/dev/null";
		Dir::State "$new/apt";
		Dir::State::lists "$new/apt/lists";
		Dir::State::status "$new/apt/status";
		Dir::Cache "$new/apt/cache";
		Dir::Cache::archives "$new/apt/cache/archives";
		#clear APT::Architectures;
		APT::Architecture "$arch";
		APT::Architectures { "$arch"; };
		APT::Default-Release "$1";
		APT::Install-Recommends "false";
		APT::Sandbox::User "root";
		APT::Update::Error-Mode "any";
		#clear APT::Update::Pre-Invoke;
		#clear APT::Update::Post-Invoke;
		#clear APT::Update::Post-Invoke-Success;
		Acquire::Retries "1";
		Acquire::http::Timeout "20";
		Acquire::https::Timeout "20";
		Acquire::Check-Valid-Until "false";
	CONF
}

# update: the lists of packages (or, with entry set so, of sources), from the first mirror that
# has all suites.
entry=
update() {
	: "${entry:=deb [arch=$arch target=Packages}"
	for mirror in $(mirrors); do
		for suite in $suites; do
			echo "$entry lang=none signed-by=$DEBIAN_KEYRING] $mirror $suite main"
		done >"$new/apt/sources.list"
		! private apt-get -qq update || return 0
	done
	return 1
}

# download PATTERN PACKAGE...: the packages and what they depend on, as far as the whole name
# matches the Perl regular expression PATTERN.
download() {
	pattern=$1
	shift
	wanted=$(private apt-get -qq -s install "$@" | sed -n 's/^Inst \([^ ]*\) (\([^ ]*\) .*/\1=\2/p' |
		grep -P "^($pattern)=") || return 1
	(cd "$new/apt/cache/archives" && private apt-get -qq download $wanted)
}

# persist COMMAND...: until it succeeds or all attempts are used up. A mirror in the middle of
# an update fails too, so an attempt begins with the lists.
persist() {
	attempt=1
	until update && "$@"; do
		[ $attempt -lt $attempts ] || die "given up: is a Debian mirror within reach? DEBIAN_MIRROR names one"
		sleep $((attempt * 3))
		attempt=$((attempt + 1))
		say "attempt $attempt of $attempts"
	done
}

# unpack INTO: what was downloaded, as one tree without /lib beside /usr/lib.
unpack() {
	mkdir -p "$1/usr/bin" "$1/usr/sbin" "$1/usr/lib" "$1/usr/lib64"
	for link in bin sbin lib lib64; do ln -s "usr/$link" "$1/$link"; done
	for deb in "$new"/apt/cache/archives/*.deb; do
		dpkg-deb --fsys-tarfile "$deb" | tar -x -C "$1" --no-same-owner --keep-directory-symlink \
			--exclude './usr/share/doc/*' --exclude './usr/share/man/*' --exclude './usr/share/locale/*'
	done
}
