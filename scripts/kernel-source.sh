#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# Prints the path of a Linux 7.3 source tree: KSRC if set, else the newest
# linux-source-7.3 of Debian's archive, unpacked once into the cache.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/apt-private.sh"

SERIES=7.3
SUITES="trixie-backports testing unstable"
CURRENT=$RDAX_CACHE/source-current

fetch() {
	local version tree deb tmp
	# Another run may have been faster while this one waited for the lock.
	[ ! -e "$CURRENT/.complete" ] || return 0
	step "Finding linux-source-$SERIES in Debian's archive"
	# shellcheck disable=SC2086
	private_apt_update $SUITES
	version=$(private_apt_newest "linux-source-$SERIES")
	[ -n "$version" ] || die "no linux-source-$SERIES in: $SUITES (set KSRC to a source tree)"
	tree=$RDAX_CACHE/linux-${version//[^A-Za-z0-9.]/_}
	if [ ! -e "$tree/.complete" ]; then
		tmp=$(mktemp -d "$RDAX_CACHE/tmp-source.XXXXXX")
		# shellcheck disable=SC2064
		trap "rm -rf '$tmp'" EXIT
		step "Downloading linux-source-$SERIES $version (about 160 MiB)"
		deb=$(private_apt_fetch "linux-source-$SERIES" "$version" "$tmp")
		step "Unpacking it to $tree"
		mkdir "$tmp/tree"
		dpkg-deb --fsys-tarfile "$deb" |
			tar -xO "./usr/src/linux-source-$SERIES.tar.xz" |
			xz -dc -T0 | tar -x -C "$tmp/tree" --strip-components=1
		touch "$tmp/tree/.complete"
		rm -rf "$tree"
		mv "$tmp/tree" "$tree"
	fi
	ln -sfn "$tree" "$CURRENT"
}

if [ -n "${KSRC:-}" ]; then
	[ -e "$KSRC/rust/Makefile" ] || die "KSRC=$KSRC is not a full kernel source tree"
	realpath "$KSRC"
	exit
fi
# RDAX_UPDATE=1 looks for a newer 7.3.x than the one in use.
[ -z "${RDAX_UPDATE:-}" ] || rm -f "$CURRENT"
[ -e "$CURRENT/.complete" ] || with_lock source fetch
readlink -f "$CURRENT"
