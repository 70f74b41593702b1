#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# What may happen to a drain that waits, and to those beside it: tasks that need
# the drained pages to let go (drain_deadlock.c), signals and the end of tasks and
# mappings (drain_signal.c), the end of the mount, the device and the modules.
#
# RDAX_ALL_KINDS=1: what ends is tried with a page that is held in each of the four
# ways. The same deadlocks and signals on XFS and ext4 are told, not judged:
# RDAX_CONTROLS names the file systems, "none" leaves it out, and each control may
# take RDAX_CONTROL_SECONDS.
. "$(dirname "$0")/fs.sh"

use_fs rdaxfs
load_pin || plan_skip "no rdax_pin"
random_delays
export DRAINS_FILE=/sys/kernel/debug/rdaxfs/$DISK/drains

strict()
{
	mount -o remount,drain=strict "$MNT"
}

# run PROGRAM TEST ARGS...: in a directory of its own.
run()
{
	limited 60 "$BIN/$1" "$2" "$MNT/$2.$RANDOM" "${@:3}"
}

deadlock()
{
	t "deadlock: $*" run drain_deadlock "$@"
}

signal()
{
	t "signal: $*" run drain_signal "$@"
}

task()
{
	t "task: $*" run drain_task "$@"
}

on_exit()
{
	umount_all
	[ ! -d "$FAULT" ] || injection Y 0 0
	[ ! -e "$TMP/short" ] || reload_driver
}

# --- the end of the mount, the device and the modules

# The holder does it, and answers so.
told()
{
	ask "$1"
	eq "$ANSWER" "${2:-ok}"
}

free_blocks()
{
	stat -f -c %f "$MNT"
}

is_free()
{
	[ "$(free_blocks)" = "$FREE" ]
}

# A new file system, with the inodes that a test needs: those stay. One that failed
# must not take the next along.
fresh()
{
	umount_all
	[ "$(driver_of "$NS")" = "$DRIVER" ] ||
		until_true 60 bind_to "$NS" "$DRIVER"
	load_fs rdaxfs
	load_pin
	do_mkfs rdaxfs "$DEV" -s 64M
	mount_strict
	mkdir "$MNT/full"
	touch "$MNT/full/filler" "$MNT/held" "$MNT/kept"
	rm -r "$MNT/full" "$MNT/held"
	"$BIN/dax_io" write "$MNT/kept" "$MiB" 91
	FREE=$(free_blocks)
}

mount_strict()
{
	mount_dax rdaxfs "$DEV" "$MNT" drain=strict
}

# held HOW [OP]: a new file of which a page is held, and a drain that waits for it.
held()
{
	fresh
	hold_by drain_hold "$1" "$MNT/held"
	[ -z "${2-truncate}" ] || told "drain ${2-truncate}"
}

# Nothing but the page itself is left to the holder.
forget_file()
{
	told unmap
	told close
}

# Nobody gets the page, whoever wants all blocks there are.
not_reused()
{
	"$BIN/fs_drain" fill "$MNT/full"
	told check
	rm -r "$MNT/full"
}

# The volume is consistent, what was on it is there, and all blocks come back.
all_is_well()
{
	hold_end
	rm -f "$MNT/held"
	until_true 60 is_free || fail "$(free_blocks) blocks are free, not $FREE"
	"$BIN/dax_map" check "$MNT/kept" "$MiB" 91
	end_fs
}

# A drain keeps the mount and its module, a page that is held does not. What is
# written to that page then is in the file.
unmounted()
{
	held "$1"
	refused_with busy umount "$MNT"
	refused_with "in use" rmmod rdaxfs
	told waits
	told kill
	forget_file
	umount "$MNT"
	fs_clean rdaxfs "$DEV"
	told check
	rmmod rdaxfs
	[ "$1" = pipe ] || refused_with "in use" rmmod rdax_pin
	refused_with "in use" rmmod rdax
	told check
	load_fs rdaxfs
	mount_strict
	rm "$MNT/held"
	not_reused
	told release
	all_is_well
}

volume_is_gone()
{
	[ ! -e "${DRAINS_FILE%/*}" ]
}

# The drain goes on without a name in the tree; the volume goes when all is over.
lazily()
{
	held "$1"
	umount -l "$MNT"
	! mountpoint -q "$MNT" || fail "still mounted"
	told waits
	told check
	refused_with "in use" rmmod rdaxfs
	told release
	told drained
	forget_file
	until_true 60 volume_is_gone || fail "the volume is still there"
	fs_clean rdaxfs "$DEV"
	mount_strict
	all_is_well
}

