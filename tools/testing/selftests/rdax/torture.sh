#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Everything at once on few files, and what may be read where: see torture/main.c.
#   torture.sh             some rounds, or as many as go into RDAX_SECONDS
#   torture.sh --round SEED MODE   one round
#   torture.sh --minimise  with RDAX_SEED of a round that failed, and its other settings: leaves
#                          out tasks, names and kinds of operations as long as it fails, and
#                          says what is left
#
#   RDAX_SEED        of the first round; the next one has the next number
#   RDAX_SECONDS     rounds until then, instead of a few
#   RDAX_MODE        bounded, strict or nowait: all rounds like that; default: in turn
#   RDAX_OPERATIONS, RDAX_PROCESSES, RDAX_THREADS, RDAX_NAMES
#                    operations of each task; tasks; how many names there are for files
#   RDAX_KINDS, RDAX_WITHOUT
#                    kinds of operations, with commas: only these, or all others
#   RDAX_UNBIND      1: each round ends with the driver unbound half-way
#   RDAX_TRIES       --minimise: so many runs without a failure are none (default 3)
#   RDAX_DELAY_US    delays at random between the steps, on debug kernels
. "$(dirname "$0")/fs.sh"

use_fs rdaxfs
load_pin || plan_skip "no rdax_pin"
random_delays

SEED=${RDAX_SEED:-$RANDOM$RANDOM}
STATE=$TMP/state
MODES=(bounded strict nowait)
SIZE=24M
# What is free of it, in MiB: little, so that blocks are soon in use again and it is full now and
# then, or enough for huge pages.
FREE=(3 2 8)

fresh_volume()
{
	! mountpoint -q "$MNT" || umount "$MNT"
	[ -n "$(driver_of "$NS")" ] || until_true 60 bind "$NS" "$DRIVER"
	do_mkfs rdaxfs "$DEV" -s "$SIZE"
	mount_options "$1"
	tr '\0' '\356' </dev/zero | dd of="$MNT/poison" bs=1M status=none 2>"$TMP/full" || :
	rm "$MNT/poison"
}

# leave_free MIB: a file has all else.
leave_free()
{
	local avail

	rm -f "$MNT/other"
	avail=$(stat -f -c '%a * %S' "$MNT")
	fallocate -l $((avail - $1 * MiB)) "$MNT/other"
}

# mount_options MODE: how drains wait.
mount_options()
{
	local options=drain=$1

	[ "$1" != bounded ] || options=$options,drain_ms=20
	mount -t rdaxfs -o "$options" "$DEV" "$MNT"
}

# torture_once SEED MODE [OPTIONS...]: files that were there go first, their blocks do not.
torture_once()
{
	local seed=$1 mode=$2
	shift 2
	[ "$mode" != strict ] || set -- "$@" -w
	[ ! -b "${RDAX_DISK:-}" ] || set -- "$@" -d "$RDAX_DISK"
	rm -f "$MNT"/[ft][0-9]* "$STATE"
	leave_free "${FREE[seed / 3 % ${#FREE[@]}]}"
	"$BIN/fs_torture" run "$MNT" "$STATE" -s "$seed" \
		-n "${RDAX_OPERATIONS:-300}" -p "${RDAX_PROCESSES:-2}" -t "${RDAX_THREADS:-2}" \
		-f "${RDAX_NAMES:-4}" ${RDAX_KINDS:+-k "$RDAX_KINDS"} \
		${RDAX_WITHOUT:+-x "$RDAX_WITHOUT"} "$@"
}

# The volume has no fault, and the files are what they were before.
look_again()
{
	umount "$MNT"
	fs_clean rdaxfs "$DEV"
	mount_options "$1"
	"$BIN/fs_torture" verify "$MNT" "$STATE" "${@:2}"
}

bound_again()
{
	bind "$NS" "$DRIVER" 2>"$TMP/err"
}

# round SEED MODE: from a mounted volume to a mounted volume.
round()
{
	echo "RDAX_SEED=$1 RDAX_MODE=$2"
	if [ "${RDAX_UNBIND:-0}" = 1 ]; then
		torture_once "$1" "$2" -u "$NS"
		umount "$MNT"
		until_true 60 bound_again || fail "bind: $(cat "$TMP/err")"
		mount_options "$2"
		look_again "$2" -u "$NS"
	else
		torture_once "$1" "$2"
		look_again "$2"
	fi
}

mode_of()
{
	echo "${RDAX_MODE:-${MODES[$1 % ${#MODES[@]}]}}"
}

# What failed leaves a volume that nobody uses any more.
fresh_round()
{
	fresh_volume "$2"
	round "$@"
}

next_round()
{
	mountpoint -q "$MNT" || fresh_volume "$2"
	umount "$MNT"
	mount_options "$2"
	round "$@"
}

rounds()
{
	local end=$((SECONDS + RDAX_SECONDS)) n

	for ((n = 0; n == 0 || SECONDS < end; n++)); do
		if [ $((n % 8)) = 0 ]; then
			fresh_round $((SEED + n)) "$(mode_of $((SEED + n)))"
		else
			next_round $((SEED + n)) "$(mode_of $((SEED + n)))"
		fi
	done
	echo "| torture: $n rounds from seed $SEED, $SECONDS s"
}

