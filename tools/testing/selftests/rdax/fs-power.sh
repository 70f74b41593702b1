#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Runs on the host. A VM whose NVDIMM is a file is killed at a random point of
# a load of all kinds of operations. The next VM finds every operation that
# was reported as done, wholly, the one after it wholly or not at all, and a
# consistent file system, on which it goes on with another load. See fs_power.c.
#
#   RDAX_VM      the program that runs a command in a VM
#   RDAX_ROUNDS  power cuts (default 3)
#   RDAX_SEED    repeats the loads and the places of the cuts

HERE=$(cd "$(dirname "$0")" && pwd)
BIN=${RDAX_SELFTESTS:-$HERE}
ROUNDS=${RDAX_ROUNDS:-3}

# --- in the guest

# guest FS ROUND SEED ACKED: of the round before, and the seed of both.
guest()
{
	local round=$2 seed=$3 acked=$4 sync=1

	# shellcheck source=fs.sh
	. "$HERE/fs.sh"
	FS=$1
	load_fs "$FS"
	use_ns nvdimm
	set -e
	[ "$FS" != rdaxfs ] || sync=0
	if [ "$round" = 1 ]; then
		fresh_fs
	else
		# Mounting replays the journal.
		mount_dax "$FS" "$DEV"
		"$BIN/fs_power" verify "$MNT/round$((round - 1))" \
			"$((seed + round - 1))" "$acked"
		umount "$MNT"
		fs_clean "$FS" "$DEV"
		mount_dax "$FS" "$DEV"
		"$BIN/fs_power" verify "$MNT/round$((round - 1))" \
			"$((seed + round - 1))" "$acked"
		echo "VERIFIED $((round - 1))"
	fi
	[ "$round" -le "$5" ] ||
		{ umount "$MNT"; exit 0; }
	"$BIN/fs_power" load "$MNT/round$round" "$((seed + round))" "$sync"
}

if [ "${1:-}" = guest ]; then
	shift
	guest "$@"
	exit
fi

# --- on the host

FS=${1:-rdaxfs}
if [ -z "${RDAX_VM:-}" ]; then
	echo "KTAP version 1"
	echo "1..0 # SKIP no VM runner in RDAX_VM"
	exit 4
fi
DIR=$(mktemp -d "${RDAX_SHARE:-${TMPDIR:-/tmp}}/rdax-power.XXXXXX")
trap 'rm -rf "$DIR"' EXIT
SEED=${RDAX_SEED:-$((RANDOM * 32768 + RANDOM))}
RANDOM=$((SEED % 32768))
failed=0
n=0

result()
{
	n=$((n + 1))
	if [ "$1" = 0 ]; then
		echo "ok $n $2"
	else
		sed 's/^/# /' "$DIR/log" | grep -v '^# ACK' | tail -n 60
		echo "not ok $n $2"
		failed=$((failed + 1))
	fi
}

# boot ROUND ACKED [OPTIONS...]
boot()
{
	local round=$1 acked=$2

	shift 2
	# RDAX_VM may hold options as well.
	# shellcheck disable=SC2086
	$RDAX_VM --pmem "nvdimm:512M:$DIR/image" "$@" -- "$HERE/fs-power.sh" \
		guest "$FS" "$round" "$SEED" "$acked" "$ROUNDS" \
		>"$DIR/log" 2>&1
}

echo "KTAP version 1"
echo "1..$((2 * ROUNDS))"
echo "# RDAX_SEED=$SEED"
truncate -s 512M "$DIR/image"
acked=0
for ((round = 1; round <= ROUNDS; round++)); do
	at=$((20 + RANDOM % 1500))
	boot "$round" "$acked" --kill-on "ACK $at"
	[ "$round" = 1 ] || {
		grep -q "VERIFIED $((round - 1))" "$DIR/log"
		result $? "$FS: round $((round - 1)): $acked operations are there"
	}
	acked=$(sed -n 's/^ACK \([0-9]*\).*/\1/p' "$DIR/log" | tail -n 1)
	[ "${acked:-0}" -ge "$at" ]
	result $? "$FS: round $round: killed after ${acked:=0} operations"
done
boot "$round" "$acked"
grep -q "VERIFIED $((round - 1))" "$DIR/log"
result $? "$FS: round $((round - 1)): $acked operations are there"
echo "# Totals: pass:$((n - failed)) fail:$failed xfail:0 xpass:0 skip:0 error:0"
[ "$failed" -eq 0 ]
