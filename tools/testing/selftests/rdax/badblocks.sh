#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The life of a bad block: reported, refused to readers, cleared by a write.
. "$(dirname "$0")/lib.sh"

need_root
use_ns "${1:-memmap}"
INJECT=/sys/kernel/debug/$DRIVER/$DISK
[ -w "$INJECT/inject_badblock" ] || plan_skip "$DRIVER has no inject_badblock"
BAD=$((2 * MiB + 5 * 4096))
SEED=21

on_exit()
{
	echo "0 $(blockdev --getsz "$DEV")" >"$INJECT/clear_badblock"
}

inject()
{
	echo "$1 $2" >"$INJECT/inject_badblock"
}

listed()
{
	grep -qx "$1 $2" "/sys/block/$DISK/badblocks"
}

no_badblocks()
{
	eq "$(<"/sys/block/$DISK/badblocks")" "" badblocks
}

bdev()
{
	local cmd=$1
	shift
	"$BIN/dax_bdev" "$cmd" "$DEV" "$@"
}

raw_read()
{
	local events

	events=$(dbg poison_events)
	bdev write $((4 * MiB)) 65536 "$SEED" plain
	inject $((4 * MiB / 512 + 16)) 8
	listed $((4 * MiB / 512 + 16)) 8
	bdev read-eio $((4 * MiB + 8192)) 4096
	bdev read-eio $((4 * MiB + 8192)) 512
	bdev read-eio $((4 * MiB)) 65536
	[ "$(dbg poison_events)" -gt "$events" ] || fail "poison_events"
	# What is beside it can be read.
	dd if="$DEV" of=/dev/null bs=4096 iflag=direct count=2 \
		skip=$((4 * MiB / 4096)) status=none
	dd if="$DEV" of=/dev/null bs=4096 iflag=direct count=13 \
		skip=$((4 * MiB / 4096 + 3)) status=none
	# So can what the page cache has not seen.
	refused dd if="$DEV" of=/dev/null bs=4096 count=1 \
		skip=$((4 * MiB / 4096 + 2)) status=none
}

# One sector of the eight, then the rest.
raw_write_clears()
{
	bdev write $((4 * MiB + 8192 + 512)) 512 "$SEED" plain
	bdev read $((4 * MiB + 8192 + 512)) 512 "$SEED"
	bdev read-eio $((4 * MiB + 8192)) 4096
	bdev write $((4 * MiB)) 65536 "$SEED" plain
	bdev read $((4 * MiB)) 65536 "$SEED"
	no_badblocks
}

raw_zeroout_clears()
{
	inject $((4 * MiB / 512)) 64
	bdev zeroout $((4 * MiB)) 32768
	bdev read $((4 * MiB)) 32768 0
	no_badblocks
}

clear_attribute()
{
	inject 100 50
	echo "110 10" >"$INJECT/clear_badblock"
	listed 100 10
	listed 120 30
	echo "0 1000" >"$INJECT/clear_badblock"
	no_badblocks
}

bad_input()
{
	local size

	size=$(blockdev --getsz "$DEV")
	refused inject "$size" 8
	refused inject $((size - 4)) 8
	refused inject 10 0
	refused inject x 8
	refused inject 18446744073709551615 8
	refused inject 8 18446744073709551615
	no_badblocks
}

poison_file()
{
	SECTOR=$("$BIN/dax_poison" sector "$MNT/f" "$BAD")
	inject "$SECTOR" 8
	listed "$SECTOR" 8
}

file_read()
{
	"$BIN/dax_io" write "$MNT/f" $((4 * MiB)) "$SEED"
	sync
	poison_file
	"$BIN/dax_poison" read-eio "$MNT/f" "$BAD"
	"$BIN/dax_poison" read-eio "$MNT/f" $((BAD + 1024))
	eq "$(head -c "$BAD" "$MNT/f" | wc -c)" "$BAD" "bytes before the poison"
}

file_map()
{
	local events

	events=$(dbg poison_events)
	"$BIN/dax_poison" load-bus "$MNT/f" "$BAD" pte
	"$BIN/dax_poison" load-bus "$MNT/f" "$BAD" pmd
	[ "$(dbg poison_events)" -gt "$events" ] || fail "poison_events"
	"$BIN/dax_poison" neighbours "$MNT/f" "$BAD" pte "$SEED"
	"$BIN/dax_poison" neighbours "$MNT/f" "$BAD" pmd "$SEED"
}

file_write_clears()
{
	# Less than a page cannot make the rest of it good.
	refused dd if=/dev/zero of="$MNT/f" bs=100 count=1 seek=$((BAD + 200)) \
		oflag=seek_bytes conv=notrunc status=none
	"$BIN/dax_poison" read-eio "$MNT/f" "$BAD"
	"$BIN/dax_poison" write-page "$MNT/f" "$BAD" "$SEED"
	"$BIN/dax_map" check "$MNT/f" $((4 * MiB)) "$SEED"
	no_badblocks
	umount "$MNT"
	mount_dax "$1" "$DEV"
	"$BIN/dax_map" check "$MNT/f" $((4 * MiB)) "$SEED"
}

file_zero()
{
	poison_file
	"$BIN/dax_poison" zero-page "$MNT/f" "$BAD"
	"$BIN/dax_poison" write-page "$MNT/f" "$BAD" "$SEED"
	"$BIN/dax_map" check "$MNT/f" $((4 * MiB)) "$SEED"
	echo "$SECTOR 8" >"$INJECT/clear_badblock"
	no_badblocks
}

# Freed poison must not come back as somebody's zeroes.
file_realloc()
{
	poison_file
	rm "$MNT/f"
	"$BIN/dax_fault" pmd-write "$MNT/g"
	rm "$MNT/g"
	echo "$SECTOR 8" >"$INJECT/clear_badblock"
	no_badblocks
}

fs_tests()
{
	t "$1: read(2) of poison is EIO" file_read
	t "$1: load of poison is SIGBUS, PTE and PMD" file_map
	t "$1: writing the page clears it" file_write_clears "$1"
	t "$1: FALLOC_FL_ZERO_RANGE over poison" file_zero
	t "$1: poison freed with its file" file_realloc
}

t "raw read of poison is EIO, neighbours are fine" raw_read
t "raw write clears poison" raw_write_clears
t "BLKZEROOUT clears poison" raw_zeroout_clears
t "clear_badblock splits a range" clear_attribute
t "wrong ranges are refused" bad_input
each_fs fs_tests
run_tests
