#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Shared by all rdax tests: KTAP, pmem namespaces, file systems, cleanup.
#
# A test is a shell function run in a subshell under "set -e": any command
# that fails, fails it. Tests are queued by t() and run by run_tests(), so the
# plan is printed first and a script that dies in the middle is noticed.
#
# Environment:
#   RDAX_DRIVER      driver under test: rdax_pmem (default) or nd_pmem (control)
#   RDAX_SELFTESTS   directory of the compiled helpers (default: this one)
#   RDAX_BUILD       directory of the modules, for those modprobe cannot find
#   RDAX_DISK        scratch disk that is not pmem
#   RDAX_DELAY_US    see random_delays()
#   RDAX_TIMEOUT     by how much longer than usual to wait for what does not come: a
#                    whole number, which test.py finds by how busy the host is

set -u

HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
BIN=${RDAX_SELFTESTS:-$HERE}
[ -x "$BIN/dax_fault" ] || BIN=$HERE
DRIVER=${RDAX_DRIVER:-rdax_pmem}
ND=/sys/bus/nd
export BIN HERE DRIVER

KSFT_SKIP=4
MiB=$((1024 * 1024))

TMP=$(mktemp -d "${TMPDIR:-/tmp}/rdax.XXXXXX")
MNT=$TMP/mnt
mkdir -p "$MNT"
export TMP MNT MiB

test_names=()
test_cmds=()
declare -A boot_driver=()
ktap_done=0

# What a kernel prints when something went wrong that no test asked for.
SPLAT='WARNING:|BUG:|KASAN:|Oops|UBSAN:|general protection|possible circular'
SPLAT="$SPLAT|possible recursive|lock inversion|suspicious RCU|unlock balance"
SPLAT="$SPLAT|inconsistent lock|held lock freed|INFO: task .* blocked|detected stalls"
SPLAT="$SPLAT|panicked at|page_table_check|Bad page|refcount_t:|CFI failure"
SPLAT="$SPLAT|list_(add|del) corruption|ODEBUG:"
# What a control may say that shows how a kernel without our modules behaves.
ALLOWED_SPLAT='WARNING: at _*dax_.*: control_'
# Whose a data race is, scripts/kcsan.py tells in the end.
ALLOWED_SPLAT="$ALLOWED_SPLAT|BUG: KCSAN:"

skip()
{
	echo "SKIP: $*"
	exit "$KSFT_SKIP"
}

fail()
{
	echo "FAIL: $*"
	exit 1
}

# Passes only if the command fails; its stderr goes to $TMP/refused.
refused()
{
	if "$@" 2>"$TMP/refused"; then
		fail "succeeded, must be refused: $*"
	fi
	sed 's/^/refused: /' "$TMP/refused"
}

# refused_with TEXT CMD...: refused, for the reason given.
refused_with()
{
	local text=$1
	shift
	refused "$@"
	grep -q -- "$text" "$TMP/refused" || fail "not refused with '$text': $*"
}

eq()
{
	[ "$1" = "$2" ] || fail "got '$1', want '$2'${3:+ ($3)}"
}

# within SECONDS: as many on a busy host, for what keeps a test from hanging only.
TIME_FACTOR=${RDAX_TIMEOUT:-1}
TIME_FACTOR=${TIME_FACTOR%.*}
[ "${TIME_FACTOR:-0}" -ge 1 ] || TIME_FACTOR=1
within()
{
	echo $(($1 * TIME_FACTOR))
}

# limited SECONDS CMD...: ends it, with status 124, if it does not end by then.
limited()
{
	timeout "$(within "$1")" "${@:2}"
}

# until_true SECONDS CMD...: poll for an event that has no wait of its own.
until_true()
{
	local end=$((SECONDS + $1 * TIME_FACTOR))
	shift
	until "$@"; do
		[ "$SECONDS" -lt "$end" ] || return 1
		sleep 0.2
	done
}

t()
{
	test_names+=("$1")
	shift
	test_cmds+=("$(printf '%q ' "$@")")
}

# dmesg_has REGEX: in what the kernel said since the test began.
dmesg_has()
{
	"$BIN/kmsg" "$TEST_MARK" | grep -E -- "$1"
}

