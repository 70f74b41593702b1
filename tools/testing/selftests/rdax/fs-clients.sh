#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Programs that people use on file systems.
#   RDAX_STRESS_SECONDS  for each class of stress-ng's tests
. "$(dirname "$0")/fs.sh"

use_fs "${1:-rdaxfs}"
STRESS_SECONDS=${RDAX_STRESS_SECONDS:-10}

need()
{
	command -v "$1" >/dev/null || skip "no $1"
}

git_repository()
{
	need git
	export HOME=$TMP GIT_AUTHOR_NAME=t GIT_AUTHOR_EMAIL=t@example.org
	export GIT_COMMITTER_NAME=t GIT_COMMITTER_EMAIL=t@example.org
	mkdir "$MNT/git"
	cd "$MNT/git"
	git init -q -b main one
	cp -r "$HERE"/* one
	cd one
	git add .
	git commit -qm first
	rm ./*.c
	git add -A
	git commit -qm second
	git checkout -q HEAD~1 -- .
	git commit -qam third
	git clone -q --no-local . ../two
	git -C ../two fsck --full --strict
	git -C ../two gc -q
	git -C ../two fsck --full --strict
	eq "$(git -C ../two rev-parse "HEAD^{tree}")" \
		"$(git rev-parse "HEAD~2^{tree}")"
	remount_fs_from_here
	git -C "$MNT/git/one" fsck --full --strict
	git -C "$MNT/git/two" status --porcelain | cmp - /dev/null
	rm -rf "$MNT/git"
}

remount_fs_from_here()
{
	cd /
	remount_fs
}

database()
{
	mkdir "$MNT/$1"
	"$HERE/fs_clients.py" "$1" fill "$MNT/$1"
	remount_fs
	"$HERE/fs_clients.py" "$1" check "$MNT/$1"
	rm -r "${MNT:?}/$1"
}

lmdb_database()
{
	/usr/bin/python3 -c 'import lmdb' 2>/dev/null || skip "no python3-lmdb"
	database lmdb
}

# fio_verify ENGINE [OPTIONS]
fio_verify()
{
	local engine=$1

	shift
	fio --enghelp | grep -qw "$engine" || skip "fio has no $engine"
	fio --name=verify --filename="$MNT/fio" --ioengine="$engine" \
		--size=4M --rw=randwrite --verify=crc32c --verify_fatal=1 \
		--verify_state_save=0 --randseed=7 --thread \
		--output-format=terse --output="$TMP/fio" "$@"
	rm "$MNT/fio"
}

# The kernel's headers, as they are installed.
headers()
{
	local from=/usr/include/linux n

	n=$(find "$from" -type f | wc -l)
	[ "$n" -gt 100 ] || skip "no kernel headers"
	tar -C "$from" -c . | tar -C "$MNT" -x --one-top-level=headers
	remount_fs
	eq "$(find "$MNT/headers" -type f | wc -l)" "$n"
	diff -r "$from" "$MNT/headers"
	tar -C "$MNT" -cf "$MNT/headers.tar" headers
	tar -C "$MNT" --compare -f "$MNT/headers.tar"
	rm -r "$MNT/headers" "$MNT/headers.tar"
}

# stress NAMES...: one of each at a time, which check what they do.
stress()
{
	local name
	local -a args=()

	need stress-ng
	mkdir -p "$MNT/stress"
	chmod 1777 "$MNT/stress"
	for name; do
		args+=("--$name" 1)
	done
	stress-ng --temp-path "$MNT/stress" --timeout "$STRESS_SECONDS" \
		--verify --oomable --no-rand-seed \
		"${args[@]}" --hdd-bytes 8m --iomix-bytes 8m \
		--fallocate-bytes 8m --seek-size 4m --readahead-bytes 8m \
		--sync-file-bytes 8m --mmap-bytes 8m \
		--mremap-bytes 8m --mmap-file
	remount_fs
	rm -r "$MNT/stress"
}

t "git: commit, clone, gc, fsck" git_repository
t "sqlite with mmap" database sqlite
t "lmdb with writemap" lmdb_database
t "fio: mmap" fio_verify mmap --bsrange=512-32k --fallocate=posix
t "fio: mmap, sparse" fio_verify mmap --bsrange=512-32k --fallocate=none
t "fio: psync" fio_verify psync --bsrange=512-32k
t "fio: psync, direct" fio_verify psync --bs=4k --direct=1
t "fio: libpmem" fio_verify libpmem --bs=4k --direct=1 --iodepth=1
t "tar of the kernel's headers" headers
t "file system is clean" check_fs
t "stress-ng: names" stress access chdir chmod chown dentry dir dirdeep \
	filename flock getdent link mknod open rename symlink utime xattr
t "stress-ng: data" stress fallocate fiemap fpunch fstat hdd iomix \
	lockf seek sendfile sync-file
t "stress-ng: mmap" stress mmap mmapaddr mmapfixed mremap msync
run_fs_tests
