#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The block device without a file system.
. "$(dirname "$0")/lib.sh"

need_root
use_ns "${1:-memmap}"

bdev()
{
	"$BIN/dax_bdev" "$@"
}

nowait()
{
	[ "$DRIVER" = rdax_pmem ] || skip "$DRIVER does not do RWF_NOWAIT"
	bdev nowait "$DEV"
}

# Nobody else may do I/O while bytes are counted.
counters()
{
	local before after

	need_rdax
	quiet
	before=$(dbg bio_write_bytes)
	bdev write "$DEV" "$MiB" $((192 * 1024 + 512)) 5 plain
	after=$(dbg bio_write_bytes)
	eq $((after - before)) $((192 * 1024 + 512)) bio_write_bytes
	quiet
	before=$(dbg bio_read_bytes)
	bdev read "$DEV" "$MiB" $((192 * 1024 + 512)) 5
	after=$(dbg bio_read_bytes)
	eq $((after - before)) $((192 * 1024 + 512)) bio_read_bytes
}

flushes()
{
	local before after

	need_rdax
	quiet
	before=$(dbg flushes)
	bdev flush "$DEV"
	after=$(dbg flushes)
	[ "$after" -gt "$before" ] || fail "fsync does not reach the region"
	before=$after
	bdev write "$DEV" "$MiB" 4096 6 dsync
	after=$(dbg flushes)
	[ "$after" -gt "$before" ] || fail "FUA does not reach the region"
	quiet
	before=$(dbg flushes)
	bdev read "$DEV" "$MiB" 4096 6
	after=$(dbg flushes)
	eq "$after" "$before" "flushes after a read"
}

zeroout()
{
	bdev write "$DEV" $((8 * MiB)) "$MiB" 7 plain
	bdev zeroout "$DEV" $((8 * MiB + 4096)) $((512 * 1024))
	bdev read "$DEV" $((8 * MiB + 4096)) $((512 * 1024)) 0
	bdev read "$DEV" $((8 * MiB)) 4096 7
}

fio_verify()
{
	local direct=$2

	fio --name=raw --filename="$DEV" --ioengine="$1" --direct="$direct" \
		--iodepth=8 --offset=16M --size=4M --rw=randrw \
		--bsrange=512-32k --blockalign=512 --verify=crc32c \
		--verify_fatal=1 --verify_state_save=0 --randseed=11 --thread \
		--output-format=terse --output="$TMP/fio"
}

# Written by the block device, read by a DAX mapping and the other way round.
aliases()
{
	local sector

	do_mkfs ext4 "$DEV"
	mount_dax ext4 "$DEV"
	"$BIN/dax_io" write "$MNT/f" $((2 * MiB)) 9
	sync
	sector=$("$BIN/dax_poison" sector "$MNT/f" 0)
	dd if="$DEV" bs=4096 iflag=direct skip=$((sector / 8)) count=16 \
		of="$TMP/raw" status=none
	cmp "$TMP/raw" <(head -c 64K "$MNT/f")
	umount "$MNT"
}

readonly_disk()
{
	blockdev --setro "$DEV"
	refused bdev write "$DEV" "$MiB" 4096 8 plain
	blockdev --setrw "$DEV"
	bdev write "$DEV" "$MiB" 4096 8 plain
}

t "sectors: 512 byte granularity, alignment, capacity" bdev sectors "$DEV"
t "RWF_NOWAIT" nowait
t "byte counters are exact" counters
t "flush and FUA reach the region" flushes
t "discard is refused" bdev discard "$DEV"
t "BLKZEROOUT" zeroout
t "fio psync, page cache" fio_verify psync 0
t "fio libaio, O_DIRECT" fio_verify libaio 1
t "file data is where the block device reads it" aliases
t "read-only disk refuses writes" readonly_disk
run_tests