# A drain is a writer. So is a pin that keeps the file, and the mount; another may
# write on.
read_only()
{
	held "$1"
	refused_with busy mount -o remount,ro "$MNT"
	told waits
	told kill
	forget_file
	case $1 in
	memory|file)
		refused_with busy mount -o remount,ro "$MNT"
		refused_with busy umount "$MNT"
		refused_with "in use" rmmod rdaxfs
		told check
		told release
		mount -o remount,ro "$MNT"
		;;
	*)
		mount -o remount,ro "$MNT"
		told check
		told release
		;;
	esac
	mount -o remount,rw "$MNT"
	all_is_well
}

freezing()
{
	grep -q "^16 " "/proc/$1/syscall"
}

# A freeze waits for drains that have begun, and for no page; faults go on until
# it is complete, so that a holder which needs them can let go.
frozen()
{
	local pid

	held "$1"
	fsfreeze -f "$MNT" &
	pid=$!
	until_true 30 freezing "$pid"
	told load
	told store
	told waits
	kill -0 "$pid" || fail "it is frozen"
	told release
	told drained
	wait "$pid"
	told load "sigbus 2"
	fsfreeze -u "$MNT"
	forget_file
	all_is_well
}

# What is held stays accessible while it is frozen; drains begin afterwards.
frozen_first()
{
	local pid

	held "$1" ""
	fsfreeze -f "$MNT"
	told check
	told load
	truncate -s 0 "$MNT/held" &
	pid=$!
	until_true 30 blocked "$pid"
	eq "$(cat "$DRAINS_FILE")" ""
	fsfreeze -u "$MNT"
	until_true 30 grep -q "pid=$pid " "$DRAINS_FILE"
	told release
	wait "$pid"
	forget_file
	all_is_well
}

# In the kernel, uninterruptibly.
blocked()
{
	grep -q "^State:.D" "/proc/$1/status"
}

# Nothing works any more, so nobody waits for it; what is held stays accessible.
shut_down()
{
	held "$1"
	"$BIN/fs_admin" shutdown "$MNT" 2
	told drained "errno 5"
	told load "sigbus 2"
	told check
	forget_file
	told release
	umount "$MNT"
	mount_strict
	all_is_well
}

# The same with the kernel's own driver, which does not wait itself: rdaxfs does.
taken_from_nd_pmem()
{
	local pid

	umount_all
	DRIVER=nd_pmem
	load_driver nd_pmem
	bind_to "$NS" nd_pmem
	DEV=/dev/$(disk_of "$NS")
	DRAINS_FILE=/sys/kernel/debug/rdaxfs/${DEV#/dev/}/drains
	held "$1"
	unbind "$NS" &
	pid=$!
	told drained "errno 5"
	told load "sigbus 2"
	forget_file
	until_true 30 blocked "$pid"
	told check
	kill -0 "$pid" || fail "the driver is gone, its pages are not"
	told release
	until_true 60 gone "$pid" || fail "unbind has not returned"
	umount "$MNT"
	hold_end
	bind "$NS" nd_pmem
	fs_clean rdaxfs "$DEV"
	bind_to "$NS" rdax_pmem
}

# As failslab.sh does it.
allocations_fail()
{
	[ -d "$FAULT" ] || skip "kernel without CONFIG_FAILSLAB"
	injection N 0 0
	with drain=bounded,drain_ms=0 drain_fail "$@"
	injection Y 0 0
}

# drain_ms of the driver, so that the tests need not wait for it.
short_wait()
{
	: >"$TMP/short"
	reload_driver drain_ms=300
}

long_wait()
{
	reload_driver
	rm "$TMP/short"
}

# The device is taken away in bounded time, and the drain ends with it; the page
# is there as long as it is held, and the device, and its driver, are not before.
taken_away()
{
	held "$1"
	unbind_within 60
	told drained "errno 5"
	told load "sigbus 2"
	refused_with busy bind "$NS" "$DRIVER"
	told check
	forget_file
	case $1 in
	memory|file)
		refused_with busy umount "$MNT"
		told check
		told release
		umount "$MNT"
		until_true 60 bind "$NS" "$DRIVER"
		;;
	*)
		umount "$MNT"
		refused_with busy bind "$NS" "$DRIVER"
		refused rmmod rdax_pmem
		told check
		told release
		until_true 60 rmmod rdax_pmem
		short_wait
		;;
	esac
	fs_clean rdaxfs "$DEV"
	mount_strict
	all_is_well
}

