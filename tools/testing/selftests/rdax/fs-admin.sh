#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Mounting, freezing, stopping: what an administrator does to a file system,
# and the devices it may lie on. Each test begins with a new file system.
. "$(dirname "$0")/fs.sh"

use_fs "${1:-rdaxfs}"

on_exit()
{
	umount_all
	dmsetup remove --retry rdax-linear rdax-stripe 2>/dev/null
	blockdev --setrw "$DEV" 2>/dev/null
}

# A test that failed must not take those after it along.
fresh()
{
	umount_all
	[ -n "$(driver_of "$NS")" ] || until_true 60 bind "$NS" "$DRIVER"
	blockdev --setrw "$DEV"
	fresh_fs
}

not_mounted()
{
	if grep " $MNT " /proc/mounts; then
		fail "mounted"
	fi
}

start_load()
{
	local answer

	coproc LOAD { exec "$BIN/fs_admin" load "$MNT/load"; }
	LOAD_OUT=${LOAD[0]} LOAD_IN=${LOAD[1]} LOAD_RUN=$!
	read -rt "$(within 60)" -u "$LOAD_OUT" answer
	eq "$answer" ready
}

counts()
{
	echo counts >&"$LOAD_IN"
	read -rt "$(within 60)" -u "$LOAD_OUT" COUNTS
}

moving()
{
	local before=$1 i
	local -a old new

	counts
	read -ra old <<<"$before"
	read -ra new <<<"$COUNTS"
	for i in 0 1 2; do
		[ "${new[i]}" -gt "${old[i]}" ] || return 1
	done
}

standing()
{
	local before

	counts
	before=$COUNTS
	# Each of them would have run hundreds of times.
	sleep 2
	counts
	[ "$COUNTS" = "$before" ]
}

freeze()
{
	fresh
	start_load
	until_true 60 moving "0 0 0"
	fsfreeze -f "$MNT"
	until_true 20 standing || fail "frozen, but $COUNTS"
	refused fsfreeze -f "$MNT"
	ls "$MNT/load" >/dev/null
	cat "$MNT/load/load0" >/dev/null
	fsfreeze -u "$MNT"
	until_true 60 moving "$COUNTS"
	refused fsfreeze -u "$MNT"
	echo quit >&"$LOAD_IN"
	wait "$LOAD_RUN"
	end_fs
}

# What the medium says of the volume: "active" while it may be changed.
state_is()
{
	[ "$FS" = rdaxfs ] || return 0
	blockdev --flushbufs "$DEV"
	rdaxctl info --json "$DEV" | grep "\"state\": \"$1\""
}

remount_ro()
{
	fresh
	echo one >"$MNT/f"
	exec 7>>"$MNT/f"
	refused_with busy mount -o remount,ro "$MNT"
	exec 7>&-
	state_is active
	mount -o remount,ro "$MNT"
	state_is clean
	refused_with "Read-only" touch "$MNT/g"
	refused_with "Read-only" rm "$MNT/f"
	refused_with "Read-only" truncate -s 0 "$MNT/f"
	eq "$(cat "$MNT/f")" one
	mount -o remount,rw "$MNT"
	state_is active
	echo two >>"$MNT/f"
	eq "$(wc -l <"$MNT/f")" 2
	end_fs
	mount_fs "$FS" "$DEV" "$MNT" ro
	eq "$(wc -l <"$MNT/f")" 2
	refused_with "Read-only" touch "$MNT/g"
	"$BIN/dax_fault" is-dax "$MNT/f"
	mount -o remount,rw "$MNT"
	touch "$MNT/g"
	end_fs
}

ro_device()
{
	fresh
	"$BIN/dax_io" write "$MNT/f" $((4 * MiB)) 5
	umount "$MNT"
	blockdev --setro "$DEV"
	refused mount -w -t "$FS" "$DEV" "$MNT"
	not_mounted
	mount_fs "$FS" "$DEV" "$MNT" ro
	"$BIN/dax_map" check "$MNT/f" $((4 * MiB)) 5
	refused mount -o remount,rw "$MNT"
	umount "$MNT"
	fs_clean "$FS" "$DEV"
	blockdev --setrw "$DEV"
}

# shutdown HOW: 0 with a flush, 1 with the log, 2 without either.
shut_down()
{
	fresh
	echo kept >"$MNT/f"
	sync "$MNT/f"
	"$BIN/fs_admin" shutdown "$MNT" "$1"
	refused_with "Input/output" touch "$MNT/g"
	refused_with "Input/output" sh -c "echo x >>'$MNT/f'"
	refused_with "Input/output" cat "$MNT/f"
	umount "$MNT"
	mount_dax "$FS" "$DEV"
	eq "$(cat "$MNT/f")" kept
	[ ! -e "$MNT/g" ]
	end_fs
}

shut_down_users()
{
	fresh
	"$BIN/fs_admin" shutdown-users "$MNT/users"
	umount "$MNT"
	mount_dax "$FS" "$DEV"
	end_fs
}

gone()
{
	[ -z "$(driver_of "$NS")" ]
}

