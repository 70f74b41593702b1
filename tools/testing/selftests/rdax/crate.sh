#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The tests of the crate that need memory: rdax_test.ko runs them over a
# reserved range when it is loaded and reports to the kernel log.
set -u

echo "KTAP version 1"
if [ -z "${RDAX_RESERVE_START:-}" ]; then
	echo "1..0 # SKIP no reserved memory: RDAX_RESERVE_START and _SIZE"
	exit 4
fi
dmesg -C
insmod "$RDAX_BUILD/rdax_test.ko" start="$RDAX_RESERVE_START" size="$RDAX_RESERVE_SIZE"
status=$?
log=$(dmesg | sed -n -E 's/^.*rdax_test: ((1\.\.|ok |not ok ).*)$/\1/p')
# One more than the module knows of: a request that has a length, but no data.
count=$(sed -n 's/^1\.\.//p' <<<"$log")
count=$((${count:-0} + 1))
echo "${log/1..$((count - 1))/1..$count}"
if [ $status = 0 ]; then
	name="zeroes_have_no_segments"
	if blkdiscard -f -z -l 65536 /dev/rdax_test0; then
		echo "ok $count $name"
	else
		echo "not ok $count $name"
		status=1
	fi
	rmmod rdax_test || status=1
fi
exit $status
