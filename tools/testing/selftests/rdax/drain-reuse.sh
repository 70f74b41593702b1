#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# No block is another file's while somebody holds its page: see fs_reuse.c and
# fs_reuse_storm.c. XFS and ext4 only say what they do: fs_reuse_peer.c.
#   RDAX_SECONDS   for each of the random tests (default 8)
#   RDAX_SEED      repeats a run
#   RDAX_DELAY_US  delays at random between the steps, on debug kernels
. "$(dirname "$0")/fs.sh"

use_fs rdaxfs
load_pin || plan_skip "no rdax_pin"
random_delays

SECONDS_EACH=${RDAX_SECONDS:-8}
SEED=${RDAX_SEED:-$RANDOM$RANDOM}
MNT2=$TMP/mnt2
VOLUME=/dev/mapper/rdax-small
SLOW=rdax-slow

on_exit()
{
	remove_volumes
	[ ! -b "/dev/mapper/$SLOW" ] || dmsetup resume "$SLOW"
	[ ! -b "/dev/mapper/$SLOW" ] || dmsetup remove --retry "$SLOW"
}

# Two volumes, and a disk that can be suspended.
setup()
{
	[ -b "${RDAX_DISK:-}" ] || skip "no scratch disk in RDAX_DISK"
	small_volumes 40 2
	dmsetup create "$SLOW" --table "0 2048 linear $RDAX_DISK 0"
	mkdir -p "$MNT2"
}

# fresh INDEX MOUNTPOINT: an empty volume.
fresh()
{
	! mountpoint -q "$2" || umount "$2"
	do_mkfs rdaxfs "$VOLUME$1"
	mount -t rdaxfs "$VOLUME$1" "$2"
}

clean()
{
	umount "$2"
	fs_clean rdaxfs "$VOLUME$1"
}

directed()
{
	fresh 1 "$MNT"
	limited 120 "$BIN/fs_reuse" directed "$1" "$2" "$SLOW" \
		"$MNT" "${VOLUME}1"
	clean 1 "$MNT"
}

anything()
{
	fresh 1 "$MNT"
	fresh 2 "$MNT2"
	limited $((SECONDS_EACH * 3 + 120)) \
		"$BIN/fs_reuse" random "$SECONDS_EACH" "$SEED" "$SLOW" \
		"$MNT" "${VOLUME}1" "$MNT2" "${VOLUME}2"
	clean 1 "$MNT"
	clean 2 "$MNT2"
}

storm()
{
	fresh 1 "$MNT"
	limited $((SECONDS_EACH * 3 + 120)) \
		"$BIN/fs_reuse_storm" "$SECONDS_EACH" "$SEED" "$SLOW" \
		"$MNT" "${VOLUME}1"
	clean 1 "$MNT"
}

# The kernel delayed tasks at every point.
delayed()
{
	[ "${RDAX_DELAY_US:-200}" != 0 ] || skip "RDAX_DELAY_US is 0"
	cat "$DELAYS/delays"
	# Pages are lent in fs-uffd only, and devices torn down in reload.
	grep -vE '^(lent|torn_down) ' "$DELAYS/delays" >"$TMP/delays"
	refused grep ' 0$' "$TMP/delays"
}

# peer FS: what another file system does. Whatever that is, it is no failure.
peer()
{
	local what

	load_fs "$1" || skip "no file system $1"
	command -v "mkfs.$1" || skip "no mkfs.$1"
	do_mkfs "$1" "$DEV"
	mount_dax "$1" "$DEV"
	for what in truncate punch collapse insert rename unlink; do
		limited 30 "$BIN/fs_reuse_peer" take "$MNT/$what" "$what" ||
			echo "$1: $what: cannot say"
	done
	umount "$MNT"
}

t "setup" setup
t "each way to take blocks, evicted" directed 0 evict
t "each way to take blocks, unmounted" directed 2 umount
t "anything, two volumes" anything
t "holders that never stop" storm
[ ! -e "$DELAYS/delays" ] || t "every step was delayed" delayed
t "remove the volumes" on_exit
for fs in ext4 xfs; do
	t "control: $fs" peer "$fs"
done
run_tests
