#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# Prints a directory with a QEMU whose plugins see the registers and the values of
# stores (9.2 and newer): bin/qemu-system-x86_64. It is that of Debian's backports,
# kept in the cache, with the libraries that this machine lacks.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/apt-private.sh"

RELEASE=$(. /etc/os-release && printf '%s' "${VERSION_CODENAME:-bookworm}")
SUITES="$RELEASE-backports $RELEASE"
QEMU=$RDAX_CACHE/qemu-$RELEASE-backports
PROGRAM=usr/bin/qemu-system-x86_64

# unpack PACKAGE: the newest on offer, into the directory that is made.
unpack() {
	local deb
	deb=$(private_apt_latest "$1" "$tmp/debs")
	dpkg-deb --fsys-tarfile "$deb" | tar -x -C "$tmp/root"
	rm -f "$deb"
}

missing_libraries() {
	LD_LIBRARY_PATH=$tmp/root/usr/lib/x86_64-linux-gnu ldd "$tmp/root/$PROGRAM" |
		sed -n 's/^[[:space:]]*\([^ ]*\) => not found$/\1/p'
}

# The packages that QEMU depends on and that this machine does not have.
missing_packages() {
	private_apt apt-cache depends --no-recommends --no-suggests --no-conflicts \
		--no-breaks --no-replaces --no-enhances qemu-system-x86 |
		sed -n 's/^ *Depends: \(lib[^ ]*\)$/\1/p' | sort -u |
		while read -r package; do
			dpkg-query -W -f '${db:Status-Status}\n' "$package" 2>/dev/null |
				grep -q '^installed$' || printf '%s\n' "$package"
		done
}

write_program() {
	mkdir -p "$tmp/root/bin"
	cat >"$tmp/root/bin/qemu-system-x86_64" <<-'END'
		#!/bin/sh
		root=$(dirname "$(dirname "$(readlink -f "$0")")")
		libraries=$root/usr/lib/x86_64-linux-gnu
		LD_LIBRARY_PATH=$libraries QEMU_MODULE_DIR=$libraries/qemu \
			exec "$root/usr/bin/qemu-system-x86_64" \
			-L "$root/usr/share/qemu" -L "$root/usr/share/seabios" "$@"
	END
	chmod +x "$tmp/root/bin/qemu-system-x86_64"
}

fetch() {
	local package missing
	[ ! -e "$QEMU/.complete" ] || return 0
	step "Downloading QEMU from Debian's $RELEASE-backports (about 15 MiB)"
	# shellcheck disable=SC2086
	private_apt_update $SUITES
	tmp=$(mktemp -d "$RDAX_CACHE/tmp-qemu.XXXXXX")
	# shellcheck disable=SC2064
	trap "rm -rf '$tmp'" EXIT
	mkdir -p "$tmp/root"
	for package in qemu-system-x86 qemu-system-common qemu-system-data seabios ipxe-qemu; do
		unpack "$package"
	done
	for package in $(missing_packages); do
		unpack "$package"
	done
	missing=$(missing_libraries)
	[ -z "$missing" ] || die "QEMU lacks libraries: $missing"
	write_program
	touch "$tmp/root/.complete"
	rm -rf "$QEMU"
	mv "$tmp/root" "$QEMU"
}

[ -e "$QEMU/.complete" ] || with_lock qemu fetch
printf '%s\n' "$QEMU"
