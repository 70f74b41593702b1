#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Devices that are not plain RAM: virtio-pmem, where a flush is a request to
# the host and MAP_SYNC cannot be promised, and the NVDIMM, where it can.
. "$(dirname "$0")/lib.sh"

need_root
KIND=${1:-virtio}
use_ns "$KIND"

sync_mode()
{
	case $KIND in
	virtio) "$BIN/dax_map" sync-refused "$MNT/s" ;;
	*) "$BIN/dax_map" sync-ok "$MNT/s" ;;
	esac
	rm "$MNT/s"
}

flush()
{
	local before

	need_rdax
	"$BIN/dax_io" write "$MNT/f" $((4 * MiB)) 41
	before=$(dbg flushes)
	xfs_io -c fsync "$MNT/f"
	xfs_io -c "pwrite -q 0 4k" -c fdatasync "$MNT/g"  -f
	[ "$(dbg flushes)" -gt "$before" ] || fail "fsync does not flush"
}

persist()
{
	"$BIN/dax_map" msync "$MNT/p"
	umount "$MNT"
	unbind "$NS"
	bind "$NS" "$DRIVER"
	mount_dax ext4 "$DEV"
	"$BIN/dax_map" check "$MNT/p" $((4 * MiB)) 23
}

raw()
{
	"$BIN/dax_bdev" sectors "$DEV"
	"$BIN/dax_bdev" write "$DEV" "$MiB" 65536 42 dsync
	"$BIN/dax_bdev" flush "$DEV"
	"$BIN/dax_bdev" read "$DEV" "$MiB" 65536 42
}

# Many flushes in flight: those of virtio-pmem complete asynchronously.
parallel_flush()
{
	fio --name=flush --filename="$DEV" --ioengine=psync --direct=1 \
		--size=2M --offset_increment=4M --rw=randwrite --bs=4k \
		--fsync=1 --numjobs=4 --thread --loops=2 --verify=crc32c \
		--verify_fatal=1 --verify_state_save=0 --output-format=terse --output="$TMP/fio"
}

t "raw: sectors, FUA, flush" raw
t "raw: parallel flushes" parallel_flush
t "ext4: mkfs, mount with dax" mkfs_mount ext4
t "ext4: MAP_SYNC as the device allows" sync_mode
t "ext4: fsync reaches the region" flush
t "ext4: PTE faults" "$BIN/dax_fault" pte-write "$MNT/x"
t "ext4: PMD faults" "$BIN/dax_fault" pmd-write "$MNT/x"
t "ext4: data is there after unbind and bind" persist
t "ext4: umount" umount_mnt
run_tests
