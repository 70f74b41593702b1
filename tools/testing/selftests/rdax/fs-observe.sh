#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# What is seen of drains in debugfs, in tracefs and by rdaxctl. A pipe holds a
# page of a file that is mapped by 2 MiB: the second of its two, see dax_hold.c.
. "$(dirname "$0")/fs.sh"

use_fs rdaxfs
[ -e /sys/kernel/tracing/instances ] || plan_skip "no tracefs"
SEEN=/sys/kernel/debug/rdaxfs/$DISK
TRACE=/sys/kernel/tracing/instances/rdax.$$

on_exit()
{
	[ ! -e "$TRACE" ] || rmdir "$TRACE"
}

trace_on()
{
	[ -e "$TRACE" ] || mkdir "$TRACE"
	echo global >"$TRACE/trace_clock"
	: >"$TRACE/trace"
	echo 1 >"$TRACE/events/rdax/enable"
}

# events INODE: in the order in which each came first.
events()
{
	sed -n "s/.*: \([a-z_]*\): dev=[0-9:]* ino=$1 .*/\1/p" "$TRACE/trace" |
		awk '!seen[$0]++' | xargs
}

# traced REGEX: among the trace events.
traced()
{
	grep -E -- "$1" "$TRACE/trace" || {
		cat "$TRACE/trace"
		fail "no event like $1"
	}
}

# total FILE: events in a histogram, or blocks of the busy list.
total()
{
	awk '{ sub("blocks=", "", $2); n += $2 } END { print n + 0 }' \
		"$SEEN/$1"
}

drain_is_seen()
{
	grep -q "^drain ino=$INO " "$SEEN/drains"
}

nothing_is_busy()
{
	[ "$(total busy)" = 0 ]
}

# field NAME: of the drain of $INO.
field()
{
	sed -n "s/^drain ino=$INO .*\<$1=\([^ ]*\).*/\1/p" "$SEEN/drains"
}

# held KIND: a new file that somebody holds; $INO is its number.
held()
{
	hold "$1" "$MNT/held"
	INO=$(stat -c %i "$MNT/held")
	trace_on
}

# Each drain that waits, whom for, and who waits for it.
waiting()
{
	local pid took waited blocks

	mount -o remount,drain=strict "$MNT"
	held pin
	blocks=$(total busy)
	took=$(total drain_time_us)
	waited=$(total gate_wait_us)
	eq "$(cat "$SEEN/drains")" ""
	truncate -s 0 "$MNT/held" &
	pid=$!
	until_true 30 drain_is_seen || fail "no drain is seen"
	cat "$SEEN/drains"
	eq "$(field first)" 0
	eq "$(field index)" 512 "the folio of 2 MiB"
	eq "$(field refs) $(field maps) $(field pins)" "1 0 0"
	eq "$(field registered)" 0
	eq "$(field pid) $(field comm)" "$pid truncate"
	[ "$(field pfn)" != 0x0 ] || fail "no page frame"
	rdaxctl drains "$MNT" | tee "$TMP/drains"
	grep -q "^ *$INO  *0- .* truncate$" "$TMP/drains"
	rdaxctl --json drains "$DEV" >"$TMP/drains"
	grep -q "\"ino\": $INO,$" "$TMP/drains"
	# A fault is let through in the end, and the drain goes on.
	ask refault
	eq "$ANSWER" ok
	grep "^waiter ino=$INO index=512 age_ms=[0-9]* ticket=1 pid=$HOLD_PID comm=dax_hold$" \
		"$SEEN/drains" || fail "the fault is not seen"
	kill -0 "$pid" || fail "the drain is over"
	eq "$(total drain_time_us)" "$took"
	ask pipe
	wait "$pid"
	eq "$(cat "$SEEN/drains")" ""
	eq "$(total busy)" "$blocks"
	eq "$(total drain_time_us)" $((took + 1))
	[ "$(total gate_wait_us)" -gt "$waited" ] || fail "no wait was counted"
	# The task that is let in can be faster than the one that lets it in.
	eq "$(events "$INO" | sed 's/gate_wait drain_admit/drain_admit gate_wait/')" \
	   "drain_start drain_busy drain_admit gate_wait drain_done"
	traced "truncate-$pid .*drain_start: .*ino=$INO first=0 end="
	traced "drain_busy: .*ino=$INO index=512 .*refs=1 maps=0 pins=0 registered=0 "
	traced "dax_hold-$HOLD_PID .*gate_wait: .*ino=$INO index=512 "
	traced "drain_done: .*ino=$INO .*error=0 duration_ns=[1-9]"
	hold_end
	rm "$MNT/held"
	mount -o remount,drain=bounded "$MNT"
}

