#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# What is read while blocks are taken away: see fs_drain_data.c. XFS and ext4 only
# say what they do.
#   RDAX_SECONDS   for each test (default 6)
#   RDAX_SEED      repeats a run, as far as its tasks are scheduled alike
#   RDAX_DELAY_US  delays at random between the steps, on debug kernels
. "$(dirname "$0")/fs.sh"

use_fs rdaxfs
load_pin || plan_skip "no rdax_pin"
random_delays

SECONDS_EACH=${RDAX_SECONDS:-6}
SEED=${RDAX_SEED:-$RANDOM$RANDOM}
VOLUME=/dev/mapper/rdax-small1

on_exit()
{
	remove_volumes
}

# data KIND strict|bounded OPTIONS: what free blocks held before is no file's; what
# was read last is there after the next mount.
data()
{
	! mountpoint -q "$MNT" || umount "$MNT"
	do_mkfs rdaxfs "$VOLUME"
	mount -t rdaxfs -o "$3" "$VOLUME" "$MNT"
	tr '\0' '\356' </dev/zero | dd of="$MNT/poison" bs=1M status=none 2>"$TMP/full" || :
	sync "$MNT/poison"
	rm "$MNT/poison"
	limited $((SECONDS_EACH * 3 + 120)) "$BIN/fs_drain_data" "$MNT/f" \
		"$1" "$2" "$SECONDS_EACH" "$SEED" "$RDAX_DISK"
	md5sum <"$MNT/f" >"$TMP/sum"
	umount "$MNT"
	fs_clean rdaxfs "$VOLUME"
	mount -t rdaxfs "$VOLUME" "$MNT"
	md5sum <"$MNT/f" | cmp - "$TMP/sum"
	umount "$MNT"
}

setup()
{
	[ -b "${RDAX_DISK:-}" ] || skip "no scratch disk in RDAX_DISK"
	small_volumes 14 1
}

# peer FS: the same on another file system, without holders. No failure of ours.
peer()
{
	load_fs "$1" || skip "no file system $1"
	command -v "mkfs.$1" || skip "no mkfs.$1"
	do_mkfs "$1" "$DEV"
	mount_dax "$1" "$DEV"
	limited 60 "$BIN/fs_drain_data" "$MNT/f" pmd unheld 3 "$SEED" - ||
		echo "$1: not as the model says"
	umount "$MNT"
}

t "setup" setup
for kind in pte pmd; do
	t "holders are waited for, $kind" data "$kind" strict drain=strict
	t "holders keep their pages, $kind" data "$kind" bounded drain_ms=2
done
t "remove the volume" remove_volumes
for fs in ext4 xfs; do
	t "control: $fs" peer "$fs"
done
run_tests
