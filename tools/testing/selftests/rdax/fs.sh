#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Shared by the tests of a file system, fs-*.sh. Their first argument is its
# type: rdaxfs (default), or xfs and ext4 to show what those do.
# shellcheck source=lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

# use_fs FS: the file system under test, on a device of the driver under test.
use_fs()
{
	FS=$1
	need_root
	use_ns memmap
	load_fs "$FS" || plan_skip "no file system $FS"
	command -v "mkfs.$FS" >/dev/null || plan_skip "no mkfs.$FS"
}

# The sample that pins pages.
load_pin()
{
	[ -c /dev/rdax_pin ] || modprobe rdax_pin 2>"$TMP/err" ||
		insmod "${RDAX_BUILD:-/nonexistent}/rdax_pin.ko"
	[ -c /dev/rdax_pin ]
}

# Only what rdaxfs promises.
need_rdaxfs()
{
	[ "$FS" = rdaxfs ] || skip "only rdaxfs promises this"
}

# The sample that pins pages, as a DMA engine does: /dev/rdax_pin.
load_pin()
{
	[ -c /dev/rdax_pin ] || modprobe rdax_pin 2>"$TMP/err" ||
		insmod "${RDAX_BUILD:-/nonexistent}/rdax_pin.ko"
	[ -c /dev/rdax_pin ]
}

fresh_fs()
{
	do_mkfs "$FS" "$DEV"
	mount_dax "$FS" "$DEV"
}

remount_fs()
{
	umount "$MNT"
	mount_dax "$FS" "$DEV"
}

# The file system under test is consistent; it is mounted again afterwards.
check_fs()
{
	umount "$MNT"
	fs_clean "$FS" "$DEV"
	mount_dax "$FS" "$DEV"
}

end_fs()
{
	umount "$MNT"
	fs_clean "$FS" "$DEV"
}

load_pin()
{
	[ -c /dev/rdax_pin ] || modprobe rdax_pin 2>"$TMP/err" ||
		insmod "${RDAX_BUILD:-/nonexistent}/rdax_pin.ko"
	[ -c /dev/rdax_pin ]
}

# with OPTIONS PROGRAM TEST [ARGS...]: a test of a helper, in a directory of its
# own, with options of rdaxfs that say how drains wait. Others have no such ones.
with()
{
	local opts=$1 program=$2 test=$3
	shift 3

	load_pin
	[ "$FS" != rdaxfs ] || mount -o "remount,$opts" "$MNT"
	limited 60 "$BIN/$program" "$test" "$MNT/$test.$RANDOM" "$@"
	[ "$FS" != rdaxfs ] ||
		mount -o "remount,drain=bounded,drain_ms=1000" "$MNT"
}

# small_volumes MIB COUNT: that many volumes of this size on the device under
# test, which are soon full: /dev/mapper/rdax-small1 and so on.
small_volumes()
{
	local sectors=$(($1 * MiB / 512)) i

	for ((i = 1; i <= $2; i++)); do
		dmsetup create "rdax-small$i" \
			--table "0 $sectors linear $DEV $((i * sectors))"
	done
}

# Of what a failed test may have left mounted, too.
remove_volumes()
{
	local volume

	for volume in /dev/mapper/rdax-small*; do
		[ -b "$volume" ] || continue
		umount "$volume" 2>/dev/null || :
		dmsetup remove --retry "${volume##*/}"
	done
}

# p PROGRAM TEST [ARGS...]: a test of a helper, in a directory of its own.
p()
{
	t "${1#fs_}: $2" "$BIN/$1" "$2" "$MNT/$2" "${@:3}"
}

# run_fs_tests: what was queued, on a new file system that is clean afterwards.
run_fs_tests()
{
	test_names=("$FS: mkfs, mount" "${test_names[@]}")
	test_cmds=(fresh_fs "${test_cmds[@]}")
	t "$FS: unmount, clean" end_fs
	run_tests
}
