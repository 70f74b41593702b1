#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Stale handles against inodes that are made and freed: see fs_handle_race.c.
#   RDAX_SECONDS   for each test (default 4)
. "$(dirname "$0")/fs.sh"

use_fs "${1:-rdaxfs}"

for x in create mkdir symlink whiteout tmpfile; do
	t "handles: $x" "$BIN/fs_handle_race" "$x" "$MNT/$x" \
		"${RDAX_SECONDS:-4}"
	t "handles: $x: the file system is clean" check_fs
done
run_fs_tests
