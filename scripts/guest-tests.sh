#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# guest-tests.sh LIST TOKEN DIR: runs tests in the guest for test.py, one after the
# other, in DIR. A line of LIST is "NAME TIMEOUT PROGRAM [ARGUMENT...]". Lines with
# TOKEN tell test.py what happens; all else is the tests' output.
set -u

list=$1
token=$2
patterns=$(mktemp)
allowed=$(mktemp)
grep -Ev '^(#|$)' "$RDAX_TOP/scripts/dmesg-patterns" >"$patterns"
grep -Ev '^(#|$)' "$RDAX_TOP/scripts/dmesg-allow" >"$allowed"
cd "$3" || exit

# Kernel log lines since the marker that mean a bug.
reports() {
	dmesg | awk -v mark="$1" 'found; index($0, mark) { found = 1 }' |
		grep -Ef "$patterns" | grep -Evf "$allowed"
}

# wait_for PID SECONDS: sets status; "hung" if it does not end even killed.
wait_for() {
	local guard ended
	sleep "$2" &
	guard=$!
	wait -n -p ended "$1" $guard
	status=$?
	if [ "$ended" = "$guard" ]; then
		status=hung
	else
		kill $guard
		wait $guard 2>/dev/null
	fi
}

run_test() {
	local name=$1 seconds=$2 status begin=$EPOCHREALTIME mark line
	shift 2
	mark="rdax test $name begins ($token)"
	echo "$mark" >/dev/kmsg
	echo "$token begin $name"
	# timeout puts the test into a process group of its own and signals that.
	timeout --kill-after=10 "$seconds" "$@" 2>&1 </dev/null &
	wait_for $! $((seconds + 30))
	if [ "$status" = hung ]; then
		# Blocked in the kernel: show where, on the console.
		echo w >/proc/sysrq-trigger
		echo "$token end $name hung $begin $EPOCHREALTIME"
		exit 1
	fi
	while IFS= read -r line; do
		echo "$token report $name $line"
	done < <(reports "$mark")
	echo "$token end $name $status $begin $EPOCHREALTIME"
}

# A report from before our first module is of the machine's making; it also turns
# lockdep off, so nothing that follows in this boot would count.
spoiled=$(dmesg | sed '/rdax: loading out-of-tree module/,$d' |
	grep -Ef "$patterns" | grep -Evf "$allowed" | head -n 1)
if [ -n "$spoiled" ]; then
	echo "$token spoiled $spoiled"
	exit 0
fi

echo "$token ready"
while read -r name seconds program arguments; do
	if [ -x "./$program" ]; then
		program=./$program
	elif [ -x "$RDAX_SELFTESTS/$program" ]; then
		program=$RDAX_SELFTESTS/$program
	fi
	# shellcheck disable=SC2086
	run_test "$name" "$seconds" "$program" $arguments
done <"$list"
# What was watched: setup_watchpoints, data_races.
[ ! -e /sys/kernel/debug/kcsan ] || sed 's/^/kcsan: /' /sys/kernel/debug/kcsan >/dev/kmsg
echo "$token done"
