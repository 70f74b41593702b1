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
dmesg | sed -n -E 's/^.*rdax_test: ((1\.\.|ok |not ok ).*)$/\1/p'
[ $status != 0 ] || rmmod rdax_test
exit $status
