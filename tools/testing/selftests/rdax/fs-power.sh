#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Runs on the host. Cuts the power of a VM whose NVDIMM is a file, at random
# points of two loads of all kinds of operations on a file system that a third
# process keeps nearly full. On what a cut left, the next VM finds every
# operation that had returned, wholly, the one after it wholly or not at all,
# and a consistent file system. See fs_power.c.
#
# A cut is a copy of the file while the CPUs stand still; the VM goes on. For
# every second one they are stopped again and again, until the journal has
# something to replay, or the checker finds something. The last cut of a VM
# kills QEMU, and the next VM goes on with what that left.
#
#   RDAX_VM      the program that runs a command in a VM
#   RDAX_ROUNDS  power cuts (default 24)
#   RDAX_SEED    repeats the loads, and nearly the places of the cuts
#   RDAX_LOGS    what a cut left that was found bad is kept here

HERE=$(cd "$(dirname "$0")" && pwd)
BIN=${RDAX_SELFTESTS:-$HERE}
CUTS=${RDAX_ROUNDS:-24}
# In one VM at most: the next has an NVDIMM for each.
MOST=32
# Microseconds: some operations long.
DELAY=8000

to_be_replayed()
{
	rdaxctl dump journal "$1" 2>/dev/null | grep -q sequence
}

# --- between stopping and copying

# midway IMAGE COPY: whether the image may be copied as it is now. Every second
# one has to be interesting.
midway()
{
	local number=${2##*.}

	[ $((number % 2)) != 0 ] || return 0
	echo >>"${2%/*}/looks"
	! fsck.rdaxfs -n "$1" >/dev/null 2>&1 || to_be_replayed "$1"
}

# --- in the guest

# verify DIR SEED ACKED: both loads; what was acknowledged, of the first.
verify()
{
	"$BIN/fs_power" verify "$1a" "$2" "$3"
	"$BIN/fs_power" verify "$1b" "1$2" 0
}

# verify_cut ROUND SEED ACKED: of what is on $DEV. That it is mounted with DAX
# shows when the verifier maps a file with MAP_SYNC.
verify_cut()
{
	set -e
	# Mounting replays the journal.
	mount_fs "$FS" "$DEV" "$MNT"
	verify "$MNT/$1" "$2" "$3"
	umount "$MNT"
	fs_clean "$FS" "$DEV"
	mount_fs "$FS" "$DEV" "$MNT"
	verify "$MNT/$1" "$2" "$3"
	umount "$MNT"
}

# The disks of the NVDIMMs, in their order. A process less is time saved.
nvdimms()
{
	local ns disk

	for ns in "${!ns_kind[@]}"; do
		for disk in "$ND/devices/$ns"/block/*; do
			[ "${ns_kind[$ns]}" != nvdimm ] ||
				echo "${ns_start[$ns]} /dev/${disk##*/}"
		done
	done | sort -n | cut -d ' ' -f 2
}

# load ROUND SEED: until killed.
load()
{
	local sync=1

	[ "$FS" != rdaxfs ] || sync=0
	mount_dax "$FS" "$DEV"
	rm -rf "$MNT"/[0-9]*[ab] "$MNT/room"
	"$BIN/fs_power" room "$MNT/room" &
	"$BIN/fs_power" load "$MNT/$1b" "1$2" "$sync" >/dev/null &
	"$BIN/fs_power" load "$MNT/$1a" "$2" "$sync" &
	wait -n
	echo "a load has ended"
	exit 1
}

# guest FS ROUND SEED ROUNDS ACKED...: verifies the cuts of the round before,
# one on each NVDIMM, then runs the loads on the first if there is a round.
guest()
{
	local round=$2 seed=$3 rounds=$4 disks i=0 acked

	# shellcheck source=fs.sh
	. "$HERE/fs.sh"
	FS=$1
	shift 4
	load_fs "$FS"
	use_ns nvdimm
	# It would look at each device that is closed.
	! command -v udevadm >/dev/null || udevadm control --stop-exec-queue
	mapfile -t disks < <(nvdimms)
	[ "$round" != 1 ] || do_mkfs "$FS" "$DEV"
	for acked; do
		DEV=${disks[i]}
		(verify_cut $((round - 1)) $((seed + round - 1)) "$acked")
		echo "CUT $i status $?"
		umount -q "$MNT"
		i=$((i + 1))
	done
	[ "$round" -le "$rounds" ] || exit 0
	DEV=${disks[0]}
	load "$round" $((seed + round))
}

case ${1:-} in
midway | guest) "$@"; exit ;;
esac

# --- on the host

FS=${1:-rdaxfs}
if [ -z "${RDAX_VM:-}" ]; then
	echo "KTAP version 1"
	echo "1..0 # SKIP no VM runner in RDAX_VM"
	exit 4
