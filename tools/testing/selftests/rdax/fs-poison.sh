#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Media errors: in data, free space and metadata, known before or found by a
# memory failure. What is lost is told, what is not stays usable, and nothing
# that is stored afterwards ends in a block that cannot be read.
. "$(dirname "$0")/fs.sh"

use_fs "${1:-rdaxfs}"
INJECT=/sys/kernel/debug/$DRIVER/$DISK
FAIL=/sys/kernel/debug/hwpoison/corrupt-pfn
[ -w "$INJECT/inject_badblock" ] || plan_skip "$DRIVER has no inject_badblock"
FIRST_PFN=$(($(<"$ND/devices/$NS/resource") / 4096))
BAD=$((MiB + 5 * 4096))
SEED=71

on_exit()
{
	umount_all
	[ "$(driver_of "$NS")" = "$DRIVER" ] || bind_to "$NS" "$DRIVER"
	good
}

need_fail()
{
	[ -w "$FAIL" ] || skip "kernel without CONFIG_HWPOISON_INJECT"
}

# poison BLOCK [BLOCKS]: a scrub has found them bad.
poison()
{
	echo "$(($1 * 8)) $((${2:-1} * 8))" >"$INJECT/inject_badblock"
	echo "$1 ${2:-1}" >>"$TMP/bad"
}

# fail_block BLOCK: the memory fails, and the kernel tells.
fail_block()
{
	echo "$1 1" >>"$TMP/bad"
	# EHWPOISON and the like say how it was handled.
	echo $((FIRST_PFN + $1)) >"$FAIL" || echo "injected: status $?"
}

# All memory is good again.
good()
{
	local block count

	[ -s "$TMP/bad" ] || return 0
	while read -r block count; do
		"$BIN/dax_bdev" zeroout "$DEV" $((block * 4096)) $((count * 4096))
	done <"$TMP/bad"
	: >"$TMP/bad"
}

no_badblocks()
{
	eq "$(<"/sys/block/$DISK/badblocks")" "" badblocks
}

# A new file system with a tree of files on it.
fresh()
{
	umount_all
	good
	no_badblocks
	fresh_fs
	"$BIN/fs_poison" tree "$MNT/t"
	sync
}

# of_inode FIELD FILE: what rdaxctl says of its inode.
of_inode()
{
	local field value

	while read -r field value; do
		[ "$field" != "$1" ] || echo "$value"
	done < <(rdaxctl dump inode "$(stat -c %i "$2")" "$DEV")
}

# block_of KIND: the block that holds it.
block_of()
{
	case $1 in
	superblock) echo 0 ;;
	journal) echo 1 ;;
	"inode map") super_field inode_map_block ;;
	inodes) echo $(($(stat -c %i "$MNT/t/data") / 16)) ;;
	directory) first_extent "$MNT/t/dir" ;;
	"list of extents") of_inode extents_block "$MNT/t/extents" ;;
	"extended attributes") of_inode xattrs_block "$MNT/t/attr" ;;
	"symbolic link") of_inode extents_block "$MNT/t/link" ;;
	esac
}

super_field()
{
	rdaxctl --json dump super "$DEV" | grep -om1 "\"$1\": [0-9]*" |
		grep -o "[0-9]*"
}

first_extent()
{
	rdaxctl --json dump extents "$(stat -c %i "$1")" "$DEV" |
		grep -om1 '"block": [0-9]*' | grep -o "[0-9]*"
}

data_block()
{
	echo $(($("$BIN/dax_poison" sector "$1" "$2") / 8))
}

# The file system says it, and says it once.
said_once()
{
	eq "$(dmesg_has "rdaxfs \\($DISK\\): $1" | wc -l)" 1 "$1"
}

# --- data

data_read()
{
	fresh
	poison "$(data_block "$MNT/t/data" "$BAD")"
	"$BIN/dax_poison" read-eio "$MNT/t/data" "$BAD"
	eq "$(head -c "$BAD" "$MNT/t/data" | wc -c)" "$BAD" "bytes before it"
	for kind in pte pmd; do
		"$BIN/dax_poison" load-bus "$MNT/t/data" "$BAD" "$kind"
		"$BIN/dax_poison" neighbours "$MNT/t/data" "$BAD" "$kind" "$SEED"
	done
	# Its file system is none the worse.
	touch "$MNT/t/new"
	rm "$MNT/t/new"
}

