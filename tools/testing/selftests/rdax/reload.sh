#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Loading and unloading the driver, with kmemleak watching where there is one.
. "$(dirname "$0")/lib.sh"

need_root
use_ns memmap
[ "$DRIVER" = rdax_pmem ] || plan_skip "for rdax_pmem only"
LEAK=/sys/kernel/debug/kmemleak
ROUNDS=${1:-${RDAX_RELOADS:-50}}
# On a busy host it can take longer than the default to tear down what no task uses.
DRAIN_MS=60000

on_exit()
{
	load_driver "$DRIVER"
}

# Each disk goes with the driver and comes back with it.
reload_once()
{
	quiet
	rmmod "$DRIVER"
	[ ! -e "$DEV" ]
	[ ! -e "/sys/kernel/debug/$DRIVER" ]
	refused grep -w "$NS" /proc/iomem
	modprobe "$DRIVER" drain_ms="$DRAIN_MS"
	[ -n "$(driver_of "$NS")" ] || bind "$NS" "$DRIVER"
	[ -b "$DEV" ]
}

keeps_data()
{
	"$BIN/dax_bdev" write "$DEV" "$MiB" 65536 81 plain
	reload_once
	"$BIN/dax_bdev" read "$DEV" "$MiB" 65536 81
}

in_use()
{
	mkfs_mount ext4
	refused rmmod "$DRIVER"
	"$BIN/dax_fault" pmd-write "$MNT/f"
	umount "$MNT"
	reload_once
}

# kmemleak needs two scans: the first one finds what is being worked on.
leak_scan()
{
	echo scan >"$LEAK"
	echo scan >"$LEAK"
}

have_leak()
{
	[ -e "$LEAK" ] && echo scan 2>/dev/null >"$LEAK"
}

# Unbinds and unloads in one go, while the worker that tears the device down is delayed in its
# last step.
unload_at_once()
{
	RDAX_DELAY_US=1000000 random_delays
	"$BIN/dax_unload" "$ND/drivers/$DRIVER/unbind" "$NS" "$DRIVER"
	[ ! -e "$DEV" ]
	modprobe "$DRIVER" drain_ms="$DRAIN_MS"
	no_delays
}

many()
{
	local i

	if have_leak; then
		leak_scan
		echo clear >"$LEAK"
	fi
	for ((i = 0; i < ROUNDS; i++)); do
		reload_once
		quiet
		# Half of the rounds unload what has just let go of a device.
		if ((i % 2)); then
			unload_at_once
			continue
		fi
		unbind "$NS"
		[ ! -e "$DEV" ]
		bind "$NS" "$DRIVER"
	done
	"$BIN/dax_bdev" write "$DEV" "$MiB" 65536 82 plain
}

no_leak()
{
	have_leak || skip "kmemleak is off: boot with kmemleak=on"
	leak_scan
	cat "$LEAK" >"$TMP/leaks"
	[ ! -s "$TMP/leaks" ] || {
		cat "$TMP/leaks"
		fail "kmemleak reports objects"
	}
}

t "data is there after rmmod and modprobe" keeps_data
t "rmmod is refused while a file system is mounted" in_use
t "$ROUNDS times rmmod, modprobe, unbind, bind" many
t "nothing leaked" no_leak
run_tests
