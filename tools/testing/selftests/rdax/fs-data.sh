#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Reading, writing, sizes and blocks: see fs_data.c and fs_space.c.
. "$(dirname "$0")/fs.sh"

use_fs "${1:-rdaxfs}"

# XFS has it only on disks that zero by a command.
write_zeroes()
{
	local rc=0

	"$BIN/fs_space" write-zeroes "$MNT/write-zeroes" || rc=$?
	[ "$rc" -ne "$KSFT_SKIP" ] || need_rdaxfs
	return "$rc"
}

for x in rw partial append flags nowait splice limits rlimit; do
	p fs_data "$x"
done
for x in truncate ends allocate unwritten punch zero collapse insert refused seek \
	 fiemap; do
	p fs_space "$x"
done
t "space: write-zeroes" write_zeroes
run_fs_tests