# Prints a test's output as KTAP diagnostics. Builtins only: under emulation
# each process costs more than a small test.
show_log()
{
	local line

	SKIP_REASON=
	while IFS= read -r line || [ -n "$line" ]; do
		echo "# $line"
		[ "${line#SKIP: }" = "$line" ] || SKIP_REASON=${line#SKIP: }
	done <"$TMP/log"
}

run_one()
{
	local rc line new bad

	TEST_MARK="rdax-test: $$.$1"
	echo "$TEST_MARK ${test_names[$1]}" >/dev/kmsg
	(
		set -eE
		trap 'echo "line $LINENO: $BASH_COMMAND: status $?"' ERR
		# Only the outermost shell cleans up.
		trap - EXIT
		eval "${test_cmds[$1]}"
	) >"$TMP/log" 2>&1 </dev/null
	rc=$?
	new=$("$BIN/kmsg" "$TEST_MARK")
	if [[ $new =~ $SPLAT ]]; then
		bad=0
		while IFS= read -r line; do
			[[ $line =~ $SPLAT ]] || continue
			echo "kernel: $line"
			[[ $line =~ $ALLOWED_SPLAT ]] || bad=1
		done <<<"$new" >>"$TMP/log"
		[ "$bad" -eq 0 ] || [ "$rc" -ne 0 ] && [ "$rc" -ne "$KSFT_SKIP" ] ||
			rc=1
	fi
	[ "$rc" -eq 0 ] || [ "$rc" -eq "$KSFT_SKIP" ] ||
		tail -n 5 <<<"$new" | sed 's/^/kernel, last: /' >>"$TMP/log"
	kill_holders
	show_log
	# Some tools exit with 4 too: without a reason it is no skip.
	[ "$rc" -ne "$KSFT_SKIP" ] || [ -n "$SKIP_REASON" ] || rc=1
	return "$rc"
}

run_tests()
{
	local i n=${#test_names[@]} rc failed=0 skipped=0 start

	[ -x "$BIN/kmsg" ] || plan_skip "helpers are not built: run make"

	trap finish EXIT
	trap 'exit 1' INT TERM HUP
	echo "KTAP version 1"
	echo "1..$n"
	for ((i = 0; i < n; i++)); do
		start=$SECONDS
		run_one "$i"
		rc=$?
		case $rc in
		0)	echo "ok $((i + 1)) ${test_names[i]}" ;;
		"$KSFT_SKIP")
			echo "ok $((i + 1)) ${test_names[i]}" \
			     "# SKIP $SKIP_REASON"
			skipped=$((skipped + 1)) ;;
		*)	echo "not ok $((i + 1)) ${test_names[i]}"
			failed=$((failed + 1)) ;;
		esac
		echo "# time: $((SECONDS - start))s"
	done
	echo "# Totals: pass:$((n - failed - skipped)) fail:$failed" \
	     "xfail:0 xpass:0 skip:$skipped error:0"
	ktap_done=1
	[ "$failed" -eq 0 ] || exit 1
	[ "$skipped" -lt "$n" ] || exit "$KSFT_SKIP"
	exit 0
}

# Cleanup of the script, for what its tests left behind when they failed.
on_exit()
{
	:
}

umount_all()
{
	local m

	grep -o " $TMP/[^ ]*" /proc/mounts | tac | while read -r m; do
		umount "$m" || umount -l "$m"
	done
}

finish()
{
	local rc=$? ns job

	[ "$ktap_done" = 1 ] || echo "Bail out! the script ended early"
	for job in $(jobs -p); do
		kill -KILL "$job" 2>/dev/null
	done
	on_exit
	umount_all
	no_delays
	for ns in "${!boot_driver[@]}"; do
		[ "$(driver_of "$ns")" = "${boot_driver[$ns]}" ] ||
			bind_to "$ns" "${boot_driver[$ns]}" || rc=1
	done
	rm -rf "$TMP"
	exit "$rc"
}

# --- pmem namespaces

need_root()
{
	[ "$EUID" = 0 ] || plan_skip "needs root"
	[ -d "$ND/devices" ] || plan_skip "no libnvdimm in this kernel"
}

plan_skip()
{
	echo "KTAP version 1"
	echo "1..0 # SKIP $*"
	rm -rf "$TMP"
	exit "$KSFT_SKIP"
}

region_of()
{
	echo "$ND/devices/$1/.."
}

# Kind and address of each namespace that has a size; the seeds have none.
# With builtins only, for every test script starts with this.
declare -A ns_kind=() ns_start=()
scan_ns()
{
	local d ns kind provider start size

	for d in "$ND"/devices/namespace*; do
		ns=${d##*/}
		read -r size 2>/dev/null <"$d/../size" || continue
		read -r start <"$d/../resource"
		read -r provider <"$d/../../provider"
		read -r size <"$d/size"
		[ "$size" != 0 ] || continue
		case $provider in
		e820) kind=memmap ;;
		ACPI.NFIT) kind=nvdimm ;;
		virtio-pmem) kind=virtio ;;
		*) kind=other ;;
		esac
		# Not on 2 MiB at both ends: that cannot have struct pages.
		read -r size <"$d/../size"
		[ $(((start | size) % (2 * MiB))) -eq 0 ] || kind=misaligned
		ns_kind[$ns]=$kind
		ns_start[$ns]=$((start))
	done
}

