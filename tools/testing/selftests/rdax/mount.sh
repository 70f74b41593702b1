#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The disk as the block layer shows it, and file systems mounted with dax.
. "$(dirname "$0")/lib.sh"

need_root
use_ns "${1:-memmap}"

queue_limits()
{
	local q=/sys/block/$DISK/queue

	eq "$(cat "$q/dax")" 1 queue/dax
	eq "$(cat "$q/logical_block_size")" 512 logical_block_size
	eq "$(cat "$q/physical_block_size")" 4096 physical_block_size
	eq "$(cat "$q/discard_max_bytes")" 0 discard_max_bytes
	eq "$(cat "$q/rotational")" 0 rotational
	grep -qx "write back\|write through" "$q/write_cache"
	grep -qx "[01]" "$q/fua"
	"$BIN/dax_bdev" geometry "$DEV"
}

capacity()
{
	local number=${NS#namespace}

	eq "$(blockdev --getsize64 "$DEV")" "$(<"$(region_of "$NS")/size")"
	# The disk belongs to the namespace and takes its number.
	eq "$(realpath "/sys/block/$DISK/device")" \
	   "$(realpath "$ND/devices/$NS")" device
	case $DRIVER in
	rdax_pmem) eq "$DISK" "rpmem${number%.*}" name ;;
	nd_pmem) eq "$DISK" "pmem${number%.*}" name ;;
	esac
	[ -e "/sys/block/$DISK/badblocks" ]
}

# The range is claimed under the name of the namespace.
iomem()
{
	local start

	start=$(printf '%x' "$(cat "$(region_of "$NS")/resource")")
	grep -i "^ *0*$start-.* : $NS" /proc/iomem
}

mounted_dax()
{
	local fs=$1

	grep " $MNT $fs " /proc/mounts | grep -w dax=always
	"$BIN/dax_io" write "$MNT/kept" $((4 * MiB)) 77
	umount "$MNT"
	mount_dax "$fs" "$DEV"
	"$BIN/dax_map" check "$MNT/kept" $((4 * MiB)) 77
}

# dax=never and dax=inode on the same device: the attribute must follow.
mount_modes()
{
	local fs=$1

	md5sum <"$MNT/kept" >"$TMP/sum"
	umount "$MNT"
	mount -t "$fs" -o dax=never "$DEV" "$MNT"
	"$BIN/dax_fault" not-dax "$MNT/kept"
	md5sum <"$MNT/kept" | cmp - "$TMP/sum"
	umount "$MNT"
	mount -t "$fs" -o dax=inode "$DEV" "$MNT"
	"$BIN/dax_fault" not-dax "$MNT/kept"
	xfs_io -f -c "chattr +x" "$MNT/flagged"
	umount "$MNT"
	mount -t "$fs" -o dax=inode "$DEV" "$MNT"
	"$BIN/dax_fault" is-dax "$MNT/flagged"
	umount "$MNT"
	mount -t "$fs" -o ro,dax=always "$DEV" "$MNT"
	"$BIN/dax_map" check "$MNT/kept" $((4 * MiB)) 77
	refused touch "$MNT/new"
	umount "$MNT"
	mount_dax "$fs" "$DEV"
}

fs_tests()
{
	t "$1: dax survives a remount, and so does the data" mounted_dax "$1"
	t "$1: dax=never, dax=inode, read-only" mount_modes "$1"
}

t "queue limits" queue_limits
t "capacity, name and parent of the disk" capacity
t "range in /proc/iomem" iomem
each_fs fs_tests
run_tests
