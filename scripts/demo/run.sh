#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# What `make run` does in the guest: a screenful that fails when anything of it
# is not so. RDAX_DEVICE: another device than /dev/rpmem0, for comparison.
set -euo pipefail

device=${RDAX_DEVICE:-/dev/rpmem0}
driver=${RDAX_DRIVER:-rdax_pmem}
demo=$RDAX_BUILD/demo/daxdemo
name=${device##*/}
trace=/sys/kernel/tracing

bold() { printf '\n\033[1m%s\033[0m\n' "$*"; }
show() { printf '  %-34s %s\n' "$1" "$2"; }
fail() {
	printf '  FAILED: %s\n' "$*"
	exit 1
}
# prove WHAT COMMAND...: its last line is the evidence; all of it is in $said.
prove() {
	local what=$1
	shift
	said=$("$@" 2>&1) || fail "$what: $said"
	show "$what" "${said##*$'\n'}"
}

[ "$driver" = rdax_pmem ] || modprobe "$driver"
udevadm settle
[ -b "$device" ] || fail "no $device"

bold "Persistent memory, driven by Rust"
sys=/sys/class/block/$name
bound=$(readlink -f "$sys/device/driver" || true)
show "$device" "$(($(cat "$sys/size") / 2048)) MiB, namespace $(basename "$(readlink -f "$sys/device")")"
show "driver" "${bound##*/} ($(modinfo -F license "$driver"), module $(modinfo -F filename "$driver" | sed 's,.*/,,'))"
[ "$(cat "$sys/queue/dax")" = 1 ] || fail "queue/dax is 0: no struct pages"
show "queue/dax" "1: file systems may map this memory directly"

count() { grep -c "$1" "$trace/trace" || true; }

# PMD or PTE by what the kernel itself says; then the same file by faults.
mappings() {
	local file=$1
	echo 1 >$trace/events/fs_dax/enable
	echo >$trace/trace
	prove "write through PMDs (2 MiB)" "$demo" pmd "$file"
	pmd=$(count 'dax_pmd_fault_done.*NOPAGE')
	[ "$pmd" -ge 4 ] || fail "$pmd PMD faults in the trace"
	show "  the kernel's tracepoints" "$pmd PMD faults mapped, $(count 'dax_pmd_fault_done.*FALLBACK') fell back"
	echo >$trace/trace
	# At an address that 2 MiB of the file cannot be aligned to.
	prove "write through PTEs (4 KiB)" "$demo" pte "$file"
	pte=$(count 'dax_pte_fault_done.*NOPAGE')
	[ "$pte" -ge 1000 ] || fail "$pte PTE faults in the trace"
	show "  the kernel's tracepoints" "$pte PTE faults mapped"
	echo 0 >$trace/events/fs_dax/enable
}

# file_system NAME: the device carries it, mounted on /mnt/dax.
file_system() {
	local fs=$1 mnt=/mnt/dax
	bold "$fs"
	mkdir -p $mnt
	mount -t "$fs" -o dax=always "$device" $mnt || fail "mount"
	show "mounted" "$(findmnt -no OPTIONS $mnt)"
	# rdaxfs has nothing but DAX files.
	[ "$fs" = rdaxfs ] || findmnt -no OPTIONS $mnt | grep -q 'dax=always' ||
		fail "mounted without DAX"
	[ "$fs" != xfs ] || xfs_io -c 'extsize 2m' $mnt
	xfs_io -f -c 'falloc 0 8m' $mnt/big
	prove "DAX state" "$demo" dax $mnt/big
	mappings $mnt/big
	prove "MAP_SYNC" "$demo" sync $mnt/big
	prove "unlink, page in an unread pipe" "$demo" held $mnt/held
	[ "$fs" != rdaxfs ] || [[ $said != WAITED* ]] || fail "it should not wait"
	"$demo" fill $mnt/data 42 || fail "fill"
	umount $mnt
	mount -t "$fs" -o dax=always "$device" $mnt
	prove "after umount and mount" "$demo" verify $mnt/data 42
	[ "$fs" != rdaxfs ] || rdaxfs_says $mnt
	umount $mnt
}

# What only rdaxfs has: counters, its own fsck, metadata that is durable at once.
rdaxfs_says() {
	local stats=/sys/kernel/debug/rdaxfs/$name/stats
	mkdir "$1/a" && ln "$1/data" "$1/a/link" && mv "$1/a/link" "$1/b" && rm -r "$1/a"
	show "faults since this mount" "$(grep -E '^(pmd|pte)_faults' "$stats" | tr '\n' ' ')"
	mount -o remount,ro "$1"
	prove "fsck.rdaxfs -n" fsck.rdaxfs -n "$device"
}

mkfs.rdaxfs -q -f "$device" || fail mkfs.rdaxfs
file_system rdaxfs
mkfs.xfs -q -f -m reflink=0 -d su=2m,sw=1 -l su=4k "$device" || fail mkfs.xfs
file_system xfs
mkfs.ext4 -q -F -b 4096 -E stride=512,stripe_width=512 "$device" || fail mkfs.ext4
file_system ext4

bold "It works. Next:"
show "make shell" "a root shell in this VM; try: mkfs.rdaxfs, mount, fio, rdaxctl"
show "make vm CMD='lsblk; ndctl list'" "one command; PMEM='nvdimm:1G virtio:1G' other devices"
show "make test" "every test, on a kernel with KASAN, lockdep and CFI"
show "make bench" "instructions per operation: ext4, XFS and rdaxfs"