# ns_of KIND [INDEX]: memmap, nvdimm, virtio or misaligned, by address.
ns_of()
{
	local ns other below index=${2:-0}

	[ ${#ns_kind[@]} -gt 0 ] || scan_ns
	for ns in "${!ns_kind[@]}"; do
		[ "${ns_kind[$ns]}" = "$1" ] || continue
		below=0
		for other in "${!ns_kind[@]}"; do
			[ "${ns_kind[$other]}" != "$1" ] ||
				[ "${ns_start[$other]}" -ge "${ns_start[$ns]}" ] ||
				below=$((below + 1))
		done
		[ "$below" != "$index" ] || echo "$ns"
	done
}

driver_of()
{
	local d

	d=$(readlink "$ND/devices/$1/driver") || return 0
	echo "${d##*/}"
}

unbind()
{
	local drv

	drv=$(driver_of "$1")
	[ -z "$drv" ] || echo "$1" >"$ND/drivers/$drv/unbind"
}

bind()
{
	echo "$1" >"$ND/drivers/$2/bind"
}

bind_to()
{
	unbind "$1" || return 1
	[ -z "$2" ] || bind "$1" "$2"
}

disk_of()
{
	local d

	for d in "$ND/devices/$1"/block/*; do
		[ ! -d "$d" ] || echo "${d##*/}"
	done
}

plan_fail()
{
	echo "KTAP version 1"
	echo "1..1"
	echo "not ok 1 setup: $*"
	rm -rf "$TMP"
	exit 1
}

# The tests see the namespaces bound as they were, whatever a test does.
remember_bindings()
{
	local ns

	[ ${#ns_kind[@]} -gt 0 ] || scan_ns
	for ns in "${!ns_kind[@]}"; do
		boot_driver[$ns]=$(driver_of "$ns")
	done
}

load_driver()
{
	[ -d "$ND/drivers/$1" ] || modprobe "$1" ||
		insmod "${RDAX_BUILD:-/nonexistent}/$1.ko"
}

# reload_driver [PARAMETER=VALUE...]: rdax_pmem, with what is given.
reload_driver()
{
	[ ! -d "$ND/drivers/rdax_pmem" ] || rmmod rdax_pmem
	modprobe rdax_pmem "$@"
	[ "$(driver_of "$NS")" = rdax_pmem ] || bind "$NS" rdax_pmem
	[ -b "$DEV" ]
}

gone()
{
	! kill -0 "$1" 2>/dev/null
}

# unbind_within SECONDS: $NS is unbound, in a process of its own, for a write to
# sysfs cannot be interrupted.
unbind_within()
{
	local start=$SECONDS pid

	unbind "$NS" &
	pid=$!
	until_true "$1" gone "$pid" || {
		cat "/proc/$pid/stack"
		fail "unbind has not returned after $((SECONDS - start)) s"
	}
	wait "$pid"
	echo "unbind took $((SECONDS - start)) s"
	eq "$(driver_of "$NS")" ""
}

# use_ns KIND [INDEX]: sets NS, DISK and DEV, bound to the driver under test.
# Ends the script when the machine has no such namespace.
use_ns()
{
	[ ${#boot_driver[@]} -gt 0 ] || remember_bindings
	NS=$(ns_of "$@")
	[ -n "$NS" ] || plan_skip "no $1 namespace (index ${2:-0})"
	load_driver "$DRIVER" || plan_skip "no driver $DRIVER"
	if [ "$(driver_of "$NS")" != "$DRIVER" ]; then
		bind_to "$NS" "$DRIVER" || plan_fail "cannot bind $NS"
	fi
	DISK=$(disk_of "$NS")
	DEV=/dev/$DISK
	[ -b "$DEV" ] || plan_fail "$NS is bound but has no disk"
}

# Start and end the program that holds a file: see dax_hold.c.
hold()
{
	hold_by dax_hold "$@"
}

# hold_by PROGRAM ARGS...: another that is told likewise what to do.
hold_by()
{
	local answer program=$1
	shift

	coproc HOLD { exec "$BIN/$program" "$@"; }
	HOLD_PID=$!
	echo "$HOLD_PID" >>"$TMP/holders"
	read -rt "$(within 120)" -u "${HOLD[0]}" answer || fail "$program $1 did not start"
	eq "$answer" ready
}

# Whatever a failed test left behind.
kill_holders()
{
	local pid

	[ -e "$TMP/holders" ] || return 0
	while read -r pid; do
		! grep -qs _hold "/proc/$pid/comm" || kill -KILL "$pid"
	done <"$TMP/holders"
	rm "$TMP/holders"
}

# ask WORDS: one request; the answer is in $ANSWER.
ask()
{
	echo "$1" >&"${HOLD[1]}"
	read -rt "$(within 120)" -u "${HOLD[0]}" ANSWER || fail "hold: no answer to $1"
	echo "hold: $1: $ANSWER"
}

hold_end()
{
	echo quit >&"${HOLD[1]}"
	wait "$HOLD_PID"
}

# random_delays: from here on to the end of the script tasks are delayed at
# random, RDAX_DELAY_US microseconds at most (default 200), between the steps of
# drains, faults and pins. Only kernels with debug assertions can.
DELAYS=/sys/kernel/debug/rdax
random_delays()
{
	[ -e "$DELAYS/delay_us" ] || return 0
	echo "${RDAX_DELAY_US:-200}" >"$DELAYS/delay_us"
}

no_delays()
{
	[ ! -e "$DELAYS/delay_us" ] || echo 0 >"$DELAYS/delay_us"
}

# dbg NAME: a counter of the driver under test.
dbg()
{
	cat "/sys/kernel/debug/$DRIVER/$DISK/$1"
}

need_rdax()
{
	[ "$DRIVER" = rdax_pmem ] || skip "only rdax_pmem has this"
}

# udev reads a new disk, and one that was closed after writing; until it is
# done the counters move and the module is in use.
quiet()
{
	! command -v udevadm >/dev/null || udevadm settle
}

# --- memory allocations that fail

FAULT=/sys/kernel/debug/failslab
FAULT_PAGE=/sys/kernel/debug/fail_page_alloc

# injection ignore-gfp-wait reject-start reject-end
injection()
{
	local d

	for d in "$FAULT" "$FAULT_PAGE"; do
		[ -d "$d" ] || continue
		echo "$1" >"$d/ignore-gfp-wait"
		echo "$2" >"$d/reject-start"
		echo "$3" >"$d/reject-end"
		# The stack of each failure would fill the log.
		echo 0 >"$d/verbose"
	done
}

# --- file systems

do_mkfs()
{
	local fs=$1 dev=$2
	local opts=nodiscard,lazy_itable_init=0,lazy_journal_init=0
	shift 2

	wipefs -qa "$dev"
	case $fs in
	xfs)
		# Without the stripe unit XFS does not align file data to 2 MiB.
		if [ "$(blockdev --getsize64 "$dev")" -ge $((800 * MiB)) ]; then
			set -- -d su=2m,sw=1 -l su=4k "$@"
		fi
		mkfs.xfs -q -f -K "$@" "$dev"
		;;
	ext4)
		# No lazy initialisation: it would write behind the tests.
		mkfs.ext4 -q -F -b 4096 \
			-E "$opts,stride=512,stripe_width=512" "$@" "$dev"
		;;
	rdaxfs)
		mkfs.rdaxfs -f -q "$@" "$dev"
		;;
	esac
}

# The module of a file system, if it is one.
load_fs()
{
	grep -qw "$1" /proc/filesystems || modprobe "$1" ||
		insmod "${RDAX_BUILD:-/nonexistent}/$1.ko"
}

# mount_fs FS DEV MOUNTPOINT [OPTIONS]: rdaxfs is never without DAX.
mount_fs()
{
	local opts=${4:-}

	[ "$1" = rdaxfs ] || opts=dax=always${opts:+,$opts}
	mount -t "$1" ${opts:+-o "$opts"} "$2" "$3"
}

# mount_dax FS DEV [MOUNTPOINT [OPTIONS]]: a mount that lost DAX on the way is a
# failure, for XFS and ext4 only warn and go on.
mount_dax()
{
	local mnt=${3:-$MNT}

	mkdir -p "$mnt"
	mount_fs "$1" "$2" "$mnt" "${4:-}"
	: >"$mnt/.dax"
	"$BIN/dax_fault" is-dax "$mnt/.dax"
}

mkfs_mount()
{
	do_mkfs "$1" "$DEV"
	mount_dax "$1" "$DEV"
}

# fs_clean FS DEV: of an unmounted file system, whose log is empty.
fs_clean()
{
	local check

	case $1 in
	xfs) check="xfs_repair -n" ;;
	ext4) check="e2fsck -fn" ;;
	rdaxfs) check="fsck.rdaxfs -n" ;;
	esac
	$check "$2" >"$TMP/check" 2>&1 || {
		cat "$TMP/check"
		fail "$check $2"
	}
}

umount_mnt()
{
	umount "$MNT"
}

# each_fs FUNC: queue the tests of FUNC between mkfs+mount and umount.
each_fs()
{
	local fs

	for fs in ${RDAX_FS:-xfs ext4}; do
		t "$fs: mkfs, mount with dax" mkfs_mount "$fs"
		"$1" "$fs"
		t "$fs: umount" umount_mnt
	done
}
