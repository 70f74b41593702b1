#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# rdax_pmem beside nd_pmem: who gets a namespace, and the same bytes for both.
. "$(dirname "$0")/lib.sh"

need_root
DRIVER=rdax_pmem
use_ns memmap 1
remember_bindings
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
			physical_block_size minimum_io_size optimal_io_size \
			discard_max_bytes write_zeroes_max_bytes rotational \
			stable_writes)
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

drop_pfn()
{
	local d

	# A namespace that a pfn device claims goes back by unbinding that one.
	for d in "$ND"/devices/pfn*; do
		if [ "$(cat "$d/namespace" 2>/dev/null)" = "$NVDIMM" ]; then
			echo "${d##*/}" >"$ND/drivers/nd_pmem/unbind"
			echo >"$d/namespace"
		fi
	done
	bind_to "$NVDIMM" nd_pmem
	dd if=/dev/zero of="/dev/$(disk_of "$NVDIMM")" bs=1M count=1 \
		oflag=direct status=none
	bind_to "$NVDIMM" "${boot_driver[$NVDIMM]}"
}

pfn_disk()
{
	local d

	for d in "$ND"/devices/pfn*; do
		[ "$(cat "$d/namespace")" != "$NVDIMM" ] ||
			ls "$d/block"
	done
}

# As "ndctl create-namespace -m fsdax" does it, which needs labels.
make_pfn()
{
	local region seed

	region=$(region_of "$NVDIMM")
	seed=$(cat "$region/pfn_seed")
	echo 2097152 >"$ND/devices/$seed/align"
	echo pmem >"$ND/devices/$seed/mode"
	cat /proc/sys/kernel/random/uuid >"$ND/devices/$seed/uuid"
	echo "$NVDIMM" >"$ND/devices/$seed/namespace"
	echo "$seed" >"$ND/drivers/nd_pmem/bind"
}

# A namespace with a pfn info block keeps its memmap on the media: taking it
# raw would show other blocks than nd_pmem does, and overwrite the memmap.
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
	for d in "$ND"/devices/pfn*; do
		[ "$(cat "$d/namespace")" != "$NVDIMM" ] ||
			echo "${d##*/}" >"$ND/drivers/nd_pmem/unbind"
	done
	[ -z "$(disk_of "$NVDIMM")" ]

	refused bind "$NVDIMM" rdax_pmem
	dmesg_has "rdax_pmem.*$NVDIMM|$NVDIMM.*(pfn|info block|fsdax)"
	eq "$(driver_of "$NVDIMM")" ""

	# nd_pmem finds its own as it left it.
	bind "$NVDIMM" nd_pmem || :
	until_true 20 test -n "$(pfn_disk)"
	eq "$(raw_sum "/dev/$(pfn_disk)")" "$sum"
	mount -o dax=always "/dev/$(pfn_disk)" "$MNT"
	umount "$MNT"
	drop_pfn
	PFN_USED=
}

t "module aliases and dependencies" aliases
t "a namespace of nd_pmem is not taken away" not_stolen
t "queue limits are those of nd_pmem" same_limits
t "xfs: same bytes under both drivers" same_bytes xfs
t "ext4: same bytes under both drivers" same_bytes ext4
t "namespace with a pfn info block is refused, unchanged" pfn_refused
run_tests
