#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Runs on the host. A VM whose NVDIMM is a file is killed while it commits
# records; a second VM must find every record that was reported committed, on
# a file system that is clean. QEMU stores straight to the file, so nothing
# that was stored is lost: what is tested is the order of stores, not their
# flushing.
#
#   RDAX_VM      the program that runs a command in a VM
#   RDAX_ROUNDS  crashes per file system (default 1)

HERE=$(cd "$(dirname "$0")" && pwd)
BIN=${RDAX_SELFTESTS:-$HERE}
ROUNDS=${RDAX_ROUNDS:-1}
DIR=$(mktemp -d "${RDAX_SHARE:-${TMPDIR:-/tmp}}/rdax-crash.XXXXXX")
failed=0
n=0

# --- in the guest

guest_setup()
{
	# shellcheck source=lib.sh
	. "$HERE/lib.sh"
	use_ns nvdimm
}

guest_write()
{
	guest_setup
	mkfs_mount "$1" || exit 1
	mkdir "$MNT/records"
	"$BIN/dax_crash" write "$MNT/records"
}

guest_verify()
{
	guest_setup
	set -e
	# Mounting replays the log, which the checkers do not do by themselves.
	mount_dax "$1" "$DEV"
	"$BIN/dax_crash" verify "$MNT/records" "$2"
	umount "$MNT"
	fs_clean "$1" "$DEV"
	mount_dax "$1" "$DEV"
	"$BIN/dax_crash" verify "$MNT/records" "$2"
	umount "$MNT"
	echo "VERIFIED $2"
}

case ${1:-} in
guest-write) guest_write "$2"; exit ;;
guest-verify) guest_verify "$2" "$3"; exit ;;
esac

# --- on the host

if [ -z "${RDAX_VM:-}" ]; then
	echo "KTAP version 1"
	echo "1..0 # SKIP no VM runner in RDAX_VM"
	rm -rf "$DIR"
	exit 4
fi

vm()
{
	# RDAX_VM may hold options as well.
	# shellcheck disable=SC2086
	$RDAX_VM "$@"
}

result()
{
	n=$((n + 1))
	if [ "$1" = 0 ]; then
		echo "ok $n $2"
	else
		sed 's/^/# /' "$DIR/log" | tail -n 60
		echo "not ok $n $2"
		failed=$((failed + 1))
	fi
}

# crash FS RECORDS: killed at that record, everything before is verified.
crash()
{
	local fs=$1 at=$2 image=$DIR/$1.img last

	rm -f "$image"
	truncate -s 512M "$image"
	vm --pmem "nvdimm:512M:$image" --kill-on "COMMITTED $at" -- \
		"$HERE/crash.sh" guest-write "$fs" >"$DIR/log" 2>&1
	last=$(sed -n 's/.*COMMITTED \([0-9]*\).*/\1/p' "$DIR/log" | tail -n 1)
	[ -n "$last" ] && [ "$last" -ge "$at" ]
	result $? "$fs: killed at record $at (${last:-0} committed)"
	vm --pmem "nvdimm:512M:$image" -- \
		"$HERE/crash.sh" guest-verify "$fs" "${last:-1}" \
		>"$DIR/log" 2>&1 && grep -q "VERIFIED ${last:-1}" "$DIR/log"
	result $? "$fs: log replayed, clean, all committed records right"
}

trap 'rm -rf "$DIR"' EXIT
echo "KTAP version 1"
echo "1..$((4 * ROUNDS))"
for fs in xfs ext4; do
	for ((round = 0; round < ROUNDS; round++)); do
		crash "$fs" $((15 + 17 * round + RANDOM % 10))
	done
done
echo "# Totals: pass:$((n - failed)) fail:$failed xfail:0 xpass:0 skip:0 error:0"
[ "$failed" -eq 0 ]
