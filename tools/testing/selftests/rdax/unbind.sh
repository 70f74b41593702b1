#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Unbinding the driver under everything that can use the device. It must
# return in bounded time, cut off all further access, and free no memory that
# anybody can still reach: a page that is pinned keeps its content, and the
# namespace cannot be bound again before the pin is gone.
. "$(dirname "$0")/lib.sh"

need_root
use_ns memmap "${1:-0}"
DRAIN_MS=1000
# The drain, and what a debug kernel under emulation needs for the rest.
BOUND=$((DRAIN_MS / 1000 + 60))

on_exit()
{
	[ "$DRIVER" != rdax_pmem ] || [ -z "${SHORT_DRAIN:-}" ] || {
		umount_all
		reload_driver
	}
}

short_drain()
{
	need_rdax
	reload_driver drain_ms="$DRAIN_MS"
}

# With an argument the node of the disk may stay, if nothing can be read from it:
# it goes after the file system, which waits for pins.
bounded_unbind()
{
	unbind_within "$BOUND"
	[ -n "${1:-}" ] || [ ! -e "$DEV" ]
	refused dd if="$DEV" of=/dev/null bs=4096 count=1 iflag=direct
	[ ! -e "/sys/kernel/debug/$DRIVER/$DISK" ]
}

try_bind()
{
	bind "$NS" "$DRIVER" 2>"$TMP/bind.err"
}

# While pages are referenced: -EBUSY and a line about it, nothing else.
bind_busy()
{
	refused_with "Device or resource busy" bind "$NS" "$DRIVER"
	dmesg_has "$NS: .*(is in use|could not reserve)"
	grep -w "$NS" /proc/iomem
}

# After the last reference the device comes back. That it works is shown by the
# next test, which begins with a new file system.
bind_again()
{
	until_true 60 try_bind || fail "bind: $(cat "$TMP/bind.err")"
	[ -b "$DEV" ]
}

usable()
{
	mkfs_mount "$1"
	"$BIN/dax_fault" pmd-write "$MNT/again"
	umount "$MNT"
}

# A test that failed must not take those after it along.
fresh()
{
	[ -b "$DEV" ] && [ -n "$(driver_of "$NS")" ] && return
	umount_all
	bind_again
}

mkfs_for()
{
	fresh
	case $1 in
	# With a reverse map XFS can tell the processes; without, it cannot.
	xfs-rmap) do_mkfs xfs "$DEV" -m rmapbt=1; mount_dax xfs "$DEV" ;;
	*) mkfs_mount "$1" ;;
	esac
}

# Mounted, nothing open: the data must be there after a new bind.
mounted()
{
	local fs=$1

	mkfs_for "$fs"
	"$BIN/dax_io" write "$MNT/kept" $((4 * MiB)) 91
	sync
	bounded_unbind
	refused cat "$MNT/kept"
	umount "$MNT"
	bind_again
	mount_dax "${fs%-rmap}" "$DEV"
	"$BIN/dax_map" check "$MNT/kept" $((4 * MiB)) 91
	umount "$MNT"
}

open_file()
{
	mkfs_for "$1"
	hold open "$MNT/f"
	bounded_unbind
	ask read
	eq "$ANSWER" "errno 5"
	ask write
	eq "$ANSWER" "errno 5"
	ask close
	hold_end
	umount "$MNT"
	bind_again
}

writer()
{
	mkfs_for "$1"
	hold writer "$MNT/f"
	bounded_unbind
	until_true 30 writer_failed
	ask close
	hold_end
	umount "$MNT"
	bind_again
}

writer_failed()
{
	ask writer
	[ "$ANSWER" != ok ]
}

# Old mappings may go on showing the old data, which dax_hold verifies, or
# end in SIGBUS; a new fault must end in SIGBUS.
mapped()
{
	local fs=$1 kind=$2

	mkfs_for "$fs"
	hold "$kind" "$MNT/f"
	bounded_unbind
	ask load
	if [ "$ANSWER" = ok ]; then
		bind_busy
		ask load
		eq "$ANSWER" ok
	fi
	ask store
	ask refault
	[ "${ANSWER% *}" = sigbus ] || fail "a fault after unbind: $ANSWER"
	ask read
	eq "$ANSWER" "errno 5"
	ask unmap
	ask close
	hold_end
	umount "$MNT"
	bind_again
}

# Both file systems wait for the pin when they evict the inode, which nothing
# outside the kernel can shorten: umount may take as long as the pin lasts.
umount_start()
{
	umount "$MNT" &
	UMOUNT=$!
}

