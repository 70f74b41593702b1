#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# A region that cannot have struct pages is refused, with the reason.
. "$(dirname "$0")/lib.sh"

need_root
NS=$(ns_of misaligned)
[ -n "$NS" ] || plan_skip "no misaligned namespace"
load_driver "$DRIVER" || plan_skip "no driver $DRIVER"

refuse_bind()
{
	local before

	before=$(cat /proc/iomem)
	eq "$(driver_of "$NS")" ""
	refused_with "Operation not supported" bind "$NS" "$DRIVER"
	eq "$(driver_of "$NS")" ""
	eq "$(disk_of "$NS")" ""
	eq "$(cat /proc/iomem)" "$before" /proc/iomem
	dmesg_has "$NS.*(align|2 MiB)"
}

again()
{
	local i

	for i in 1 2 3 4 5; do
		refused bind "$NS" "$DRIVER"
	done
}

t "bind: -EOPNOTSUPP, one line that says why" refuse_bind
t "refused as often as it is asked" again
run_tests