device_gone()
{
	fresh
	"$BIN/dax_io" write "$MNT/kept" $((4 * MiB)) 91
	sync
	hold "$1" "$MNT/f"
	unbind "$NS"
	until_true 120 gone
	refused cat "$MNT/kept"
	refused touch "$MNT/g"
	refused mkdir "$MNT/d"
	refused rm "$MNT/kept"
	ask write
	eq "$ANSWER" "errno 5"
	ask close
	hold_end
	umount "$MNT"
	until_true 60 bind "$NS" "$DRIVER"
	mount_dax "$FS" "$DEV"
	"$BIN/dax_map" check "$MNT/kept" $((4 * MiB)) 91
	end_fs
}

bad_options()
{
	local opt

	fresh
	umount "$MNT"
	for opt in nonsense nonsense=1 errors=nonsense drain_ms=x drain=x; do
		[ "$FS" = rdaxfs ] || [ "${opt%%=*}" = nonsense ] || continue
		refused mount -t "$FS" -o "$opt" "$DEV" "$MNT"
		not_mounted
	done
	# With the right ones right after.
	mount_dax "$FS" "$DEV"
	end_fs
}

# What was asked for, by remounting, is shown; what is default is not.
options_are_shown()
{
	local opt

	need_rdaxfs
	fresh
	for opt in drain=strict drain=nowait drain_ms=5 errors=continue; do
		mount -o "remount,$opt" "$MNT"
		grep -E " $MNT rdaxfs [^ ]*,$opt(,| )" /proc/mounts
	done
	mount -o remount,drain=bounded "$MNT"
	if grep " $MNT .*drain=" /proc/mounts; then
		fail "drain=bounded is shown"
	fi
	end_fs
}

# Nothing, something else, and a file system cut off.
wrong_content()
{
	umount_all
	dd if=/dev/zero of="$DEV" bs=1M count=16 status=none
	refused mount -t "$FS" "$DEV" "$MNT"
	dd if=/dev/urandom of="$DEV" bs=1M count=16 status=none
	refused mount -t "$FS" "$DEV" "$MNT"
	do_mkfs ext4 "$DEV"
	refused mount -t "$FS" "$DEV" "$MNT"
	refused mount -t "$FS" /dev/null "$MNT"
	refused mount -t "$FS" none "$MNT"
	fresh
	end_fs
}

mount_twice()
{
	fresh
	mkdir "$TMP/second"
	mount_fs "$FS" "$DEV" "$TMP/second"
	touch "$MNT/f"
	[ -e "$TMP/second/f" ]
	umount "$MNT"
	[ -e "$TMP/second/f" ]
	refused_with mounted "mkfs.$FS" -f "$DEV"
	umount "$TMP/second"
	mount_dax "$FS" "$DEV"
	[ -e "$MNT/f" ]
	end_fs
}

module_busy()
{
	[ -d "/sys/module/$FS/holders" ] || skip "$FS is no module"
	fresh
	refused_with "in use" rmmod "$FS"
	end_fs
	rmmod "$FS"
	load_fs "$FS"
	fresh
	end_fs
}

# A file system over the device $1 works as on the disk itself.
works_on()
{
	do_mkfs "$FS" "$1"
	mount_dax "$FS" "$1"
	"$BIN/dax_fault" pmd-write "$MNT/pmd"
	"$BIN/dax_io" model "$MNT/model" 100
	"$BIN/dax_io" write "$MNT/f" $((8 * MiB)) 7
	umount "$MNT"
	fs_clean "$FS" "$1"
	mount_dax "$FS" "$1"
	"$BIN/dax_map" check "$MNT/f" $((8 * MiB)) 7
	umount "$MNT"
	fs_clean "$FS" "$1"
}

sectors()
{
	blockdev --getsz "$1"
}

# Two parts of the device, in the other order.
dm_linear()
{
	local half

	umount_all
	half=$(($(sectors "$DEV") / 2 / 4096 * 4096))
	dmsetup create rdax-linear <<-END
		0 $half linear $DEV $half
		$half $half linear $DEV 0
	END
	works_on /dev/mapper/rdax-linear
	dmsetup remove --retry rdax-linear
}

dm_stripe()
{
	local second size

	second=$(ns_of memmap 1)
	[ -n "$second" ] || skip "no second memmap namespace"
	[ "$(driver_of "$second")" = "$DRIVER" ] || bind_to "$second" "$DRIVER"
	second=/dev/$(disk_of "$second")
	umount_all
	size=$(($(sectors "$DEV") / 4096 * 4096))
	echo "0 $((2 * size)) striped 2 4096 $DEV 0 $second 0" |
		dmsetup create rdax-stripe
	works_on /dev/mapper/rdax-stripe
	dmsetup remove --retry rdax-stripe
}

# The kernel's own driver below it.
on_nd_pmem()
{
	umount_all
	load_driver nd_pmem
	bind_to "$NS" nd_pmem
	works_on "/dev/$(disk_of "$NS")"
	bind_to "$NS" "$DRIVER"
}

t "freeze, thaw" freeze
t "remount ro and rw, ro mount" remount_ro
t "read-only device" ro_device
for how in 0 1 2; do
	t "shutdown $how" shut_down "$how"
done
t "shutdown under users" shut_down_users
for how in open pte writer; do
	t "device gone: $how" device_gone "$how"
done
t "bad options" bad_options
t "options are shown" options_are_shown
t "not this file system" wrong_content
t "mounted twice" mount_twice
t "module in use" module_busy
t "dm-linear" dm_linear
t "dm-stripe" dm_stripe
t "nd_pmem" on_nd_pmem
run_tests
