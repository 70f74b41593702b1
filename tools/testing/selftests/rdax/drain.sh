#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# How long taking blocks from a file takes while somebody holds their pages, on
# rdaxfs, where each bound is asserted, and on ext4 and XFS as a control: what they
# do is recorded, not judged, and no drain of theirs is waited for much longer
# than RDAX_CONTROL_MS. A table of the three is printed in the end.
#
# All times are by machine_now() (dax_clock.h): that the host runs something else than this
# machine is no part of them.
#
#  1 A page is pinned, a truncate waits for it, somebody touches the page, the pin
#    is released: the truncate returns within 50 ms of that. Who touches it is
#    another thread, or the one that has the pin and does not release it before.
#  2 Storms of 1 to 64 threads that each hold a page, or all, for up to 20 ms or as
#    long as the system call takes, again and again; meanwhile punches and truncates
#    take all of the pages. Each ends within
#
#	2 * hold + unmap
#
#    hold: the longest hold in the same storm, from the beginning of the call that
#    pins to the end of the one that releases, as the holder reads the clock. Holds
#    whose pinning call a drain could have delayed do not count: those that a drain
#    overlaps before the call has returned. So what a drain lets happen to calls that
#    it keeps waiting does not make the bound longer.
#    unmap: the longest drain of as many pages of another file, mapped likewise, which
#    nobody holds, during storms of as many threads.
#    Both have in them what it takes there to get on a CPU, which with 64 threads is
#    most of it, and neither has anything of what the drains themselves cause.
#    Threads that hold no longer than their system call takes rest for up to 20 ms
#    after it, for the CPUs to have time.
#  3 Threads that read from a disk with O_DIRECT into a mapping of the file: each
#    of 20 punches of half of it ends.
#  4 A page is in a pipe of a process without privileges; root unlinks the file. It
#    returns at once; the volume is filled; then the pipe has the old data, and what
#    was held is free again.
#  5 Page 0 is pinned: a punch at 3 MiB ends while it is, and takes as long as without.
#
# Arguments: the file systems (rdaxfs ext4 xfs).
# Environment:
#   RDAX_FS		the file systems, without arguments
#   RDAX_DRAINS	how many times 216 drains there are (1): 4 in each of the 36 storms
#			of up to 4 threads, 3 of 8, 2 of 16, and 1 of 64; 0: no storms
#   RDAX_HOLD		how many seconds test 4 holds its page (3)
#   RDAX_SLACK		how many times the bounds of 1, 2 and 5 may be exceeded: 1, but on a
#			kernel with KASAN 10. There a VM is slow and not alone on its host;
#			it is to find errors and drains that starve, the others are to time
#   RDAX_LIMIT_MS	how long to wait for a drain of rdaxfs, which then has failed (15000)
#   RDAX_CONTROL_MS	how long to wait for ext4 and XFS (1000)
. "$(dirname "$0")/fs.sh"

# Threads and drains.
STORMS=
for storm in 1:4 2:4 4:4 8:3 16:2 64:1; do
	STORMS+=" ${storm%:*}:$((${storm#*:} * ${RDAX_DRAINS:-1}))"
done
HOLD_SECONDS=${RDAX_HOLD:-3}
# Of tests 1 and 5.
ROUNDS=20
FAR_ROUNDS=10

# Nothing but the kernel itself says so.
if grep -q ' kasan_report$' /proc/kallsyms; then
	export RDAX_SLACK=${RDAX_SLACK:-10}
fi

use_fs rdaxfs
load_pin || plan_skip "no rdax_pin"
# Only if asked for: it takes the time of drains.
[ -z "${RDAX_DELAY_US:-}" ] || random_delays
[ -b "${RDAX_DISK:-}" ] || plan_skip "no scratch disk in RDAX_DISK"

# Then only the drain itself makes it end; unlink does not wait in any case.
be_strict()
{
	mount -o remount,drain=strict "$MNT"
}

# run FS PROGRAM ARGS...
run()
{
	local fs=$1
	shift

	# dmesg-allow knows what a control may say by this name.
	ln -sf "$BIN/$1" "$TMP/control${1#drain}"
	DRAIN_FS=$fs DRAIN_RESULTS=$TMP/results.$fs DRAIN_SAMPLES=$TMP/samples.$fs \
		"$([ "$fs" = rdaxfs ] && echo "$BIN/$1" || echo "$TMP/control${1#drain}")" \
		"${@:2}"
}

# c FS CASE ARGS...: of drain_cases.c.
c()
{
	t "$1: ${*:2}" run "$1" drain_cases "$2" "$MNT/${#test_names[@]}" \
		"${@:3}"
}

# storms FS HOW PATTERN
storms()
{
	# shellcheck disable=SC2086
	t "$1: storms, $2, $3" run "$1" drain_storm "$MNT/$2.$3" "$2" "$3" \
		"$RDAX_DISK" $STORMS
}

still_clean()
{
	FS=$1
	check_fs
}

drain_tests()
{
	local fs=$1 kind how pattern

	: >"$TMP/results.$fs"
	: >"$TMP/samples.$fs"
	[ "$fs" != rdaxfs ] || t "$fs: drain=strict" be_strict
	for kind in pte pmd; do
		c "$fs" refault other "$kind" "$ROUNDS"
	done
	c "$fs" refault own pte "$ROUNDS"
	for how in 1 2 4; do
		c "$fs" readers "$RDAX_DISK" "$how"
	done
	if [ "${RDAX_DRAINS:-1}" -eq 0 ]; then
		:
	elif [ "$fs" = rdaxfs ]; then
		for how in vmsplice odirect process_vm rdax_pin; do
			for pattern in one random whole; do
				storms "$fs" "$how" "$pattern"
			done
		done
		t "$fs: storms, all within the bound" python3 \
			"$HERE/drain_table.py" check "$TMP/samples.$fs"
	else
		storms "$fs" vmsplice random
	fi
	for kind in pte pmd; do
		c "$fs" unlink "$((HOLD_SECONDS * 1000))" "$kind" ""
		if [ "$fs" = rdaxfs ]; then
			c "$fs" unlink 0 "$kind" "$DEV"
			c "$fs" far file "$kind" "$FAR_ROUNDS"
		fi
		c "$fs" far pipe "$kind" "$FAR_ROUNDS"
	done
	t "$fs: clean" still_clean "$fs"
}

RDAX_FS=${*:-${RDAX_FS:-rdaxfs ext4 xfs}}
each_fs drain_tests
t "table" python3 "$HERE/drain_table.py" table "$TMP" "$RDAX_FS"
run_tests
