#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Damaged images are refused or work, and never harm: see fs_corrupt.c.
#   RDAX_ROUNDS  images (default 200)
#   RDAX_SEED    repeats a run
. "$(dirname "$0")/fs.sh"

use_fs "${1:-rdaxfs}"

# A part of the device: each round that stores compares all of it with what it was.
case $FS in
rdaxfs) SMALL_MIB=16 ROUNDS=${RDAX_ROUNDS:-200} ;;
*) SMALL_MIB=320 ROUNDS=${RDAX_ROUNDS:-60} ;;
esac
dmsetup create rdax-small <<-END || plan_fail "no dm-linear"
	0 $((SMALL_MIB * 2048)) linear $DEV $((64 * 2048))
END
DEV=/dev/mapper/rdax-small

on_exit()
{
	hush start
	umount_all
	dmsetup remove --retry rdax-small
}

# Something of everything, on a device that was zero.
populate()
{
	local i

	umount_all
	dd if=/dev/zero of="$DEV" bs=1M count="$SMALL_MIB" status=none
	fresh_fs
	mkdir -p "$MNT/d/e/f" "$MNT/large"
	for i in 1 2 3 4 5 6 7 8; do
		head -c $((i * 3000)) /dev/urandom >"$MNT/d/file$i"
		ln -s "target$i" "$MNT/d/link$i"
	done
	ln -s "$(printf '%0900d' 7)" "$MNT/d/long"
	ln "$MNT/d/file1" "$MNT/d/e/hard"
	(cd "$MNT/large" && : | tee {1..200} >/dev/null)
	truncate -s 1G "$MNT/sparse"
	fallocate -l 3M "$MNT/sparse"
	for i in 1 2 3 4 5 6 7 8 9 10 11 12; do
		echo x | dd of="$MNT/sparse" bs=4096 seek=$((i * 1000)) \
			conv=notrunc status=none
	done
	mknod "$MNT/d/fifo" p
	"$BIN/fs_xattr" many "$MNT/many"
	umount "$MNT"
	fs_clean "$FS" "$DEV"
}

# udev would look at the device after each round.
hush()
{
	! command -v udevadm >/dev/null ||
		udevadm control "--$1-exec-queue" || true
}

# corrupt ROUNDS [OPTIONS]
corrupt()
{
	hush stop
	"$BIN/fs_corrupt" -n "$@" ${RDAX_SEED:+-s "$RDAX_SEED"} \
		"$DEV" "$FS" "$MNT"
	hush start
	fs_clean "$FS" "$DEV"
}

t "something of everything" populate
if [ "$FS" = rdaxfs ]; then
	t "mounted read-write" corrupt $((ROUNDS / 2)) -l 4
	t "errors=continue" corrupt $((ROUNDS / 4)) -o errors=continue -l 40
	t "mounted read-only" corrupt $((ROUNDS / 4)) -r -l 4
else
	# What is in the log after one round would be replayed in the next.
	t "mounted read-only" corrupt "$ROUNDS" -r
fi
run_tests