fi
DIR=$(mktemp -d "${RDAX_SHARE:-${TMPDIR:-/tmp}}/rdax-power.XXXXXX")
trap 'rm -rf "$DIR"' EXIT
PATH=${RDAX_TOP:-$HERE/../../../..}/build/tools/bin:$PATH
SEED=${RDAX_SEED:-$((RANDOM * 32768 + RANDOM))}
RANDOM=$((SEED % 32768))
ROUNDS=$(((CUTS + MOST - 1) / MOST))
[ "$ROUNDS" -ge 3 ] || ROUNDS=$((CUTS < 3 ? CUTS : 3))
SIZE=32M
condition=(--copy-if "$HERE/fs-power.sh midway")
if [ "$FS" != rdaxfs ]; then
	SIZE=512M
	condition=()
fi
failed=0
n=0
operations=0
replays=0

result()
{
	n=$((n + 1))
	if [ "$1" = 0 ]; then
		echo "ok $n $2"
	else
		grep -v '^ACK' "$DIR/log" | sed 's/^/# /' | tail -n 60
		echo "not ok $n $2"
		failed=$((failed + 1))
	fi
}

# What is to be verified: what the cuts of a round left, and of each the last
# operation that had been reported. The first image is also the one that the
# loads go on with.
images=("$DIR/image.0")
acked=()
: >"$DIR/looks"

# plan_cuts ROUND: as options for the VM; sets the images that it makes.
plan_cuts()
{
	local i at=20 count=$((CUTS / ROUNDS + ($1 <= CUTS % ROUNDS)))

	options=("${condition[@]}")
	new_images=("$DIR/image.0")
	for ((i = 1; i < count; i++)); do
		at=$((at + 1 + RANDOM % 250))
		new_images+=("$DIR/image.$1.$i")
		options+=(--copy-on "ACK $at+$DELAY=${new_images[i]}")
	done
	kill_at=$((at + 50 + RANDOM % 250))
	options+=(--kill-on "ACK $kill_at")
}

# boot ROUND [OPTIONS...]: with the images of the round before as NVDIMMs.
boot()
{
	local round=$1 image devices=()

	shift
	for image in "${images[@]}"; do
		devices+=("nvdimm:$SIZE:$image")
		# Mounting will change it.
		[ "$round" = 1 ] || cp --sparse=always "$image" "$image.cut"
	done
	# RDAX_VM may hold options as well.
	# shellcheck disable=SC2086
	$RDAX_VM --pmem "${devices[*]}" "$@" -- "$HERE/fs-power.sh" guest \
		"$FS" "$round" "$SEED" "$ROUNDS" "${acked[@]}" >"$DIR/log" 2>&1
}

# report_cuts ROUND: what the VM found on the images of that round.
report_cuts()
{
	local i status cut

	for i in "${!acked[@]}"; do
		cut=${images[i]}.cut
		grep -q "^CUT $i status 0" "$DIR/log"
		status=$?
		result $status "$FS: round $1: cut $i, after operation ${acked[i]}"
		[ $status = 0 ] || [ -z "${RDAX_LOGS:-}" ] ||
			cp --sparse=always "$cut" "$RDAX_LOGS/fs-power.$1.$i.image"
		! to_be_replayed "$cut" || replays=$((replays + 1))
		operations=$((operations + acked[i]))
		rm -f "$cut"
		[ "$i" = 0 ] || rm -f "${images[i]}" "${images[i]}.last"
	done
}

# take_cuts: notes what there is now to be verified.
take_cuts()
{
	local i image

	images=("${new_images[@]}")
	acked=("$(sed -n 's/^ACK \([0-9]*\).*/\1/p' "$DIR/log" | tail -n 1)")
	for image in "${images[@]:1}"; do
		acked+=("$(sed -n 's/^ACK //p' "$image.last")")
	done
	for i in "${acked[@]}"; do
		[ "${i:-0}" -gt 0 ] || return 1
	done
}

echo "KTAP version 1"
echo "1..$((CUTS + ROUNDS + 1))"
echo "# RDAX_SEED=$SEED"
for ((round = 1; round <= ROUNDS; round++)); do
	plan_cuts "$round"
	boot "$round" "${options[@]}"
	status=$?
	report_cuts $((round - 1))
	[ $status != 0 ] || take_cuts || status=1
	result $status "$FS: round $round: ${#new_images[@]} cuts"
	[ $status = 0 ] || exit 1
done
boot "$round"
status=$?
report_cuts $((round - 1))
result $status "$FS: nothing in the kernel log"
echo "# $CUTS cuts, $replays with transactions to be replayed, after $operations operations"
echo "# $(wc -l <"$DIR/looks") places looked at by the checker without a mount"
echo "# Totals: pass:$((n - failed)) fail:$failed xfail:0 xpass:0 skip:0 error:0"
[ "$failed" -eq 0 ]
