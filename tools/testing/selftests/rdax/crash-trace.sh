#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Runs on the host. A plugin of QEMU records each store, write-back and fence of a
# VM to its NVDIMM while all kinds of operations are done on it, beginning with a
# mount that recovers. A program then builds what a power cut at each fence could
# have left, recovers it with the code of the tools, and compares it with what was
# before and after. See tools/testing/crash-trace.
#
#   RDAX_VM      the program that runs a command in a VM
#   RDAX_STATES  as many times more states at each fence (default 1)
#   RDAX_SEED    of those that are chosen at random (default 1)
#   RDAX_LOCKED  1: locked instructions are fences, too, as on hardware
#   RDAX_LOGS    a trace that shows a fault is kept here

HERE=$(cd "$(dirname "$0")" && pwd)
BIN=${RDAX_SELFTESTS:-$HERE}
SIZE=$((32 << 20))

# --- in the guest

guest()
{
	local test

	# shellcheck source=fs.sh
	. "$HERE/fs.sh"
	set -e
	load_fs rdaxfs
	use_ns nvdimm
	# It would look at each device that is closed.
	! command -v udevadm >/dev/null || udevadm control --stop-exec-queue
	"$BIN/crash_trace" begin "${ns_start[$NS]}" "$SIZE"
	"$BIN/crash_trace" mount "$DEV" "$MNT"
	"$BIN/crash_look" "$MNT"
	for test in names renames attrs; do
		"$BIN/crash_names" "$test" "$MNT"
		"$BIN/crash_look" "$MNT"
	done
	"$BIN/crash_trace" sync "$MNT"
	"$BIN/crash_trace" remount "$DEV" "$MNT"
	for test in write space map; do
		"$BIN/crash_data" "$test" "$MNT"
		"$BIN/crash_look" "$MNT"
	done
	"$BIN/crash_data" synced "$MNT"
	"$BIN/crash_trace" mount "$DEV" "$MNT"
	"$BIN/crash_data" huge "$MNT"
	"$BIN/crash_trace" shutdown "$MNT"
	"$BIN/crash_trace" umount "$DEV" "$MNT"
	"$BIN/crash_trace" mount "$DEV" "$MNT"
	"$BIN/crash_look" "$MNT"
	"$BIN/crash_trace" umount "$DEV" "$MNT"
	"$BIN/crash_trace" end
}

if [ "${1:-}" = guest ]; then
	guest
	exit
fi

# --- on the host

no_run()
{
	sed 's/^/# /' "$DIR/log" | tail -n 60
	echo "KTAP version 1"
	echo "1..1"
	echo "not ok 1 $1"
	exit 1
}

if [ -z "${RDAX_VM:-}" ]; then
	echo "KTAP version 1"
	echo "1..0 # SKIP no VM runner in RDAX_VM"
	exit 4
fi
TOP=${RDAX_TOP:-$HERE/../../../..}
DIR=$(mktemp -d "${RDAX_SHARE:-${TMPDIR:-/tmp}}/rdax-trace.XXXXXX")
trap 'rm -rf "$DIR"' EXIT
PROGRAMS=$("$TOP/scripts/build-crash-trace.sh" 2>"$DIR/log") || no_run "build"
QEMU=$("$TOP/scripts/qemu.sh" 2>"$DIR/log") || no_run "QEMU with plugins"
"$PROGRAMS/crash-trace" prepare "$DIR/pmem" $SIZE >"$DIR/log" 2>&1 || no_run "prepare"
plugin="file=$PROGRAMS/trace.so,pmem=$DIR/pmem,image=$DIR/image,trace=$DIR/trace"
started=$SECONDS
# No KASLR: the plugin reads page tables where the kernel maps all memory.
# RDAX_VM may hold options as well.
# shellcheck disable=SC2086
$RDAX_VM --pmem "nvdimm:$SIZE:$DIR/pmem" --tcg --cpus 1 --qemu-program \
	"$QEMU/bin/qemu-system-x86_64" --qemu=-plugin "--qemu=$plugin" \
	--append "nokaslr nopti" -- "$HERE/crash-trace.sh" guest \
	>"$DIR/log" 2>&1 || no_run "trace"
echo "# traced in $((SECONDS - started)) s"
"$PROGRAMS/crash-trace" check "$DIR/image" "$DIR/trace" "$DIR/pmem"
status=$?
if [ $status != 0 ] && [ -n "${RDAX_LOGS:-}" ]; then
	for file in image trace pmem; do
		cp "$DIR/$file" "$RDAX_LOGS/crash-trace.$file"
	done
fi
exit $status
