#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Attributes of files: see fs_attr.c, fs_xattr.c, fs_handle.c, fs_tx.c.
. "$(dirname "$0")/fs.sh"

use_fs "${1:-rdaxfs}"

atime()
{
	umount "$MNT"
	mount_dax "$FS" "$DEV" "$MNT" "$1"
	"$BIN/fs_attr" atime "$MNT/$1" "$1"
	remount_fs
}

# Lazy times reach the medium by a sync or an unmount.
lazytime()
{
	local before

	umount "$MNT"
	mount_dax "$FS" "$DEV" "$MNT" lazytime
	grep -q " $MNT .*lazytime" /proc/mounts
	echo data >"$MNT/lazy"
	touch -a -d @1000.5 "$MNT/lazy"
	cat "$MNT/lazy"
	before=$(stat -c '%x %y' "$MNT/lazy")
	umount "$MNT"
	mount_dax "$FS" "$DEV" "$MNT" lazytime
	eq "$(stat -c '%x %y' "$MNT/lazy")" "$before"
	remount_fs
}

# A loop device with direct I/O on a file: its blocks are as large as statx says.
loop_direct()
{
	local loop rc=0

	command -v losetup >/dev/null || skip "no losetup"
	truncate -s 16M "$MNT/image"
	loop=$(losetup --find --show --direct-io=on "$MNT/image")
	eq "$(losetup -nO DIO "$loop" | tr -d ' ')" 1 "direct I/O" || rc=1
	dd if=/dev/urandom of="$loop" bs=64K count=16 oflag=direct status=none || rc=1
	cmp -n 1M "$loop" "$MNT/image" || rc=1
	losetup -d "$loop"
	rm "$MNT/image"
	return "$rc"
}

# XFS keeps blocks of inodes for the next files.
slack()
{
	[ "$FS" = rdaxfs ] && echo 0 || echo 300
}

kept()
{
	"$BIN/fs_handle" save "$MNT" "$TMP/handle"
	remount_fs
	"$BIN/fs_attr" utimens-kept "$MNT/utimens"
	"$BIN/fs_attr" flags-kept "$MNT/append-only"
	"$BIN/fs_xattr" kept "$MNT"
	"$BIN/fs_xattr" acl-kept "$MNT"
	"$BIN/fs_handle" load "$MNT" "$TMP/handle"
}

p fs_attr statfs "$(slack)"
for x in times utimens modes suid dirs immutable append-only dax-flag statx; do
	p fs_attr "$x"
done
for x in noatime relatime strictatime; do
	t "attr: $x" atime "$x"
done
t "attr: lazytime" lazytime
t "attr: loop device, direct I/O" loop_direct
for x in basic large many stranger acl-access acl-default; do
	p fs_xattr "$x"
done
for x in handle deleted garbage idmap; do
	p fs_handle "$x"
done
if [ "$FS" = rdaxfs ]; then
	for x in attributes data privileges names; do
		t "one transaction: $x" "$BIN/fs_tx" "$x" "$MNT/tx-$x" \
			"/sys/kernel/debug/rdaxfs/$DISK/stats"
	done
fi
t "all of it after a remount" kept
run_fs_tests
