#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# Runs herd7, the simulator of memory models, with the arguments given: the
# machine's own if there is one, else that of Debian's archive, which is kept in
# the cache along with the C library that it wants.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/apt-private.sh"

SUITES="trixie-backports testing unstable"
HERD=$RDAX_CACHE/herd7

fetch() {
	local package deb tmp
	[ ! -e "$HERD/.complete" ] || return 0
	step "Downloading herdtools7 from Debian's archive (about 40 MiB)"
	# shellcheck disable=SC2086
	private_apt_update $SUITES
	tmp=$(mktemp -d "$RDAX_CACHE/tmp-herd7.XXXXXX")
	# shellcheck disable=SC2064
	trap "rm -rf '$tmp'" EXIT
	mkdir "$tmp/root"
	for package in herdtools7 libc6 libgmp10; do
		deb=$(private_apt_latest "$package" "$tmp")
		# tar complains about what the other packages have.
		dpkg-deb --fsys-tarfile "$deb" | tar -x -C "$tmp/root" --wildcards --no-anchored \
			'usr/bin/herd7' 'usr/share/herdtools7/herd' \
			'ld-linux-*' 'libc.so.6' 'libm.so.6' 'libgmp.so.*' 2>/dev/null || true
	done
	[ -x "$tmp/root/usr/bin/herd7" ] || die "no herd7 in herdtools7"
	touch "$tmp/root/.complete"
	rm -rf "$HERD"
	mv "$tmp/root" "$HERD"
}

if have herd7; then
	exec herd7 "$@"
fi
[ -e "$HERD/.complete" ] || with_lock herd7 fetch
libraries=$(dirname "$(find "$HERD" -name libc.so.6 -print -quit)")
exec "$libraries"/ld-linux-*.so.* --library-path "$libraries" "$HERD/usr/bin/herd7" \
	-set-libdir "$HERD/usr/share/herdtools7/herd" "$@"
