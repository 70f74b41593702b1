#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Two devices at once: XFS on one, ext4 on the other, copies between them.
. "$(dirname "$0")/lib.sh"

need_root
use_ns memmap 1
DEV2=$DEV
use_ns memmap 0
SEED=31
SIZE=$((8 * MiB))

mount_both()
{
	do_mkfs xfs "$DEV"
	do_mkfs ext4 "$DEV2"
	mount_dax xfs "$DEV" "$MNT/a"
	mount_dax ext4 "$DEV2" "$MNT/b"
}

copy_mapped()
{
	"$BIN/dax_io" write "$MNT/a/f" "$SIZE" "$SEED"
	"$BIN/dax_io" copy "$MNT/a/f" "$MNT/b/f"
	"$BIN/dax_map" check "$MNT/b/f" "$SIZE" "$SEED"
}

copy_syscall()
{
	cp "$MNT/b/f" "$MNT/a/g"
	"$BIN/dax_map" check "$MNT/a/g" "$SIZE" "$SEED"
	dd if="$MNT/a/g" of="$MNT/b/g" bs=1M iflag=direct oflag=direct \
		status=none
	"$BIN/dax_map" check "$MNT/b/g" "$SIZE" "$SEED"
}

# One goes away, the other must not notice.
lose_one()
{
	umount "$MNT/b"
	unbind "$(ns_of memmap 1)"
	"$BIN/dax_map" check "$MNT/a/g" "$SIZE" "$SEED"
	bind "$(ns_of memmap 1)" "$DRIVER"
	mount_dax ext4 "$DEV2" "$MNT/b"
	"$BIN/dax_map" check "$MNT/b/g" "$SIZE" "$SEED"
}

umount_both()
{
	umount "$MNT/a" "$MNT/b"
	fs_clean xfs "$DEV"
	fs_clean ext4 "$DEV2"
}

t "mount xfs and ext4" mount_both
t "copy from mapping to mapping" copy_mapped
t "copy by read and write" copy_syscall
t "unbind one of them" lose_one
t "umount, both clean" umount_both
run_tests