# A drain that is killed is seen no more, and says why it ended.
killed()
{
	local pid

	mount -o remount,drain=strict "$MNT"
	held pin
	truncate -s 0 "$MNT/held" &
	pid=$!
	until_true 30 drain_is_seen || fail "no drain is seen"
	kill -KILL "$pid"
	wait "$pid" || true
	eq "$(cat "$SEEN/drains")" ""
	eq "$(events "$INO")" "drain_start drain_busy drain_done"
	traced "drain_done: .*ino=$INO .*error=-4 "
	hold_end
	rm "$MNT/held"
	mount -o remount,drain=bounded "$MNT"
}

# What is left to its holder is busy until that lets go.
deferred()
{
	mount -o remount,drain_ms=100 "$MNT"
	held pin
	truncate -s 0 "$MNT/held"
	eq "$(cat "$SEEN/drains")" ""
	cat "$SEEN/busy"
	eq "$(total busy)" 512 "the folio of 2 MiB"
	rdaxctl drains "$MNT" | grep "0 waiting, 512 blocks busy, for up to"
	eq "$(events "$INO")" "drain_start drain_busy drain_defer drain_done"
	traced "drain_defer: .*ino=$INO .*blocks=512 "
	ask pipe
	until_true 30 nothing_is_busy || fail "blocks are still busy"
	hold_end
	rm "$MNT/held"
	mount -o remount,drain_ms=1000 "$MNT"
}

# Eviction waits for nobody: only what it leaves is told.
evicted()
{
	held orphan-pin
	rm "$MNT/held"
	eq "$(total busy)" 512
	eq "$(events "$INO")" drain_defer
	ask pipe
	until_true 30 nothing_is_busy || fail "blocks are still busy"
	hold_end
}

# A drain that need not wait is counted and traced, no more.
prompt()
{
	local took waited

	fallocate -l 1M "$MNT/free"
	INO=$(stat -c %i "$MNT/free")
	trace_on
	took=$(total drain_time_us)
	waited=$(total gate_wait_us)
	fallocate -p -o 8192 -l 4096 "$MNT/free"
	eq "$(total drain_time_us)" $((took + 1))
	eq "$(total gate_wait_us)" "$waited"
	eq "$(events "$INO")" "drain_start drain_done"
	traced "drain_start: .*ino=$INO first=2 end=3$"
	echo 0 >"$TRACE/events/rdax/enable"
	: >"$TRACE/trace"
	truncate -s 0 "$MNT/free"
	eq "$(events "$INO")" "" "with the events off"
	rm "$MNT/free"
}

# Who reads while it is unmounted gets the end of the file, or an error.
unmounted()
{
	local reader i

	while :; do
		cat "$SEEN"/* || :
	done >"$TMP/read" 2>&1 &
	reader=$!
	for ((i = 0; i < 5; i++)); do
		umount "$MNT"
		[ ! -e "$SEEN" ] || fail "the directory is still there"
		mount_dax "$FS" "$DEV"
	done
	kill "$reader"
	wait "$reader" || :
	grep -q . "$TMP/read" || fail "nothing was read"
}

t "a drain that waits" waiting
t "a drain that is killed" killed
t "blocks that are left to a holder" deferred
t "eviction" evicted
t "a drain that does not wait" prompt
t "reading while unmounting" unmounted
run_fs_tests
