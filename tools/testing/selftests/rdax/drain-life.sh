#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# What may happen to a drain that waits, and to those beside it: tasks that need
# the drained pages to let go (drain_deadlock.c), signals and the end of tasks and
# mappings (drain_signal.c), the end of the mount, the device and the modules.
#
# The same on XFS and ext4 is told, not judged: RDAX_CONTROLS names them, none to
# leave it out; RDAX_CONTROL_SECONDS is how long each may take.
. "$(dirname "$0")/fs.sh"

use_fs rdaxfs
load_pin || plan_skip "no rdax_pin"
export RDAX_DRAINS=/sys/kernel/debug/rdaxfs/$DISK/drains

# deadlock and signal OPTIONS TEST ARGS...
deadlock()
{
	t "deadlock: ${*:2}" with "$1" drain_deadlock "${@:2}"
}

signal()
{
	t "signal: ${*:2}" with "$1" drain_signal "${@:2}"
}

task()
{
	t "task: ${*:2}" with "$1" drain_task "${@:2}"
}

if [ -b "${RDAX_DISK:-}" ]; then
	for where in in-in out-in in-out; do
		deadlock drain=strict straddle "$where"
	done
	deadlock drain=strict vector
fi
for kind in pte pmd; do
	for how in pipe plain memory file; do
		deadlock drain=strict touch "$how" "$kind"
	done
done
for how in readv splice; do
	deadlock drain=strict pair file "$how"
	deadlock drain=strict pair files "$how"
done
deadlock drain=strict writer
deadlock drain=strict peek
for how in plain file; do
	deadlock drain_ms=200 self "$how" 200
done
for sig in KILL TERM; do
	signal drain=strict drain-killed "$sig"
done
for op in truncate open punch insert; do
	signal drain=strict drain-handled "$op"
done
for how in load file memory; do
	signal drain=strict waiter-killed "$how"
	signal drain=strict waiter-handled "$how"
done
for how in pipe plain memory file; do
	for end in kill exit exec; do
		task drain=strict holder "$how" "$end"
	done
done
task drain=strict inherited pipe
task drain=strict inherited file
task drain=strict handed-on
for kind in pte pmd; do
	task drain=strict fork "$kind"
	for what in mremap mremap-part; do
		task drain=strict moved "$what" "$kind"
	done
done
for what in munmap munmap-part mremap mremap-part mprotect madvise exit exec; do
	task drain=strict change "$what"
done
run_fs_tests
