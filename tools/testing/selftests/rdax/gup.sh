#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# References to DAX pages taken through page tables: see dax_gup.c.
. "$(dirname "$0")/lib.sh"

need_root
RDAX_FS=${1:-xfs ext4}
use_ns memmap
[ "$RDAX_FS" != rdaxfs ] || random_delays

gup()
{
	local name=$1 kind=$2
	shift 2

	"$BIN/dax_gup" "$name" "$MNT/f" "$kind" "$@"
	rm "$MNT/f"
}

odirect()
{
	[ -b "${RDAX_DISK:-}" ] || skip "no scratch disk in RDAX_DISK"
	gup "$1" "$2" "$RDAX_DISK"
}

fs_tests()
{
	local kind x

	for kind in pte pmd; do
		t "$1: O_DIRECT read into the mapping, $kind" \
			odirect odirect-read "$kind"
		t "$1: O_DIRECT write from the mapping, $kind" \
			odirect odirect-write "$kind"
		for x in vmsplice process-vm ptrace longterm; do
			t "$1: $x, $kind" gup "$x" "$kind"
		done
	done
}

each_fs fs_tests
run_tests
