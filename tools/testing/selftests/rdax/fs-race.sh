#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Every pair of operations on one file at once: see fs_race.c.
#   RDAX_RACE_MS    time for each pair
#   RDAX_RACE_DISK  O_DIRECT goes to this disk: mapped pages are pinned
. "$(dirname "$0")/fs.sh"

use_fs "${1:-rdaxfs}"

race()
{
	"$BIN/fs_race" "$MNT/$1" "${RDAX_RACE_MS:-400}" \
		${RDAX_RACE_DISK:+"$RDAX_RACE_DISK"}
}

t "every pair of operations" race new
t "the file system is clean" check_fs
t "again, with free space in pieces" race again
run_fs_tests
