#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# rdax_pmem beside nd_pmem: who gets a namespace, and the same bytes for both.
. "$(dirname "$0")/lib.sh"

need_root
DRIVER=rdax_pmem
use_ns memmap 1
load_driver nd_pmem || plan_skip "no nd_pmem to compare with"
NVDIMM=$(ns_of nvdimm)
SEED=51

on_exit()
{
	umount_all
	[ -z "$NVDIMM" ] || [ -z "${PFN_USED:-}" ] || drop_pfn
}

switch_to()
{
	DRIVER=$1
	bind_to "$NS" "$1"
	eq "$(driver_of "$NS")" "$1"
	DISK=$(disk_of "$NS")
	DEV=/dev/$DISK
	[ -b "$DEV" ]
}

alias_of()
{
	modinfo -F alias "$1" | sort
}

aliases()
{
	alias_of rdax_pmem | grep -x 'nd:t4\*'
	alias_of rdax_pmem | grep -x 'nd:t5\*'
	modprobe --show-depends rdax_pmem | grep -w rdax.ko
	# What udev would load for the namespace includes this driver.
	modprobe -R "$(cat "$ND/devices/$NS/modalias")" | grep -x rdax_pmem
}

not_stolen()
{
	switch_to nd_pmem
	"$BIN/dax_bdev" write "$DEV" "$MiB" 65536 "$SEED" plain
	# Loading and unbinding others makes the bus probe again.
	bind_to "$(ns_of memmap 0)" ""
	bind "$(ns_of memmap 0)" rdax_pmem
	if lsmod | grep -qw rdax_pmem; then
		refused bind "$NS" rdax_pmem
	fi
	eq "$(driver_of "$NS")" nd_pmem
	"$BIN/dax_bdev" read "$DEV" "$MiB" 65536 "$SEED"
}

# XFS made under one driver, grown under the other, read under the first.
same_bytes()
{
	local fs=$1

	switch_to nd_pmem
	mkfs_mount "$fs"
	"$BIN/dax_io" write "$MNT/a" $((4 * MiB)) "$SEED"
	umount "$MNT"
	switch_to rdax_pmem
	mount_dax "$fs" "$DEV"
	"$BIN/dax_map" check "$MNT/a" $((4 * MiB)) "$SEED"
	"$BIN/dax_map" msync "$MNT/b"
	umount "$MNT"
	switch_to nd_pmem
	mount_dax "$fs" "$DEV"
	"$BIN/dax_map" check "$MNT/a" $((4 * MiB)) "$SEED"
	"$BIN/dax_map" check "$MNT/b" $((4 * MiB)) 23
	umount "$MNT"
	switch_to rdax_pmem
}

# What a file system decides by must not differ between the drivers.
limits()
{
	(cd "/sys/block/$DISK/queue" &&
		grep -H "" dax fua write_cache logical_block_size \
			physical_block_size minimum_io_size \
			discard_max_bytes rotational stable_writes)
	blockdev --getsize64 "$DEV"
}

same_limits()
{
	switch_to nd_pmem
	limits >"$TMP/nd_pmem"
	switch_to rdax_pmem
	limits >"$TMP/rdax_pmem"
	diff "$TMP/nd_pmem" "$TMP/rdax_pmem"
}

raw_sum()
{
	dd if="$1" bs=1M count=4 iflag=direct status=none | md5sum
}

# The pfn device that has claimed the namespace.
pfn_of_nvdimm()
{
	local d claimed

	for d in "$ND"/devices/pfn*; do
		read -r claimed 2>/dev/null <"$d/namespace" || continue
		[ "$claimed" != "$NVDIMM" ] || echo "${d##*/}"
	done
}

pfn_disk()
{
	local pfn

	pfn=$(pfn_of_nvdimm)
	[ -z "$pfn" ] || disk_of "$pfn"
}

have_pfn_disk()
{
	[ -n "$(pfn_disk)" ]
}

# Gives the namespace back; the info block stays.
release_pfn()
{
	local pfn

	pfn=$(pfn_of_nvdimm)
	[ -n "$pfn" ] || return 0
	unbind "$pfn"
	echo >"$ND/devices/$pfn/namespace"
}

# Removes the info block, under a driver that does not look for it.
drop_pfn()
{
	PFN_USED=
	release_pfn
	unbind "$NVDIMM"
	echo 1 >"$ND/devices/$NVDIMM/force_raw"
	bind "$NVDIMM" rdax_pmem
	dd if=/dev/zero of="/dev/$(disk_of "$NVDIMM")" bs=1M count=1 \
		oflag=direct status=none
	unbind "$NVDIMM"
	echo 0 >"$ND/devices/$NVDIMM/force_raw"
	bind_to "$NVDIMM" rdax_pmem
}

# As "ndctl create-namespace -m fsdax" does it, which wants labels.
make_pfn()
{
	local seed

	read -r seed <"$(region_of "$NVDIMM")/pfn_seed"
	echo 2097152 >"$ND/devices/$seed/align"
	echo pmem >"$ND/devices/$seed/mode"
	cat /proc/sys/kernel/random/uuid >"$ND/devices/$seed/uuid"
	echo "$NVDIMM" >"$ND/devices/$seed/namespace"
	echo "$seed" >"$ND/drivers/nd_pmem/bind"
}

# A namespace with a pfn info block keeps its memmap on the media: taking it
# as one flat device would show other blocks than nd_pmem does, and overwrite
# that memmap.
pfn_refused()
{
	local disk sum

	[ -n "$NVDIMM" ] || skip "no nvdimm namespace"
	unbind "$NVDIMM"
	PFN_USED=1
	make_pfn
	disk=$(pfn_disk)
	[ -b "/dev/$disk" ]
	do_mkfs ext4 "/dev/$disk"
	sum=$(raw_sum "/dev/$disk")

	# In use by its owner, and then with the info block only.
	refused bind "$NVDIMM" rdax_pmem
	release_pfn
	refused_with "Operation not supported" bind "$NVDIMM" rdax_pmem
	dmesg_has "$NVDIMM.*fsdax"
	eq "$(driver_of "$NVDIMM")" ""

	# nd_pmem finds its own as it left it. Its probe of the namespace fails
	# on purpose, when it has made a pfn device of it.
	bind "$NVDIMM" nd_pmem || :
	until_true 30 have_pfn_disk
	eq "$(raw_sum "/dev/$(pfn_disk)")" "$sum"
	mount -o dax=always "/dev/$(pfn_disk)" "$MNT"
	umount "$MNT"
	drop_pfn
}

t "module aliases and dependencies" aliases
t "a namespace of nd_pmem is not taken away" not_stolen
t "queue limits are those of nd_pmem" same_limits
t "xfs: same bytes under both drivers" same_bytes xfs
t "ext4: same bytes under both drivers" same_bytes ext4
t "namespace with a pfn info block is refused, unchanged" pfn_refused
run_tests
