#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Page faults of DAX files: see dax_fault.c for what each test proves.
. "$(dirname "$0")/lib.sh"

need_root
use_ns "${1:-memmap}"

fault()
{
	"$BIN/dax_fault" "$1" "$MNT/f"
	rm "$MNT/f"
}

fs_tests()
{
	local x

	for x in pte-write pte-read pte-hole pmd-write pmd-read pmd-hole \
		 mixed misaligned-vma eof race-pte race-pmd punch; do
		t "$1: $x" fault "$x"
	done
}

each_fs fs_tests
run_tests
