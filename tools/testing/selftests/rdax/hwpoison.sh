#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Memory failures in files. XFS with a reverse map is told by the driver and
# finds the file; ext4 is no holder of the device, so the kernel falls back to
# what the mapping itself tells.
. "$(dirname "$0")/lib.sh"

need_root
use_ns memmap "${1:-1}"
[ -e /proc/sys/vm/memory_failure_recovery ] ||
	plan_skip "kernel without CONFIG_MEMORY_FAILURE"
OFF=$((2 * MiB + 7 * 4096))

# Writing all of the device through the driver makes it good again.
on_exit()
{
	umount_all
	[ -z "${SECTOR:-}" ] || heal
}

heal()
{
	"$BIN/dax_bdev" zeroout "$DEV" $((SECTOR * 512)) 4096
}

mkfs_rmap()
{
	do_mkfs xfs "$DEV" -m rmapbt=1
	mount_dax xfs "$DEV"
	"$BIN/dax_io" write "$MNT/other" $((4 * MiB)) 101
}

mkfs_ext4()
{
	mkfs_mount ext4
	"$BIN/dax_io" write "$MNT/other" $((4 * MiB)) 101
}

fail_page()
{
	local kind=$1

	"$BIN/dax_io" write "$MNT/f" $((4 * MiB)) 102
	sync
	SECTOR=$("$BIN/dax_poison" sector "$MNT/f" "$OFF")
	"$BIN/dax_poison" hwpoison "$MNT/f" "$OFF" "$kind"
	dmesg_has "Memory failure: 0x"
	if dmesg_has "Memory failure: 0x.*Ignored"; then
		echo "note: nobody handled the failure"
	fi
}

# One bad page is no reason to lose the others.
still_usable()
{
	"$BIN/dax_map" check "$MNT/other" $((4 * MiB)) 101
	"$BIN/dax_fault" pte-write "$MNT/new"
	"$BIN/dax_poison" after "$MNT/f" "$OFF" pte
}

# A write of the whole page through the file replaces what was lost.
repaired()
{
	"$BIN/dax_poison" write-page "$MNT/f" "$OFF" 102
	dd if="$MNT/f" of=/dev/null bs=4096 count=1 skip=$((OFF / 4096)) \
		status=none
	rm "$MNT/f"
	sync
	umount "$MNT"
	SECTOR=$("$BIN/dax_bdev" zeroout "$DEV" 0 4096)
}

t "xfs: mkfs with rmapbt, mount with dax" mkfs_rmap
t "xfs: failure of a page mapped by a PTE" fail_page pte
t "xfs: the rest is usable, the page is not" still_usable
t "xfs: written again, removed, unmounted" repaired
t "xfs: mkfs again" mkfs_rmap
t "xfs: failure of a page mapped by a PMD" fail_page pmd
t "xfs: written again, removed, unmounted" repaired
t "ext4: mkfs, mount with dax" mkfs_ext4
t "ext4: failure of a page mapped by a PTE" fail_page pte
t "ext4: written again, removed, unmounted" repaired
run_tests
