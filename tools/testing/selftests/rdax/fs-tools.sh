#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The tools and a volume that is in use: what writes is refused, what reads
# says so and tells no damage that there is not.
#
#   RDAX_ROUNDS  of all tools that read (default 2)
. "$(dirname "$0")/fs.sh"

use_fs rdaxfs

ROUNDS=${RDAX_ROUNDS:-2}
LOAD=

on_exit()
{
	touch "$TMP/stop"
	[ -z "$LOAD" ] || wait "$LOAD"
	umount_all
}

# exits CODE TEXT CMD...: ends with CODE and says TEXT on standard error.
exits()
{
	local want=$1 text=$2 rc=0
	shift 2
	"$@" >"$TMP/out" 2>"$TMP/err" || rc=$?
	cat "$TMP/out" "$TMP/err"
	eq "$rc" "$want" "$*"
	grep -q -- "$text" "$TMP/err" || fail "does not say '$text': $*"
}

sum_of_supers()
{
	{ dd if="$DEV" bs=512 count=1 status=none
	  dd if="$DEV" bs=512 skip=$(($(blockdev --getsz "$DEV") - 8)) count=1 status=none
	} | cksum
}

writers_refuse()
{
	local before

	umount_all
	fresh_fs
	blockdev --flushbufs "$DEV"
	before=$(sum_of_supers)
	exits 1 "is mounted on" mkfs.rdaxfs -f "$DEV"
	exits 8 "is mounted on" fsck.rdaxfs "$DEV" </dev/null
	exits 8 "is mounted on" fsck.rdaxfs -y "$DEV"
	exits 8 "is mounted on" fsck.rdaxfs -p -f "$DEV"
	exits 1 "is mounted on" rdaxctl label "$DEV" other
	blockdev --flushbufs "$DEV"
	eq "$(sum_of_supers)" "$before"
	umount "$MNT"
	fs_clean rdaxfs "$DEV"
}

# Mounted where the tools do not see it.
other_namespace()
{
	umount_all
	do_mkfs rdaxfs "$DEV"
	mount_dax rdaxfs "$DEV"
	export DEV MNT
	# shellcheck disable=SC2016 # expanded by the inner shell
	for tool in 'mkfs.rdaxfs -f "$DEV"' 'fsck.rdaxfs -y "$DEV"' \
		'rdaxctl label "$DEV" other'; do
		refused_with "in use" unshare -m sh -c "umount \"\$MNT\"; $tool"
	done
	# shellcheck disable=SC2016
	unshare -m sh -c 'umount "$MNT"; fsck.rdaxfs -n "$DEV"' 2>"$TMP/err"
	grep "warning: .* is in use" "$TMP/err"
	umount "$MNT"
	fs_clean rdaxfs "$DEV"
}

# Makes, renames and removes files until it is to stop.
change_always()
{
	local i=0 dir name

	while [ ! -e "$TMP/stop" ]; do
		i=$(((i + 1) % 8))
		dir=$MNT/d$i
		rm -rf "$dir"
		mkdir "$dir"
		for name in a b c d e f; do
			echo "$name" >"$dir/$name"
			mv "$dir/$name" "$dir/$name.new"
		done
		: >"$TMP/changed"
	done
}

readers_say_so()
{
	local i rc cmd

	umount_all
	do_mkfs rdaxfs "$DEV" -s 64M
	mount_dax rdaxfs "$DEV"
	rm -f "$TMP/changed" "$TMP/stop"
	change_always &
	LOAD=$!
	until_true 60 test -e "$TMP/changed"
	for ((i = 0; i < ROUNDS; i++)); do
		for cmd in "info" "dump super" "dump dir 0" "dump inode 0" "dump imap" \
			"dump journal" "label"; do
			rc=0
			# shellcheck disable=SC2086 # words
			rdaxctl $cmd "$DEV" >"$TMP/out" 2>"$TMP/err" || rc=$?
			grep -q "is mounted on" "$TMP/err" || {
				cat "$TMP/out" "$TMP/err"
				fail "rdaxctl $cmd ($rc) does not say that $DEV is mounted"
			}
		done
		rc=0
		fsck.rdaxfs -n "$DEV" >"$TMP/out" 2>"$TMP/err" || rc=$?
		grep -q "warning: .* is mounted on .* may not be true" "$TMP/err"
		case $rc in
		0) ;;
		4) grep -q "check .* again" "$TMP/err" ;;
		*) fail "fsck.rdaxfs -n: $rc" ;;
		esac
	done
	touch "$TMP/stop"
	wait "$LOAD"
	LOAD=
	umount "$MNT"
	fs_clean rdaxfs "$DEV"
	# And not where it is not.
	rdaxctl info "$DEV" 2>"$TMP/err"
	[ ! -s "$TMP/err" ]
}

no_terminal()
{
	umount_all
	do_mkfs rdaxfs "$DEV"
	fsck.rdaxfs "$DEV" </dev/null
}

t "writers refuse a mounted volume" writers_refuse
t "and one that is mounted elsewhere" other_namespace
t "readers of a mounted volume say so" readers_say_so
t "no terminal is needed" no_terminal
run_tests
