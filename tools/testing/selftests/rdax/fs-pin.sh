#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Pins of pages, by the sample rdax_pin: see fs_pin.c and fs_pin_drain.c.
. "$(dirname "$0")/fs.sh"

use_fs "${1:-rdaxfs}"
random_delays
load_pin || plan_skip "no rdax_pin"

# pins and drains OPTIONS TEST ARGS...: of fs_pin and fs_pin_drain.
pins()
{
	t "$*" with "$1" fs_pin "${@:2}"
}

drains()
{
	t "$*" with "$1" fs_pin_drain "${@:2}"
}

for kind in pte pmd; do
	pins drain=strict memory "$kind"
done
if [ "$FS" = rdaxfs ]; then
	for kind in pte pmd; do
		pins drain=strict file "$kind" new
		pins drain=strict file "$kind" mapped
		pins drain=strict hole "$kind"
	done
	pins drain=strict partial
	pins drain=strict bad
	for how in file memory; do
		for kind in pte pmd; do
			drains drain=strict wanted "$how" "$kind"
			drains drain_ms=0 reuse "$how" "$kind"
		done
		drains drain=strict elsewhere "$how"
		drains drain=strict closed "$how"
		drains drain=strict unlink "$how"
	done
	drains drain=strict closed plain
	for how in first last; do
		drains drain_ms=0 orphan "$how"
	done
	for how in time close kill; do
		drains drain=strict end "$how"
	done
	drains drain=strict stay "$MNT"
else
	pins "" foreign
fi
run_fs_tests
