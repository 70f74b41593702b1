#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Random operations against models: see fs_model_data.c, fs_model_names.c.
#   RDAX_SECONDS  for each of them (default 20)
#   RDAX_SEED     repeats a run
. "$(dirname "$0")/fs.sh"

use_fs "${1:-rdaxfs}"
SECONDS_EACH=${RDAX_SECONDS:-20}

model_data()
{
	"$BIN/fs_model_data" "$MNT/data" -t "$SECONDS_EACH" \
		${RDAX_SEED:+-s "$RDAX_SEED"}
	md5sum <"$MNT/data" >"$TMP/sum"
	remount_fs
	md5sum <"$MNT/data" | cmp - "$TMP/sum"
}

model_names()
{
	local opts=dax=always

	[ "$FS" != rdaxfs ] || opts=
	"$BIN/fs_model_names" -t "$SECONDS_EACH" -r "$FS $DEV $opts" \
		${RDAX_SEED:+-s "$RDAX_SEED"} "$MNT"
}

t "data" model_data
t "names" model_names
run_fs_tests
