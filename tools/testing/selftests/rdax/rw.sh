#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Random operations against a model, and truncation racing with faults.
. "$(dirname "$0")/lib.sh"

need_root
use_ns "${1:-memmap}"
OPS=${RDAX_OPS:-300}
RACES=${RDAX_RACES:-60}

model()
{
	"$BIN/dax_io" model "$MNT/model" "$OPS"
	md5sum <"$MNT/model" >"$TMP/sum"
	umount "$MNT"
	mount_dax "$1" "$DEV"
	md5sum <"$MNT/model" | cmp - "$TMP/sum"
}

truncate_race()
{
	limited 300 "$BIN/dax_io" truncate-race "$MNT/race" "$RACES"
}

fio_mmap()
{
	fio --name=mmap --filename="$MNT/fio" --ioengine=mmap --size=4M \
		--rw=randwrite --bsrange=512-32k --verify=crc32c \
		--verify_fatal=1 --verify_state_save=0 --fallocate=posix --randseed=7 --thread \
		--output-format=terse --output="$TMP/fio"
	rm "$MNT/fio"
}

check_fs()
{
	umount "$MNT"
	fs_clean "$1" "$DEV"
	mount_dax "$1" "$DEV"
}

fs_tests()
{
	t "$1: $OPS random operations, remount" model "$1"
	t "$1: truncate, punch and zero against faults" truncate_race
	t "$1: fio mmap, crc32c" fio_mmap
	t "$1: file system is clean" check_fs "$1"
}

each_fs fs_tests
run_tests