data_write()
{
	refused dd if=/dev/zero of="$MNT/t/data" bs=100 count=1 \
		seek=$((BAD + 200)) oflag=seek_bytes conv=notrunc status=none
	"$BIN/dax_poison" read-eio "$MNT/t/data" "$BAD"
	"$BIN/dax_poison" write-page "$MNT/t/data" "$BAD" "$SEED"
	no_badblocks
	"$BIN/fs_poison" check "$MNT/t"
}

# cleared_by zero|write|punch
cleared_by()
{
	poison "$(data_block "$MNT/t/data" "$BAD")"
	"$BIN/fs_poison" clear "$MNT/t/data" "$BAD" "$1"
	"$BIN/fs_poison" check "$MNT/t"
}

# Whatever takes a free block finds it good, or makes it good.
free_space()
{
	local first

	fresh_blank
	# The lowest chunks are used first. Behind the root directory all is free.
	first=$(first_extent "$MNT")
	[ "$first" -gt $(($(stat -c %i "$MNT") / 16)) ]
	poison $((first + 1)) 1024
	"$BIN/fs_poison" tree "$MNT/t"
	printf 'small' >"$MNT/small"
	"$BIN/dax_fault" pmd-write "$MNT/pmd"
	"$BIN/dax_fault" pte-write "$MNT/pte"
	umount "$MNT"
	fs_clean "$FS" "$DEV"
	mount_dax "$FS" "$DEV"
	"$BIN/fs_poison" check "$MNT/t"
	eq "$(<"$MNT/small")" small
	find "$MNT" -type f -exec cat {} + >/dev/null
}

fresh_blank()
{
	umount_all
	good
	no_badblocks
	fresh_fs
}

# --- memory failures

data_fails()
{
	local ino

	fresh
	ino=$(stat -c %i "$MNT/t/data")
	echo "$(data_block "$MNT/t/data" "$BAD") 1" >>"$TMP/bad"
	"$BIN/fs_poison" fail "$MNT/t/data" "$BAD" "$1"
	said_once "memory failed: inode $ino: bytes $BAD-$((BAD + 4095)) are lost"
	dmesg_has "Memory failure: .*: recovery action for dax page: Recovered"
	touch "$MNT/t/new"
	rm "$MNT/t/new"
	"$BIN/dax_poison" read-eio "$MNT/t/data" "$BAD"
	"$BIN/dax_poison" write-page "$MNT/t/data" "$BAD" "$SEED"
	"$BIN/dax_io" write "$MNT/t/data" $((4 * MiB)) "$SEED"
	"$BIN/fs_poison" check "$MNT/t"
	no_badblocks
}

# Who listens for errors of the file system hears it (EIO).
loss_is_told()
{
	fresh
	echo "$(data_block "$MNT/t/data" "$BAD") 1" >>"$TMP/bad"
	"$BIN/fs_damage" listen "$MNT" 5 \
		"$BIN/fs_poison" fail "$MNT/t/data" "$BAD" "$1"
	"$BIN/dax_poison" read-eio "$MNT/t/data" "$BAD"
}

# Nobody has the file open; not even its inode is in memory.
unused_fails()
{
	local block ino

	need_fail
	ino=$(stat -c %i "$MNT/t/extents")
	block=$(data_block "$MNT/t/extents" $((40 * 8192)))
	remount_fs
	fail_block "$block"
	said_once "memory failed: inode $ino: bytes $((40 * 8192))-$((40 * 8192 + 4095)) are lost"
	"$BIN/dax_poison" read-eio "$MNT/t/extents" $((40 * 8192))
	touch "$MNT/t/new"
	check_fs
}

free_fails()
{
	need_fail
	fresh
	fail_block $(($(blockdev --getsize64 "$DEV") / 4096 - 2))
	said_once "memory of free block"
	check_fs
	"$BIN/fs_poison" check "$MNT/t"
}

# What only a check can put in order stops the file system at once.
metadata_fails()
{
	local kind block users=$1
	shift

	need_fail
	for kind; do
		fresh
		block=$(block_of "$kind")
		echo "$kind: block $block"
		if [ "$users" = unused ]; then
			remount_fs
		fi
		fail_block "$block"
		said_once "memory failed: block $block, $kind: shutting down"
		refused_with "Input/output" touch "$MNT/t/new"
		refused_with "Input/output" cat "$MNT/t/data"
		umount "$MNT"
		TEST_MARK="$TEST_MARK $kind"
		echo "$TEST_MARK" >/dev/kmsg
	done
}

# --- poison in metadata, found by who reads it

