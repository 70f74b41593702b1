#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Mapping calls on DAX files: see dax_map.c.
. "$(dirname "$0")/lib.sh"

need_root
use_ns "${1:-memmap}"

map()
{
	"$BIN/dax_map" "$1" "$MNT/f"
	rm "$MNT/f"
}

msync_remount()
{
	"$BIN/dax_map" msync "$MNT/f"
	umount "$MNT"
	mount_dax "$1" "$DEV"
	"$BIN/dax_map" check "$MNT/f" $((4 * MiB)) 23
}

fs_tests()
{
	local x

	for x in sync-ok private mprotect mremap fork-shared fork-private \
		 dontneed populate; do
		t "$1: $x" map "$x"
	done
	t "$1: msync, fsync, remount" msync_remount "$1"
}

each_fs fs_tests
run_tests
