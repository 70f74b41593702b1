# SPDX-License-Identifier: GPL-2.0
# Packages from another Debian suite than the host's, without touching the
# system's sources: a source list, package lists and download directory of our
# own, the mirror taken from the machine's own apt configuration, signatures
# checked against the archive keyring.
# shellcheck shell=bash

PRIVATE_APT=$RDAX_CACHE/apt
DEBIAN_KEYRING=/usr/share/keyrings/debian-archive-keyring.gpg

APT_LOCK_SECONDS=${APT_LOCK_SECONDS:-600}

# wait_for_apt COMMAND...: again and again while another process has one of apt's locks.
# DPkg::Lock::Timeout is about dpkg's alone: not those of lists and archives.
wait_for_apt() {
	local status errors deadline=$((SECONDS + APT_LOCK_SECONDS))
	errors=$(mktemp)
	while :; do
		status=0
		LC_ALL=C "$@" 2>"$errors" || status=$?
		if [ $status = 0 ] || [ $SECONDS -ge $deadline ] ||
			! grep -qE 'Could not get lock|Unable to (lock|acquire)' "$errors"; then
			break
		fi
		note "waiting for another run of apt: $(head -n 1 "$errors")"
		sleep 2
	done
	cat "$errors" >&2
	rm -f "$errors"
	return $status
}

# apt_get ARGS...: of the system, as root.
apt_get() {
	wait_for_apt as_root env LC_ALL=C DEBIAN_FRONTEND=noninteractive \
		apt-get -o DPkg::Lock::Timeout="$APT_LOCK_SECONDS" "$@"
}

private_apt() {
	local tool=$1
	shift
	wait_for_apt "$tool" -o Dir::Etc::SourceList=/dev/null \
		-o Dir::Etc::SourceParts="$PRIVATE_APT/sources" \
		-o Dir::State::Lists="$PRIVATE_APT/lists" \
		-o Dir::Cache="$PRIVATE_APT/cache" \
		-o APT::Sandbox::User=root \
		-o APT::Update::Post-Invoke-Success::= "$@"
}

# The URI of the Debian archive this machine uses.
debian_mirror() {
	# shellcheck disable=SC2016
	apt-get indextargets --format '$(REPO_URI) $(COMPONENT)' \
		'Origin: Debian' 'Label: Debian' 2>/dev/null |
		awk '$2 == "main" { print $1; exit }'
}

# private_apt_update SUITE...
private_apt_update() {
	local mirror
	mirror=$(debian_mirror)
	if [ -z "$mirror" ]; then
		apt_get update -qq >&2
		mirror=$(debian_mirror)
	fi
	[ -n "$mirror" ] || die "no Debian archive in this machine's apt sources"
	[ -r "$DEBIAN_KEYRING" ] || die "missing $DEBIAN_KEYRING (package debian-archive-keyring)"
	mkdir -p "$PRIVATE_APT"/{sources,lists/partial,cache/archives/partial}
	cat >"$PRIVATE_APT/sources/rdax.sources" <<-END
		Types: deb
		URIs: $mirror
		Suites: $*
		Components: main
		Signed-By: $DEBIAN_KEYRING
	END
	# A suite whose Release file has expired, or that a mirror lacks, is passed
	# over; what is found in the others is verified as ever.
	private_apt apt-get update -qq >&2 || note "not all of these suites could be read: $*"
}

# private_apt_newest PACKAGE [VERSION-PREFIX]: the newest version on offer.
private_apt_newest() {
	local best="" version
	while read -r version; do
		if [ -z "$best" ] || dpkg --compare-versions "$version" gt "$best"; then
			best=$version
		fi
	done < <(private_apt apt-cache madison "$1" 2>/dev/null |
		awk -v p="${2:-}" '$5 != "Sources" && index($3, p) == 1 { print $3 }')
	printf '%s\n' "$best"
}

# private_apt_latest PACKAGE DIR: the verified .deb of the newest version on offer, its path printed.
private_apt_latest() {
	local version
	version=$(private_apt_newest "$1")
	[ -n "$version" ] || die "no $1 in: $SUITES"
	private_apt_fetch "$1" "$version" "$2"
}

# private_apt_fetch PACKAGE VERSION DIR: the verified .deb, its path printed.
private_apt_fetch() {
	mkdir -p "$3"
	(cd "$3" && private_apt apt-get download -qq "$1=$2" >&2)
	ls "$3/$1"_*.deb
}
