#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Damaged volumes: what is good can be read, nothing is overwritten, and those
# who have to know are told. Also memory that users make the kernel hold.
. "$(dirname "$0")/fs.sh"

use_fs rdaxfs
small_volumes 16 1 || plan_fail "no dm-linear"
DEV=/dev/mapper/rdax-small1
DISK=$(basename "$(readlink -f "$DEV")")
GROUP=/sys/fs/cgroup/rdax-damage

on_exit()
{
	umount_all
	remove_volumes
	rmdir "$GROUP" 2>/dev/null
}

D="$BIN/fs_damage"
WHY="rdaxfs \($DISK\): .*damaged structures, read-only"

fresh()
{
	local i

	umount_all
	fresh_fs
	mkdir "$MNT/d"
	for ((i = 0; i < 64; i++)); do
		printf 'file %d\n%.9000d\n' "$i" "$i" >"$MNT/d/f$i"
	done
	(cd "$MNT/d" && md5sum f*) >"$TMP/sums"
	ROOT=$(stat -c %i "$MNT")
}

ino_of()
{
	stat -c %i "$MNT/d/$1"
}

content()
{
	blockdev --flushbufs "$DEV"
	md5sum <"$DEV"
}

# right COUNT: so many of the files are as they were.
right()
{
	eq "$(cd "$MNT/d" && md5sum -c "$TMP/sums" 2>/dev/null | grep -c ': OK$')" "$1"
}

# not_mounted [OPTIONS]: that fails, with a reason in the log, and changes nothing.
not_mounted()
{
	local before

	before=$(content)
	refused_with "Structure needs cleaning" \
		mount -t rdaxfs ${1:+-o "$1"} "$DEV" "$MNT"
	dmesg_has "rdaxfs \($DISK\): cannot be mounted: .*; run fsck.rdaxfs"
	eq "$(content)" "$before"
}

# Mounted read-only, so many files are right, and it stays read-only.
stays_read_only()
{
	local before said

	before=$(content)
	mount -t rdaxfs -o ro "$DEV" "$MNT"
	right "$1"
	said=$(dmesg_has "$WHY" | wc -l)
	refused mount -o remount,rw "$MNT"
	eq "$(dmesg_has "$WHY" | wc -l)" $((said + 1))
	refused_with "Read-only file system" touch "$MNT/new"
	right "$1"
	umount "$MNT"
	eq "$(content)" "$before"
}

one_bit()
{
	local ino

	fresh
	ino=$(ino_of f29)
	umount "$MNT"
	"$D" flip "$DEV" "$ino"
	not_mounted
	dmesg_has "inode $ino \(block $((ino / 16))\): bad checksum 0x[0-9a-f]*, expected 0x"
	stays_read_only 63
}

# Two files with one block: neither can be opened, so the block is not mapped twice.
one_block_twice()
{
	local from to

	fresh
	from=$(ino_of f10)
	to=$(ino_of f50)
	umount "$MNT"
	"$D" share "$DEV" "$from" "$to"
	not_mounted
	mount -t rdaxfs -o ro "$DEV" "$MNT"
	refused_with "Structure needs cleaning" \
		cat "$MNT/d/f10"
	refused_with "Structure needs cleaning" \
		cat "$MNT/d/f50"
	umount "$MNT"
	stays_read_only 62
}

root_without_links()
{
	fresh
	umount "$MNT"
	"$D" links "$DEV" "$ROOT" 0
	not_mounted
	not_mounted ro
	dmesg_has "inode $ROOT: root directory has no links"
}

bad_transaction()
{
	local byte

	fresh
	umount "$MNT"
	# The superblocks, and a slot of the journal.
	for byte in 0 4096 $((16 * MiB - 4096)); do
		"$D" transaction "$DEV" "$byte"
		not_mounted
	done
	not_mounted ro
}

# However often it is met, and by whom.
limited()
{
	local ino i start=$SECONDS lines

	fresh
	ino=$(ino_of f5)
	umount "$MNT"
	"$D" flip "$DEV" "$ino"
	mount -t rdaxfs -o ro,errors=continue "$DEV" "$MNT"
	for ((i = 0; i < 300; i++)); do
		[ ! -e "$MNT/d/f5" ]
	done
	lines=$(dmesg_has "rdaxfs \($DISK\): inode $ino \(block [0-9]*\): bad checksum" | wc -l)
	echo "$lines lines"
	[ "$lines" -ge 1 ]
	# The kernel's own limit: 10 in 5 seconds.
	[ "$lines" -le $(((SECONDS - start) * 2 + 20)) ]
	umount "$MNT"
}

corruption_is_told()
{
	local ino

	fresh
	ino=$(ino_of f5)
	umount "$MNT"
	"$D" flip "$DEV" "$ino"
	mount -t rdaxfs -o ro "$DEV" "$MNT"
	# EUCLEAN
	"$D" listen "$MNT" 117 cat "$MNT/d/f5"
	umount "$MNT"
}

shutdown_is_told()
{
	fresh
	# ESHUTDOWN
	"$D" listen "$MNT" 108 "$BIN/fs_admin" shutdown "$MNT" 2
	umount "$MNT"
}

group()
{
	[ -e /sys/fs/cgroup/cgroup.controllers ] ||
		mount -t cgroup2 none /sys/fs/cgroup || skip "no cgroup2"
	echo +memory >/sys/fs/cgroup/cgroup.subtree_control || skip "no memory controller"
	# With nothing charged yet.
	[ ! -d "$GROUP" ] || rmdir "$GROUP"
	mkdir "$GROUP"
}

extents_are_charged()
{
	group
	fresh
	"$D" extents "$GROUP" "$MNT/many" 2000
	umount "$MNT"
}

t "a bit of one inode" one_bit
t "two files with one block" one_block_twice
t "a root directory without links" root_without_links
t "a transaction that stores to the journal" bad_transaction
t "one damaged inode, looked at often" limited
t "corruption is reported" corruption_is_told
t "a shutdown is reported" shutdown_is_told
t "extents are charged to their user" extents_are_charged
run_tests
