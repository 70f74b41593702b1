#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Blocks of pages that somebody holds: see fs_drain.c.
. "$(dirname "$0")/fs.sh"

use_fs "${1:-rdaxfs}"
random_delays

# with OPTIONS TEST ARGS...: other file systems have no such options.
with()
{
	local opts=$1 test=$2
	shift 2

	[ "$FS" != rdaxfs ] || mount -o "remount,$opts" "$MNT"
	limited 60 "$BIN/fs_drain" "$test" "$MNT/$test.$RANDOM" "$@"
	[ "$FS" != rdaxfs ] ||
		mount -o "remount,drain=bounded,drain_ms=1000" "$MNT"
}

# d OPTIONS TEST ARGS...
d()
{
	t "$*" with "$@"
}

# held_umount KIND MAPPING: a file is held across unmounting; then it is mapped
# again. fsck must be content while it is held.
held_umount()
{
	local begin

	begin=$SECONDS
	hold "$1" "$MNT/held"
	umount "$MNT"
	[ $((SECONDS - begin)) -lt "$(within 60)" ] || fail "umount took long"
	fs_clean "$FS" "$DEV"
	mount_dax "$FS" "$DEV"
	"$BIN/fs_drain" check "$MNT/held" "$2"
	ask pipe
	eq "$ANSWER" ok
	"$BIN/fs_drain" check "$MNT/held" "$2"
	hold_end
	check_fs
	"$BIN/fs_drain" check "$MNT/held" "$2"
	rm "$MNT/held"
}

# A block that is busy when the file system is unmounted is not reused after.
busy_umount()
{
	local before

	before=$(stat -f -c %f "$MNT")
	hold orphan-pin "$MNT/held"
	rm "$MNT/held"
	remount_fs
	"$BIN/fs_drain" fill "$MNT/full"
	ask pipe
	eq "$ANSWER" ok
	hold_end
	rm -r "$MNT/full"
	check_fs
	eq "$(stat -f -c %f "$MNT")" "$before"
}

# Whoever freed the blocks has seen that they are held no more.
no_orphans()
{
	grep -x "huge_orphans 0" "/sys/kernel/debug/rdaxfs/$DISK/stats"
}

far=drain=bounded,drain_ms=10000
for kind in pte pmd; do
	d drain=strict refault "$kind"
	d drain=strict storm "$kind"
	d drain_ms=60 late "$kind"
	d drain_ms=10000 unlink "$kind"
	d "$far" far "$kind"
	d drain_ms=0 reuse "$kind"
	d drain_ms=100 zero "$kind"
	d drain=strict kill "$kind"
	d drain=strict,drain_ms=50 self-splice "$kind"
	for len in huge small; do
		d drain_ms=100 move "$kind" collapse "$len"
		d drain_ms=100 move "$kind" insert "$len"
	done
done
for how in punch truncate; do
	d drain_ms=0 part "$how" first
	d drain_ms=100 part "$how" last
done
t "no orphan is left" no_orphans
for kind in pte pmd; do
	t "unmount with a page held, $kind" held_umount orphan-pin "$kind"
done
t "unmount with a busy block" busy_umount
run_fs_tests
