#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# DAX on partitions: only where they start and end on a page.
. "$(dirname "$0")/lib.sh"

need_root
use_ns "${1:-memmap}" "${2:-1}"
WHOLE=$DEV
case $DISK in
*[0-9]) PART=${DEV}p ;;
*) PART=$DEV ;;
esac

on_exit()
{
	umount_all
	wipefs -qa "$WHOLE" >/dev/null 2>&1
	blockdev --rereadpt "$WHOLE"
}

# The first one is on 2 MiB at both ends, the second one on no page.
partition()
{
	wipefs -qa "$WHOLE"
	printf 'start=4096, size=819200\nstart=823299, size=163840\n' |
		sfdisk -q --no-tell-kernel "$WHOLE"
	blockdev --rereadpt "$WHOLE"
	[ -b "${PART}1" ]
	[ -b "${PART}2" ]
	eq "$(blockdev --getsize64 "${PART}1")" $((819200 * 512))
}

on_part()
{
	DEV=${PART}1
	# XFS refuses DAX with reflink on a partition.
	[ "$1" = ext4 ] || set -- xfs -m reflink=0
	do_mkfs "$1" "$DEV" "${@:2}"
	mount_dax "$1" "$DEV"
	"$BIN/dax_io" write "$MNT/kept" $((4 * MiB)) 5
	"$BIN/dax_fault" pte-write "$MNT/f"
	# XFS aligns no data to 2 MiB on so small a device.
	[ "$1" = xfs ] || "$BIN/dax_fault" pmd-write "$MNT/f"
	umount "$MNT"
	mount_dax "$1" "$DEV"
	"$BIN/dax_map" check "$MNT/kept" $((4 * MiB)) 5
	umount "$MNT"
}

# I/O on a partition stays in it.
bounds()
{
	local end=$(((4096 + 819200) * 512))

	"$BIN/dax_bdev" write "$WHOLE" $((end - 4096)) 8192 3 plain
	"$BIN/dax_bdev" zeroout "${PART}1" $((819200 * 512 - 4096)) 4096
	"$BIN/dax_bdev" read "$WHOLE" $((end - 4096)) 4096 0
	refused "$BIN/dax_bdev" write "${PART}1" $((819200 * 512)) 4096 4 plain
	dd if="$WHOLE" of="$TMP/tail" bs=4096 skip=$((end / 4096)) count=1 \
		iflag=direct status=none
	refused cmp -s "$TMP/tail" /dev/zero -n 4096
}

unaligned()
{
	local dev=${PART}2

	do_mkfs ext4 "$dev"
	if mount -o dax=always "$dev" "$MNT"; then
		: >"$MNT/f"
		"$BIN/dax_fault" not-dax "$MNT/f"
		umount "$MNT"
	fi
	mount "$dev" "$MNT"
	: >"$MNT/f"
	"$BIN/dax_fault" not-dax "$MNT/f"
	head -c 1M /dev/urandom >"$TMP/rnd"
	cp "$TMP/rnd" "$MNT/f"
	umount "$MNT"
	fs_clean ext4 "$dev"
	mount "$dev" "$MNT"
	cmp "$TMP/rnd" "$MNT/f"
	umount "$MNT"
}

t "partition nodes appear" partition
t "xfs: dax on an aligned partition" on_part xfs
t "ext4: dax and PMDs on an aligned partition" on_part ext4
t "no dax on an unaligned partition" unaligned
t "I/O stays in the partition" bounds
run_tests
