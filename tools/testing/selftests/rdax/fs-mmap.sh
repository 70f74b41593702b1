#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Mappings: see dax_fault.c, dax_map.c, dax_io.c and fs_mmap.c.
. "$(dirname "$0")/fs.sh"

use_fs "${1:-rdaxfs}"

on_file()
{
	"$BIN/$1" "$2" "$MNT/f"
	rm "$MNT/f"
}

msync_remount()
{
	"$BIN/dax_map" msync "$MNT/f"
	remount_fs
	"$BIN/dax_map" check "$MNT/f" $((4 * MiB)) 23
	rm "$MNT/f"
}

truncate_race()
{
	limited 300 "$BIN/dax_io" truncate-race "$MNT/race" 60
	rm "$MNT/race"
}

for x in pte-write pte-read pte-hole pmd-write pmd-read pmd-hole mixed \
	 misaligned-vma eof race-pte race-pmd punch; do
	t "fault: $x" on_file dax_fault "$x"
done
for x in sync-ok private mprotect mremap fork-shared fork-private dontneed \
	 populate; do
	t "map: $x" on_file dax_map "$x"
done
t "map: msync, fsync, remount" msync_remount
for x in address self direct sync-hole grow access lock; do
	p fs_mmap "$x"
done
t "truncate, punch and zero against faults" truncate_race
run_fs_tests