# fsck.rdaxfs says what is lost, repairs, and finds nothing any more.
repaired()
{
	local rc=0

	fsck.rdaxfs -n "$DEV" >"$TMP/check" 2>&1 || rc=$?
	eq "$rc" 4 "fsck -n: $(<"$TMP/check")"
	fsck.rdaxfs -y "$DEV" >"$TMP/check" 2>&1 || rc=$?
	cat "$TMP/check"
	eq "$rc" 1 "fsck -y"
	fs_clean "$FS" "$DEV"
	mount_dax "$FS" "$DEV"
	touch "$MNT/after"
	find "$MNT" >/dev/null
	umount "$MNT"
	fs_clean "$FS" "$DEV"
}

at_mount()
{
	local kind=$1 block

	fresh
	block=$(block_of "$kind")
	umount "$MNT"
	poison "$block"
	refused mount_fs "$FS" "$DEV" "$MNT"
	said_once "cannot be mounted: Poison"
	case $kind in
	inode*) ;;
	*)
		mount_fs "$FS" "$DEV" "$MNT" ro
		ls "$MNT" "$MNT/t" >/dev/null
		umount "$MNT"
		;;
	esac
	repaired
}

# While it is mounted it is met later.
in_use()
{
	local block

	fresh
	block=$(block_of directory)
	remount_fs
	poison "$block"
	refused_with "Input/output" ls "$MNT/t/dir"
	refused_with "Input/output" ls "$MNT/t/dir"
	said_once "poisoned: metadata is lost (read-only from now on)"
	refused_with "Read-only" touch "$MNT/t/new"
	cat "$MNT/t/data" >/dev/null
	umount "$MNT"
	repaired
}

# Of two superblocks one is enough; a journal that nothing is in is not read.
made_good()
{
	local last

	fresh
	last=$(($(super_field blocks) - 1))
	for block in 0 "$last" 1; do
		umount "$MNT"
		poison "$block"
		mount_dax "$FS" "$DEV"
		no_badblocks
		"$BIN/fs_poison" check "$MNT/t"
	done
	end_fs
}

# The driver is taken away without having unmapped anybody, as it does.
removal()
{
	umount_all
	good
	load_driver nd_pmem
	bind_to "$NS" nd_pmem
	DEV=/dev/$(disk_of "$NS")
	fresh_fs
	hold pmd "$MNT/f"
	unbind "$NS"
	ask load
	[ "$ANSWER" != ok ] || fail "the memory is still mapped"
	ask read
	[ "$ANSWER" != ok ] || fail "the file can still be read"
	hold_end
	umount "$MNT"
	bind "$NS" nd_pmem
	fs_clean "$FS" "$DEV"
	bind_to "$NS" "$DRIVER"
}

waits_for_page()
{
	grep -q rdax_helper_wait_folio_unreferenced "/proc/$1/stack"
}

# That driver waits for nobody, but the file system does: for pages of a file
# that is gone, of blocks it had to keep, and from before it was mounted.
removal_held()
{
	local pid

	umount_all
	load_driver nd_pmem
	bind_to "$NS" nd_pmem
	DEV=/dev/$(disk_of "$NS")
	fresh_fs
	mount -o remount,drain_ms=100 "$MNT"
	hold orphan-pin "$MNT/f"
	case $1 in
	file) ;;
	blocks)
		rm "$MNT/f"
		;;
	earlier)
		rm "$MNT/f"
		remount_fs
		;;
	esac
	unbind "$NS" &
	pid=$!
	until_true 60 waits_for_page "$pid"
	refused touch "$MNT/new"
	ask pipe
	eq "$ANSWER" ok
	hold_end
	wait "$pid"
	umount "$MNT"
	bind "$NS" nd_pmem
	fs_clean "$FS" "$DEV"
	bind_to "$NS" "$DRIVER"
}

t "data: EIO and SIGBUS, neighbours are fine" data_read
t "data: part of a page is refused, a page clears it" data_write
for how in zero write punch; do
	t "data: cleared by fallocate: $how" cleared_by "$how"
done
t "free space" free_space
t "memory failure: mapped data, PTE" data_fails pte
t "memory failure: mapped data, PMD" data_fails pmd
t "memory failure: it is reported" loss_is_told pte
t "memory failure: a file that is not in use" unused_fails
t "memory failure: free space" free_fails
t "memory failure: metadata in use" metadata_fails used superblock journal \
	"inode map" inodes directory "list of extents"
t "memory failure: metadata not in use" metadata_fails unused \
	"extended attributes" "symbolic link"
for kind in inodes "inode map" "list of extents"; do
	t "poison at mount: $kind" at_mount "$kind"
done
t "poison met later" in_use
t "superblock and journal are made good" made_good
t "removal without a drain" removal
for what in file blocks earlier; do
	t "removal without a drain, page held: $what" removal_held "$what"
done
run_tests