umount_end()
{
	until_true 60 gone "$UMOUNT" || fail "umount hangs"
	wait "$UMOUNT"
}

# Everything but the pin is gone; the page in the pipe is still the old one.
pinned()
{
	local fs=$1 mode=$2

	mkfs_for "$fs"
	hold "$mode" "$MNT/f"
	bounded_unbind stays
	bind_busy
	umount_start
	# Evicting the inode waits for the pin elsewhere.
	[ "$fs" != rdaxfs ] || umount_end
	bind_busy
	ask pipe
	eq "$ANSWER" ok
	hold_end
	[ "$fs" = rdaxfs ] || umount_end
	bind_again
}

pinned_open()
{
	mkfs_for "$1"
	hold pin "$MNT/f"
	bounded_unbind
	bind_busy
	ask refault
	[ "${ANSWER% *}" = sigbus ] || fail "a fault after unbind: $ANSWER"
	bind_busy
	ask unmap
	ask close
	ask pipe
	eq "$ANSWER" ok
	hold_end
	umount "$MNT"
	bind_again
}

# The file system of a device that is gone still has its handle on it when the
# namespace gets its next device.
dead_mount()
{
	local fs=$1

	mkfs_for "$fs"
	"$BIN/dax_io" write "$MNT/kept" $((4 * MiB)) 92
	sync
	bounded_unbind
	bind_again
	refused cat "$MNT/kept"
	umount "$MNT"
	mount_dax "$fs" "$DEV"
	"$BIN/dax_map" check "$MNT/kept" $((4 * MiB)) 92
	umount "$MNT"
}

# The control: what bind and unbind are like with nobody there.
idle()
{
	local i

	for i in 1 2 3; do
		bounded_unbind
		bind_again
	done
}

mount_loop()
{
	while [ ! -e "$TMP/stop" ]; do
		# Fails while the device is away.
		if mount -t "$1" -o dax=always "$DEV" "$MNT"; then
			umount "$MNT"
		fi
	done >"$TMP/mounts" 2>&1
}

race_mount()
{
	local fs=$1 pid i

	fresh
	do_mkfs "$fs" "$DEV"
	rm -f "$TMP/stop"
	mount_loop "$fs" &
	pid=$!
	for i in 1 2 3 4; do
		bounded_unbind
		bind_again
	done
	: >"$TMP/stop"
	wait "$pid"
	! mountpoint -q "$MNT" || umount "$MNT"
	usable "$fs"
}

rmmod_mounted()
{
	need_rdax
	fresh
	mkfs_mount "$1"
	refused rmmod rdax_pmem
	"$BIN/dax_fault" pte-write "$MNT/f"
	umount "$MNT"
}

# The module must outlive the pages of its devices as well.
rmmod_pinned()
{
	need_rdax
	fresh
	mkfs_mount "$1"
	hold orphan-pin "$MNT/f"
	bounded_unbind stays
	umount_start
	refused rmmod rdax_pmem
	ask pipe
	eq "$ANSWER" ok
	hold_end
	umount_end
	until_true 60 rmmod rdax_pmem
	[ -d "$ND/drivers/rdax_pmem" ] || modprobe rdax_pmem drain_ms="$DRAIN_MS"
	[ -n "$(driver_of "$NS")" ] || bind_again
	usable "$1"
}

t "load with drain_ms=$DRAIN_MS" short_drain
SHORT_DRAIN=1
t "idle" idle
for fs in ${RDAX_FS:-rdaxfs xfs ext4}; do
	t "$fs: mounted" mounted "$fs"
	t "$fs: mounted, bound again before umount" dead_mount "$fs"
	t "$fs: open file" open_file "$fs"
	t "$fs: writer" writer "$fs"
	t "$fs: mapped by PTEs" mapped "$fs" pte
	t "$fs: mapped by PMDs" mapped "$fs" pmd
	t "$fs: page in a pipe, file closed" pinned "$fs" orphan-pin
	t "$fs: page in a pipe, file open and mapped" pinned_open "$fs"
	t "$fs: racing with mount" race_mount "$fs"
	t "$fs: rmmod while mounted is refused" rmmod_mounted "$fs"
done
t "xfs with rmapbt: mapped by PMDs" mapped xfs-rmap pmd
t "xfs with rmapbt: page in a pipe" pinned_open xfs-rmap
t "rmmod while a page is in a pipe" rmmod_pinned ext4
run_tests
