#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Whether a device is synchronous, so that MAP_SYNC can be had and a store is
# durable without a flush, is a flag of its dax_device, which the kernel does not
# clear when it makes one of the memory of another. So: a device that is and one
# that is not, taken away and bound in the other order. The one that is not must
# never be taken for one that is, with either driver.
. "$(dirname "$0")/lib.sh"

need_root
ROUNDS=${RDAX_ROUNDS:-2}
remember_bindings
ASYNC=$(ns_of virtio)
[ -n "$ASYNC" ] || plan_skip "no virtio namespace"
# nd_pmem makes no struct pages for an NVDIMM without a label.
SYNC=$(ns_of memmap)
[ -n "$SYNC" ] || plan_skip "no synchronous namespace"
load_fs rdaxfs || plan_skip "no rdaxfs"

on_exit()
{
	umount_all
	[ ! -b /dev/mapper/rdax-flag ] || dmsetup remove --retry rdax-flag
}

# Freed objects come back as new ones soon, also where KASAN keeps them a while.
recycle()
{
	[ ! -w /sys/kernel/slab/dax_cache/shrink ] ||
		echo 1 >/sys/kernel/slab/dax_cache/shrink
}

# swap DRIVER: the asynchronous namespace is bound with what the other left, which
# had what it left itself.
swap()
{
	umount_all
	unbind "$ASYNC"
	unbind "$SYNC"
	recycle
	bind "$SYNC" "$1"
	unbind "$SYNC"
	recycle
	bind "$ASYNC" "$1"
	bind "$SYNC" "$1"
}

# try FS DISK WHAT: whether a file of a new FS gets MAP_SYNC.
try()
{
	do_mkfs "$1" "/dev/$2"
	mount_dax "$1" "/dev/$2"
	"$BIN/dax_map" "$3" "$MNT/s"
	umount "$MNT"
}

rounds()
{
	local driver=$1 fs=$2 i

	load_driver "$driver" || skip "no driver $driver"
	for ((i = 0; i < ROUNDS; i++)); do
		swap "$driver"
		try "$fs" "$(disk_of "$ASYNC")" sync-refused
	done
	# What the kernel does with its own driver, to know that this tests something.
	if [ "$driver" = nd_pmem ]; then
		do_mkfs ext4 "/dev/$(disk_of "$ASYNC")"
		mount_dax ext4 "/dev/$(disk_of "$ASYNC")"
		if "$BIN/dax_map" sync-ok "$MNT/s"; then
			echo "ext4 takes it for synchronous"
		else
			echo "the kernel has offered an object without the flag"
		fi
		umount "$MNT"
	fi
	# Not because it is refused everywhere.
	try "$fs" "$(disk_of "$SYNC")" sync-ok
}

# A flush of the device at each fsync, which the flag would save.
flushed()
{
	local before

	DRIVER=rdax_pmem
	swap "$DRIVER"
	DISK=$(disk_of "$ASYNC")
	do_mkfs rdaxfs "/dev/$DISK"
	mount_dax rdaxfs "/dev/$DISK"
	before=$(dbg flushes)
	"$BIN/dax_io" write "$MNT/f" "$MiB" 7
	xfs_io -c fsync "$MNT/f"
	[ "$(dbg flushes)" -gt "$before" ] || fail "fsync does not flush"
	umount "$MNT"
}

# Nothing tells what lies below a mapped device, now and after it is reloaded.
stacked()
{
	local dev

	command -v dmsetup >/dev/null || skip "no dmsetup"
	umount_all
	[ "$(driver_of "$SYNC")" = rdax_pmem ] || bind_to "$SYNC" rdax_pmem
	dev=/dev/$(disk_of "$SYNC")
	echo "0 $(blockdev --getsz "$dev") linear $dev 0" | dmsetup create rdax-flag
	do_mkfs rdaxfs /dev/mapper/rdax-flag
	mount_dax rdaxfs /dev/mapper/rdax-flag
	"$BIN/dax_map" sync-refused "$MNT/s"
	umount "$MNT"
	dmsetup remove --retry rdax-flag
}

t "rdax_pmem: ext4 gets no MAP_SYNC" rounds rdax_pmem ext4
t "rdax_pmem: rdaxfs gets no MAP_SYNC" rounds rdax_pmem rdaxfs
t "rdax_pmem: rdaxfs flushes" flushed
t "nd_pmem: rdaxfs gets no MAP_SYNC" rounds nd_pmem rdaxfs
t "device mapper: rdaxfs gets no MAP_SYNC" stacked
run_tests
