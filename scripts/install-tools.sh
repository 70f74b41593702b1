#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# install-tools.sh: installs the tools and their man pages below DESTDIR, into
# PREFIX (default: /usr/local).
. "$(dirname "$0")/lib.sh"

bin=$("$RDAX_TOP/scripts/build-tools.sh")
root=${DESTDIR:-}${PREFIX:-/usr/local}
install -d "$root/sbin"
install -m 0755 "$bin"/* "$root/sbin"
for page in "$RDAX_TOP"/Documentation/man/*.[58]; do
	install -D -m 0644 -t "$root/share/man/man${page##*.}" "$page"
done
