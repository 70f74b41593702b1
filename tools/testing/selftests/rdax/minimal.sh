#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The sample rdax_minimal: a DAX disk over a reserved range of memory.
. "$(dirname "$0")/lib.sh"

need_root
[ -n "${RDAX_RESERVE_START:-}" ] || plan_skip "no reserved range (memmap=X\$Y)"
DRIVER=rdax_minimal
DISK=rdax_minimal0
DEV=/dev/$DISK
START=$((RDAX_RESERVE_START))
SIZE=$((RDAX_RESERVE_SIZE))

on_exit()
{
	umount_all
	[ ! -d /sys/module/rdax_minimal ] || rmmod rdax_minimal
}

load()
{
	modprobe rdax_minimal "start=$1" "size=$2" 2>"$TMP/err" ||
		insmod "${RDAX_BUILD:-.}/rdax_minimal.ko" "start=$1" "size=$2"
}

bad_params()
{
	local ram

	ram=$(awk -F- '/System RAM/ { print "0x" $1; exit }' /proc/iomem)
	refused load $((START + 4096)) "$SIZE"
	refused load "$START" $((SIZE - 4096))
	refused load "$START" 0
	refused load 0 "$SIZE"
	refused load $(((ram + 2 * MiB) / (2 * MiB) * (2 * MiB))) $((2 * MiB))
	refused load "$START" $((0x7ffffffffff00000))
	[ ! -d /sys/module/rdax_minimal ]
	[ ! -e "$DEV" ]
}

load_good()
{
	load "$START" "$SIZE"
	[ -b "$DEV" ]
	eq "$(cat "/sys/block/$DISK/queue/dax")" 1
	eq "$(blockdev --getsize64 "$DEV")" "$SIZE"
}

faults()
{
	mkfs_mount ext4
	"$BIN/dax_fault" pte-write "$MNT/f"
	"$BIN/dax_fault" pmd-write "$MNT/f"
	"$BIN/dax_fault" pmd-read "$MNT/f"
	"$BIN/dax_io" write "$MNT/kept" $((4 * MiB)) 61
}

in_use()
{
	refused rmmod rdax_minimal
	"$BIN/dax_map" check "$MNT/kept" $((4 * MiB)) 61
	umount "$MNT"
}

# The range is plain memory: what was written is there after a reload.
reload()
{
	rmmod rdax_minimal
	[ ! -e "$DEV" ]
	refused grep -w rdax_minimal /proc/iomem
	load "$START" "$SIZE"
	mount_dax ext4 "$DEV"
	"$BIN/dax_map" check "$MNT/kept" $((4 * MiB)) 61
	umount "$MNT"
	rmmod rdax_minimal
}

t "wrong parameters are refused" bad_params
t "load: disk with dax" load_good
t "ext4: dax mount, PTE and PMD faults" faults
t "a mounted module stays" in_use
t "unload, load again, same data" reload
run_tests
