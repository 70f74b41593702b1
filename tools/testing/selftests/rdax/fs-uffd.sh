#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# userfaultfd write-protect markers in mappings, by a user: see fs_uffd.c.
. "$(dirname "$0")/fs.sh"

use_fs "${1:-rdaxfs}"

# uffd TEST: it ends by itself, or a fault does not.
uffd()
{
	chmod 777 "$MNT"
	timeout -s KILL "$(within 100)" "$BIN/fs_uffd" "$1" "$MNT/$1"
}

# With the time between a fault's return and its mapping, and others, longer.
race()
{
	random_delays
	uffd "$1"
	no_delays
}

for x in read write private hole pmd unregister fork sync dirty; do
	t "uffd: $x" uffd "$x"
done
for x in race lent; do
	t "uffd: $x" race "$x"
done
run_fs_tests
