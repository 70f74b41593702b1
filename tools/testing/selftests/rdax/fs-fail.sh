#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Memory runs out in each operation, at each of its allocations: fs_fail.h, and
# the groups fs_fail_names.c, fs_fail_attr.c, fs_fail_data.c, fs_fail_mount.c.
# drain_fail.c does the same for pins and drains, see drain-life.sh.
#
#	fs-fail.sh [leak]
#
# With "leak" kmemleak looks at what is left, and less is tried.
#
#   RDAX_FAIL_STEP  every so many allocations; 1: all
. "$(dirname "$0")/fs.sh"

use_fs rdaxfs
LEAK=/sys/kernel/debug/kmemleak
[ -d "$FAULT" ] || plan_skip "kernel without CONFIG_FAILSLAB"
[ -e /proc/self/fail-nth ] || plan_skip "no /proc/self/fail-nth"

on_exit()
{
	no_injection
}

# attributes PROBABILITY TIMES TASK-FILTER MIN-ORDER. Nothing is probable while
# there is no filter.
attributes()
{
	local d

	for d in "$FAULT" "$FAULT_PAGE"; do
		[ -d "$d" ] || continue
		echo 0 >"$d/probability"
		echo "$3" >"$d/task-filter"
		echo "$2" >"$d/times"
		echo "$1" >"$d/probability"
	done
	[ ! -e "$FAULT_PAGE/min-order" ] || echo "$4" >"$FAULT_PAGE/min-order"
}

# Of tasks that ask for it, and only while they do.
begin_injection()
{
	injection N 0 0
	attributes 100 -1 Y 0
}

no_injection()
{
	attributes 0 1 N 1
	injection Y 0 0
}

# run MODE PROGRAM ARGS...: with injection, and without whatever comes of it.
run()
{
	local status=0

	export RDAX_FAIL_STEP=${RDAX_FAIL_STEP:-${step[$1]}}
	begin_injection
	"${@:2}" || status=$?
	no_injection
	return "$status"
}

# group GROUP MODE [NAME...]: operations of a group, all without names.
group()
{
	mountpoint -q "$MNT" || fresh_fs
	run "$2" "$BIN/fs_fail_$1" "$2" "$MNT/$1.$2" "${@:3}"
	check_fs
}

mounts()
{
	! mountpoint -q "$MNT" || umount "$MNT"
	mkdir -p "$TMP/mounts"
	run "$1" "$BIN/fs_fail_mount" "$DEV" "$1" "$TMP/mounts/$1"
	fs_clean rdaxfs "$DEV"
	mount_dax rdaxfs "$DEV"
}

# The first scan finds what is being worked on.
leak_scan()
{
	echo scan >"$LEAK"
	echo scan >"$LEAK"
}

forget_leaks()
{
	echo scan 2>/dev/null >"$LEAK" || skip "kmemleak is off: boot with kmemleak=on"
	leak_scan
	echo clear >"$LEAK"
}

no_leak()
{
	echo scan 2>/dev/null >"$LEAK" || skip "kmemleak is off: boot with kmemleak=on"
	leak_scan
	cat "$LEAK" >"$TMP/leaks"
	[ ! -s "$TMP/leaks" ] || {
		cat "$TMP/leaks"
		fail "kmemleak reports objects"
	}
}

# With all failing more is found than with one. A failed allocation that is made
# good for is tried less often.
declare -A step=([lasting]=3 [once]=11)
modes="lasting once"
if [ "${1:-}" = leak ]; then
	modes=lasting
	step[lasting]=11
	t "kmemleak forgets what there is" forget_leaks
fi
for mode in $modes; do
	for x in names attr data; do
		t "$x: $mode" group "$x" "$mode"
	done
	t "mount: $mode" mounts "$mode"
done
[ "${1:-}" != leak ] || t "nothing leaked" no_leak
run_fs_tests
