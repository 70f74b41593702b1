#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Names: see fs_names.c, fs_rename.c, fs_readdir.c.
#   RDAX_LARGE  entries of the large directory
. "$(dirname "$0")/fs.sh"

use_fs "${1:-rdaxfs}"

listing()
{
	(cd "$MNT" && find . ! -name .dax -printf '%p %i %M %n %U %G %s %l %T@ %C@\n' | sort)
}

# Nothing that the tests left behind changes by a remount.
persistent()
{
	listing >"$TMP/before"
	[ "$(wc -l <"$TMP/before")" -gt 1000 ]
	remount_fs
	listing >"$TMP/after"
	cmp "$TMP/before" "$TMP/after" || {
		diff "$TMP/before" "$TMP/after" | head -n 20
		false
	}
}

for x in create unlink mkdir link symlink mknod tmpfile long-names; do
	p fs_names "$x"
done
for x in file dir noreplace exchange whiteout lengths; do
	p fs_rename "$x"
done
for x in churn seek types; do
	p fs_readdir "$x"
done
p fs_readdir large "${RDAX_LARGE:-10000}"
t "all of it after a remount" persistent
run_fs_tests
