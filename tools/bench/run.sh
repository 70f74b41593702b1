#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# /init of the guest that bench.py boots: runs rdax_bench on each file system,
# one after the other on the same device, and turns the guest off. Results go
# to the second serial line, everything else to the first, the console.
# bench.conf says what to do:
#	FS		file systems, of ext4 xfs rdaxfs
#	CASES		patterns of the cases to run; empty: all
#	MODULES		the device's modules, in order
#	RDAXFS_MODULES	those that rdaxfs needs besides
#	DEVICE		the block device
#	RDAXFS_OPTIONS	mount options for rdaxfs
set -uo pipefail
export PATH=/bin LC_ALL=C

mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
# shellcheck disable=SC1091
. /bench.conf
exec 3>/dev/ttyS1

result() { printf '%s\n' "$*" >&3; }

finish() {
	# Our own file systems' and modules' messages were below the console's level.
	cat /proc/uptime
	result "end $1"
	exec 3>&-
	rdax_bench poweroff
}

# fatal WHY: nothing can be measured.
fatal() {
	result "failed setup: $*"
	finish 1
}

# Fixed UUIDs: a hash seed must not change a directory's shape.
uuid=0d9b1c60-6d0e-4a53-a5e9-8d2f2f4e1a07

load() {
	local module
	for module in "$@"; do
		insmod "/modules/$module.ko" || return
	done
}

make_fs() {
	case $1 in
	ext4)
		# Nothing is left to a thread that would run during the cases.
		mkfs.ext4 -q -F -b 4096 -U $uuid -E "stride=512,stripe_width=512,hash_seed=$uuid,lazy_itable_init=0,lazy_journal_init=0" "$DEVICE"
		;;
	xfs) mkfs.xfs -q -f -m "reflink=0,uuid=$uuid" -d su=2m,sw=1 -l su=4k "$DEVICE" ;;
	rdaxfs) mkfs.rdaxfs -q -f "$DEVICE" ;;
	*) false ;;
	esac
}

mount_fs() {
	local options=dax=always
	[ "$1" != rdaxfs ] || options=$RDAXFS_OPTIONS
	mount -t "$1" ${options:+-o "$options"} "$DEVICE" /mnt || return
	# The cases look at each file besides.
	case $1 in
	ext4 | xfs) grep -q " /mnt $1 .*dax=always" /proc/mounts ;;
	esac
}

# measure FS: 1 if anything was not as it should be.
measure() {
	local status=0
	result "fs $1"
	# shellcheck disable=SC2086
	if [ "$1" = rdaxfs ] && ! load $RDAXFS_MODULES; then
		result "failed setup: insmod"
		return 1
	fi
	if ! make_fs "$1"; then
		result "failed setup: mkfs.$1"
		return 1
	fi
	if ! mount_fs "$1"; then
		result "failed setup: mount -t $1"
		return 1
	fi
	# shellcheck disable=SC2086
	rdax_bench /mnt $CASES >&3 || status=1
	if ! umount /mnt; then
		result "failed setup: umount $1"
		return 1
	fi
	return $status
}

set -f
# shellcheck disable=SC2086
load $MODULES || fatal "insmod"
tries=0
until [ -b "$DEVICE" ]; do
	((tries++ < 100)) || fatal "no $DEVICE"
	sleep 0.01
done
dax=$(<"/sys/class/block/${DEVICE##*/}/queue/dax")
[ "$dax" = 1 ] || fatal "$DEVICE: queue/dax is $dax: no struct pages"
result "kernel $(uname -r)"
result "fs base"
status=0
rdax_bench base >&3 || status=1
for fs in $FS; do
	measure "$fs" || status=1
done
finish $status
