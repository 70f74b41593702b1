#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# A full file system: see fs_fill.c. After each test, with all files deleted,
# rdaxfs has exactly the free space that it had before.
. "$(dirname "$0")/fs.sh"

use_fs "${1:-rdaxfs}"

# A part of the device: less to fill.
SMALL_MIB=320
dmsetup create rdax-small <<-END || plan_fail "no dm-linear"
	0 $((SMALL_MIB * 2048)) linear $DEV $((64 * 2048))
END
DEV=/dev/mapper/rdax-small

on_exit()
{
	umount_all
	dmsetup remove --retry rdax-small
}

blocks_free()
{
	stat -f -c %f "$MNT"
}

# XFS keeps what its trees have grown to, and frees in the background.
all_free()
{
	local now

	now=$(blocks_free)
	if [ "$FS" = rdaxfs ]; then
		[ "$now" = "$(cat "$TMP/free")" ]
	else
		[ $((now + 4096)) -ge "$(cat "$TMP/free")" ]
	fi
}

full()
{
	blocks_free >"$TMP/free"
	"$BIN/fs_fill" "$1" "$MNT/$1"
	rmdir "$MNT/$1"
	until_true 10 all_free ||
		fail "$(blocks_free) blocks free, $(cat "$TMP/free") before"
}

for x in write fallocate mmap create threads; do
	t "full by $x, then empty" full "$x"
	t "clean after $x" check_fs
done
run_fs_tests
