#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Each memory allocation of a probe fails once: the probe must then leave
# nothing behind, and the next one work.
. "$(dirname "$0")/lib.sh"

need_root
use_ns "${1:-nvdimm}"
remember_bindings
FAULT=/sys/kernel/debug/failslab
FAULT_PAGE=/sys/kernel/debug/fail_page_alloc
[ -d "$FAULT" ] || plan_skip "kernel without CONFIG_FAILSLAB"
[ -e /proc/self/fail-nth ] || plan_skip "no /proc/self/fail-nth"
LAST=${RDAX_FAIL_LAST:-3000}
STEP=${RDAX_FAIL_STEP:-1}

on_exit()
{
	echo Y >"$FAULT/ignore-gfp-wait"
	[ ! -d "$FAULT_PAGE" ] || echo Y >"$FAULT_PAGE/ignore-gfp-wait"
}

setup()
{
	local d

	for d in "$FAULT" "$FAULT_PAGE"; do
		[ -d "$d" ] || continue
		echo N >"$d/ignore-gfp-wait"
		# The stack of each failure would fill the log.
		echo 0 >"$d/verbose"
	done
	[ ! -e "$FAULT_PAGE/min-order" ] || echo 0 >"$FAULT_PAGE/min-order"
	unbind "$NS"
	cat /proc/iomem >"$TMP/iomem"
	cat >"$TMP/check" <<-END
		#!/bin/bash
		# After one probe: \$RESULT is ok or its errno.
		ns=$ND/devices/$NS
		if [ -e "\$ns/driver" ]; then
			echo $NS >$ND/drivers/$DRIVER/unbind || exit 1
		elif [ "\$RESULT" = ok ]; then
			echo "bind said ok and did not bind" >&2
			exit 1
		fi
		[ ! -e /sys/class/block/$DISK ] || exit 2
		[ ! -e /dev/$DISK ] || exit 3
		[ ! -e /sys/kernel/debug/$DRIVER/$DISK ] || exit 4
		read -r -d '' now </proc/iomem
		read -r -d '' was <$TMP/iomem
		[ "\$now" = "\$was" ] || exit 5
	END
	chmod +x "$TMP/check"
}

every_nth()
{
	"$BIN/fail_nth" 1 "$LAST" "$STEP" "$ND/drivers/$DRIVER/bind" "$NS" \
		"$TMP/check"
}

works_after()
{
	echo Y >"$FAULT/ignore-gfp-wait"
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
