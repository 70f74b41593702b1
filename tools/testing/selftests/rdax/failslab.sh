#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Each memory allocation of a probe fails once: the probe must then leave
# nothing behind, and the next one work.
. "$(dirname "$0")/lib.sh"

need_root
use_ns "${1:-nvdimm}"
[ -d "$FAULT" ] || plan_skip "kernel without CONFIG_FAILSLAB"
[ -e "$FAULT/reject-start" ] ||
	plan_skip "kernel without CONFIG_FAULT_INJECTION_STACKTRACE_FILTER"
[ -e /proc/self/fail-nth ] || plan_skip "no /proc/self/fail-nth"
LAST=${RDAX_FAIL_LAST:-3000}
STEP=${RDAX_FAIL_STEP:-1}

on_exit()
{
	injection Y 0 0
}

# Memory hotplug itself does not survive it: __add_pages() keeps the sections
# it has added when the next one fails, and the range is lost until reboot.
setup()
{
	local symbols

	mapfile -t symbols < <(grep -m1 -A1 ' arch_add_memory$' /proc/kallsyms)
	[ ${#symbols[@]} = 2 ]
	injection N "0x${symbols[0]%% *}" "0x${symbols[1]%% *}"
	[ ! -e "$FAULT_PAGE/min-order" ] || echo 0 >"$FAULT_PAGE/min-order"
	unbind "$NS"
}

every_nth()
{
	"$BIN/fail_nth" "$LAST" "$STEP" "$ND/drivers/$DRIVER" \
		"$ND/devices/$NS" "/sys/class/block/$DISK" "$DEV" \
		"/sys/kernel/debug/$DRIVER/$DISK"
}

works_after()
{
	on_exit
	bind "$NS" "$DRIVER"
	eq "$(disk_of "$NS")" "$DISK"
	"$BIN/dax_bdev" write "$DEV" "$MiB" 65536 71 plain
	"$BIN/dax_bdev" read "$DEV" "$MiB" 65536 71
	mkfs_mount ext4
	"$BIN/dax_fault" pmd-write "$MNT/f"
	umount "$MNT"
}

t "setup" setup
t "probe with its n-th allocation failing, n = 1, 2, ..." every_nth
t "the device works afterwards" works_after
run_tests
