#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# What many files cost: time to create, list, mount and remove them, and memory.
#   scale.sh [FILES [FS...]]    (1000000 rdaxfs)
# For a guest; half of the files are in one directory, the others in directories of
# 1000. `make scale` boots one. Times are those of an emulator: compare them with
# each other only.
set -euo pipefail
files=${1:-1000000}
shift || true
[ $# -gt 0 ] || set -- rdaxfs
HERE=$(cd "$(dirname "$0")/../testing/selftests/rdax" && pwd)
# shellcheck source=../testing/selftests/rdax/fs.sh
. "$HERE/fs.sh"

# ended WHAT: shows the time since the last one.
ended()
{
	local now=$EPOCHREALTIME
	printf '%-8s %-34s %8.1f s\n' "$FS" "$1" \
		"$(bc <<<"$now - $before")"
	before=$EPOCHREALTIME
}

# Memory that is in use once everything that can be given back was, in KiB. What
# the processors keep for the next allocation is free.
used()
{
	sync
	echo 3 >/proc/sys/vm/drop_caches
	echo 3 >/proc/sys/vm/drop_caches
	awk '/^MemTotal:/ { used += $2 } /^MemFree:/ { used -= $2 }
		FILENAME ~ /zoneinfo/ && $1 == "count:" { used -= 4 * $2 }
		END { print used }' /proc/meminfo /proc/zoneinfo
}

memory()
{
	printf '%-8s %-34s %8d KiB\n' "$FS" "$1" "$2"
}

one()
{
	local half=$((files / 2)) empty mounted dirs

	before=$EPOCHREALTIME
	fresh_fs
	empty=$(used)
	mkdir "$MNT/one" "$MNT/many"
	before=$EPOCHREALTIME
	(cd "$MNT/one" && seq -f 'file%.0f' "$half" | xargs touch)
	ended "create $half in one directory"
	(cd "$MNT/many" && seq -f '%.0f' $((half / 1000)) | xargs mkdir)
	(cd "$MNT/many" && seq "$half" |
		awk '{ print int(($1 - 1) / 1000) + 1 "/" $1 }' | xargs touch)
	ended "create $half in directories of 1000"
	umount "$MNT"
	before=$EPOCHREALTIME
	mount_dax "$FS" "$DEV"
	ended "mount"
	mounted=$(used)
	memory "memory of the mount" $((mounted - empty))
	before=$EPOCHREALTIME
	[ "$(find "$MNT/one" -type f | wc -l)" = "$half" ]
	ended "list one directory"
	before=$EPOCHREALTIME
	: <"$MNT/one/file$half"
	ended "look up one name of it"
	exec 3<"$MNT/one"
	memory "and of its index" $(($(used) - mounted))
	exec 3<&-
	before=$EPOCHREALTIME
	[ "$(find "$MNT/many" -type f -links 1 | wc -l)" = "$half" ]
	ended "stat all in directories of 1000"
	rm -rf "$MNT/one"
	ended "remove one directory"
	dirs=$(df --output=iused "$MNT" | tail -n 1)
	umount "$MNT"
	fs_clean "$FS" "$DEV"
	ended "fsck of the rest, $dirs inodes"
}

for fs; do
	use_fs "$fs"
	one
done