end_torture()
{
	mountpoint -q "$MNT" || skip "a round that failed has left no volume"
	umount "$MNT"
	fs_clean rdaxfs "$DEV"
}

# --- minimising

# What kind of failure it was: a word that was judged, the kernel's log, or anything else.
kind_of()
{
	if grep -q '^# seed [0-9]*: ' "$1"; then
		echo judged
	elif grep -q '^# kernel: ' "$1"; then
		echo kernel
	else
		echo other
	fi
}

# Whether a round with these settings fails like the first one, in one of some tries: by another
# shell, which leaves nothing mounted.
KIND=
still_fails()
{
	local try status

	for ((try = 0; try < ${RDAX_TRIES:-3}; try++)); do
		status=0
		"$BASH" "$0" --round "$SEED" "$MODE" >"$TMP/try" 2>&1 || status=$?
		case $status in 0 | "$KSFT_SKIP") continue ;; esac
		[ "${KIND:-$(kind_of "$TMP/try")}" = "$(kind_of "$TMP/try")" ] || continue
		KIND=$(kind_of "$TMP/try")
		cp "$TMP/try" "$TMP/failed"
		return 0
	done
	return 1
}

# What is found is shown at once: all of it takes long.
exec 3>&1
progress()
{
	echo "# $*" >&3
}

# lower VARIABLE TO: keeps the lower value if that still fails.
lower()
{
	local -n value=$1
	local old=$value

	[ "$2" -lt "$old" ] && [ "$2" -gt 0 ] || return 1
	value=$2
	if still_fails; then
		progress "$1=$value"
		return 0
	fi
	value=$old
	return 1
}

# Half of the kinds at a time, then a quarter, and so on.
fewer_kinds()
{
	local part start kinds left all

	IFS=, read -ra all <<<"$RDAX_KINDS"
	for ((part = (${#all[@]} + 1) / 2; part > 0; part /= 2)); do
		for ((start = 0; start < ${#all[@]} && ${#all[@]} > 1;)); do
			left=("${all[@]:0:start}" "${all[@]:start + part}")
			kinds=$RDAX_KINDS
			RDAX_KINDS=$(IFS=,; echo "${left[*]}")
			if [ -n "$RDAX_KINDS" ] && still_fails; then
				all=("${left[@]}")
				progress "RDAX_KINDS=$RDAX_KINDS"
			else
				RDAX_KINDS=$kinds
				start=$((start + part))
			fi
		done
	done
}

minimise()
{
	MODE=$(mode_of "$SEED")
	RDAX_KINDS=${RDAX_KINDS:-$("$BIN/fs_torture" kinds | paste -sd,)}
	RDAX_OPERATIONS=${RDAX_OPERATIONS:-300} RDAX_PROCESSES=${RDAX_PROCESSES:-2}
	RDAX_THREADS=${RDAX_THREADS:-2} RDAX_NAMES=${RDAX_NAMES:-4}
	export RDAX_KINDS RDAX_OPERATIONS RDAX_PROCESSES RDAX_THREADS RDAX_NAMES
	still_fails || fail "seed $SEED, $MODE: no failure in ${RDAX_TRIES:-3} tries"
	lower RDAX_PROCESSES 1 || :
	lower RDAX_THREADS 1 || :
	while lower RDAX_NAMES $((RDAX_NAMES / 2)); do :; done
	fewer_kinds
	while lower RDAX_OPERATIONS $((RDAX_OPERATIONS / 2)); do :; done
	cat "$TMP/failed"
	echo "| make torture RDAX_SEED=$SEED RDAX_MODE=$MODE RDAX_OPERATIONS=$RDAX_OPERATIONS" \
	     "RDAX_PROCESSES=$RDAX_PROCESSES RDAX_THREADS=$RDAX_THREADS" \
	     "RDAX_NAMES=$RDAX_NAMES RDAX_KINDS=$RDAX_KINDS"
}

# One that has the device taken away, and small.
unbound_round()
{
	# shellcheck disable=SC2034
	local RDAX_UNBIND=1

	fresh_round "$@"
}

if [ "${1:-}" = --minimise ]; then
	t "minimise" minimise
elif [ "${1:-}" = --round ]; then
	t "drain=$3" fresh_round "$2" "$3"
elif [ -n "${RDAX_SECONDS:-}" ]; then
	t "rounds" rounds
else
	for i in 0 1 2 3 4 5; do
		mode=$(mode_of "$i")
		if [ "$i" = 0 ]; then
			t "drain=$mode" fresh_round "$((SEED + i))" "$mode"
		else
			t "drain=$mode, round $((i + 1))" next_round "$((SEED + i))" "$mode"
		fi
	done
	t "the device is taken away" unbound_round "$((SEED + 6))" "$(mode_of 0)"
fi
[ "${1:-}" = --minimise ] || t "unmount, clean" end_torture
run_tests