# The same while blocks wait for their last reference: nobody frees them any more.
taken_away_busy()
{
	held "$1" ""
	mount -o remount,drain=bounded,drain_ms=0 "$MNT"
	told "take truncate"
	[ "$(free_blocks)" -lt "$FREE" ] || fail "no block is busy"
	unbind_within 60
	told check
	refused_with busy bind "$NS" "$DRIVER"
	told unmap
	told close
	told check
	told release
	umount "$MNT"
	until_true 60 bind "$NS" "$DRIVER"
	fs_clean rdaxfs "$DEV"
	mount_strict
	all_is_well
}

# control "PROGRAM TEST ARGS...": what another file system does with the same, in
# bounded time: who still waits then goes when those who hold pages are killed.
control()
{
	local words begin=$SECONDS status

	read -ra words <<<"$1"
	timeout -k 1 "${RDAX_CONTROL_SECONDS:-5}" "$BIN/drain_${words[0]}" \
		"${words[1]}" "$MNT/$RANDOM" "${words[@]:2}" \
		>"$TMP/control" 2>&1 && status=passed || status="status $?"
	[ "$status" != "status 124" ] || status="did not end"
	echo "control: $FS: $1: $status, $((SECONDS - begin)) s"
	sed 's/^/control: /' "$TMP/control"
}

controls()
{
	local test

	unset DRAINS_FILE
	FS=$1
	load_fs "$FS"
	umount_all
	do_mkfs "$FS" "$DEV"
	mount_dax "$FS" "$DEV"
	for test in "deadlock straddle in-in" "deadlock touch pte" \
		"signal drain-killed KILL" "signal drain-handled"; do
		control "$test"
	done
	until_true 60 umount "$MNT" || umount -l "$MNT"
}

# ends NAME FUNCTION "HOW..." ["HOW..."]: with a page that is held in the ways HOW,
# with RDAX_ALL_KINDS also in the other ones.
ends()
{
	local how hows=$3

	[ -z "${RDAX_ALL_KINDS:-}" ] || hows="$hows ${4:-}"
	for how in $hows; do
		t "$1: $how" "$2" "$how"
	done
}

t "drain=strict" strict
if [ -b "${RDAX_DISK:-}" ]; then
	for where in in-in out-in in-out; do
		deadlock straddle "$where"
	done
	deadlock killed
fi
deadlock vector
for kind in pte pmd; do
	deadlock touch "$kind"
	task fork "$kind"
	for what in mremap mremap-part; do
		task moved "$what" "$kind"
	done
done
for what in file files; do
	deadlock pair "$what"
done
deadlock writer
deadlock peek
for sig in KILL TERM; do
	signal drain-killed "$sig"
done
signal drain-handled
signal waiter-killed
signal waiter-handled
for end in kill exit exec; do
	task holder "$end"
done
task inherited
task handed-on
task change
t "deadlock: self" with drain=bounded,drain_ms=200 drain_deadlock self 200
t "signal: nowait" with drain=nowait drain_signal nowait
for how in file memory; do
	t "n-th allocation fails: pin, $how" allocations_fail pin "$how"
done
for op in punch truncate; do
	t "n-th allocation fails: drain, $op" allocations_fail drain "$op"
done
t "umount" end_fs

t "load with drain_ms=300" short_wait
ends "umount, rmmod" unmounted plain pipe
ends "lazy umount" lazily file "pipe plain memory"
ends "remount ro" read_only file "pipe plain memory"
ends "freeze" frozen pipe "plain memory file"
ends "freeze, then drain" frozen_first file "pipe plain memory"
ends "shutdown" shut_down file "pipe plain memory"
ends "unbind, rmmod" taken_away plain "pipe memory file"
ends "unbind, blocks are busy" taken_away_busy pipe "plain memory file"
ends "unbind nd_pmem" taken_from_nd_pmem pipe "plain memory file"
t "load again" long_wait
for fs in ${RDAX_CONTROLS:-xfs ext4}; do
	[ "$fs" = none ] || t "control: $fs" controls "$fs"
done

test_names=("mkfs, mount" "${test_names[@]}")
test_cmds=(fresh_fs "${test_cmds[@]}")
run_tests
