// SPDX-License-Identifier: GPL-2.0
/*
 * Inodes are made and freed in one thread while others look up stale handles of
 * the same numbers, as an NFS server does for a client that missed something.
 * Every lookup is ESTALE, and every other call works.
 *
 * fs_handle_race TEST DIR SECONDS
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>

#include "fs_test.h"

#ifndef RENAME_WHITEOUT
#define RENAME_WHITEOUT	4
#endif

#define HANDLES	48
#define LOOKERS	2
#define OPEN	4

struct handle {
	struct file_handle h;
	unsigned char bytes[MAX_HANDLE_SZ];
};

static struct handle stale[HANDLES];
static int mnt;
static atomic_bool stop;
static atomic_ulong lookups;
/* What the first lookup that went wrong said: an errno, or -1 if it worked. */
static atomic_int wrong;

static struct handle handle_of(int dir, const char *path, int flags)
{
	struct handle h = { .h.handle_bytes = MAX_HANDLE_SZ };
	int mount_id;

	if (name_to_handle_at(dir, path, &h.h, &mount_id, flags))
		fail("handle of %s: %m", path);
	return h;
}

static void *look(void *arg)
{
	unsigned long i = (unsigned long)arg * 7;
	int none = 0;

	for (; !stop; i++) {
		struct handle h = stale[i % HANDLES];
		int fd = open_by_handle_at(mnt, &h.h, O_RDONLY | O_NONBLOCK);

		if (fd >= 0) {
			close(fd);
			atomic_compare_exchange_strong(&wrong, &none, -1);
		} else if (errno != ESTALE) {
			atomic_compare_exchange_strong(&wrong, &none, errno);
		}
		none = 0;
		lookups++;
	}
	return NULL;
}

/* Handles of numbers that the next inodes get, too. */
static void make_stale(void (*make)(const char *path))
{
	char path[16];
	int i;

	for (i = 0; i < HANDLES; i++) {
		sprintf(path, "s%d", i);
		make(path);
		stale[i] = handle_of(AT_FDCWD, path, 0);
	}
	for (i = 0; i < HANDLES; i++) {
		sprintf(path, "s%d", i);
		must(!remove(path));
	}
}

static void make_file(const char *path)
{
	int fd = new_at(path, 0644);

	must(write(fd, path, strlen(path)) == (ssize_t)strlen(path));
	must(!close(fd));
}

static void make_dir(const char *path)
{
	must(!mkdir(path, 0755));
}

/* Longer than what fits into an inode. */
static void make_link(const char *path)
{
	char target[1000], found[1001];

	memset(target, 't', sizeof(target));
	memcpy(target, path, strlen(path));
	target[sizeof(target) - 1] = '\0';
	must(!symlink(target, path));
	must_eq(readlink(path, found, sizeof(found)), sizeof(target) - 1);
	must(!memcmp(found, target, sizeof(target) - 1));
}

static void make_whiteout(const char *path)
{
	char moved[32];
	struct stat st;

	sprintf(moved, "%s.moved", path);
	touch(path);
	must(!syscall(SYS_renameat2, AT_FDCWD, path, AT_FDCWD, moved,
		      RENAME_WHITEOUT));
	st = lstat_of(path);
	must(S_ISCHR(st.st_mode) && !st.st_rdev);
	must(!unlink(moved));
}

static void make_and_remove(void (*make)(const char *path))
{
	char path[16];
	int i;

	for (i = 0; i < 16; i++) {
		sprintf(path, "n%d", i);
		make(path);
	}
	for (i = 0; i < 16; i++) {
		sprintf(path, "n%d", i);
		must(!remove(path));
	}
}

/* Files without a name, which some get; each has what was written to it. */
static void use_tmpfiles(void)
{
	static int fds[OPEN] = { -1, -1, -1, -1 };
	static unsigned int count;
	char mine[2048], found[sizeof(mine)], path[32], name[16];
	int i = count % OPEN, fd;
	struct stat st, other;

	if (fds[i] >= 0) {
		memset(mine, 'a' + (count - OPEN) % 26, sizeof(mine));
		must(pread(fds[i], found, sizeof(found), 0) == sizeof(found));
		if (memcmp(mine, found, sizeof(mine)))
			fail("file %u has '%c', want '%c'", count - OPEN,
			     found[0], mine[0]);
		must(!close(fds[i]));
	}
	fd = open(".", O_TMPFILE | O_RDWR, 0600);
	if (fd < 0)
		fail("tmpfile %u: %m", count);
	fds[i] = fd;
	must(!fstat(fd, &st));
	for (i = 0; i < OPEN; i++) {
		if (fds[i] < 0 || fds[i] == fd)
			continue;
		must(!fstat(fds[i], &other));
		if (st.st_ino == other.st_ino)
			fail("two open files are inode %llu",
			     (u64)st.st_ino);
	}
	memset(mine, 'a' + count % 26, sizeof(mine));
	must(write(fd, mine, sizeof(mine)) == sizeof(mine));
	if (count % 3 == 0) {
		sprintf(path, "/proc/self/fd/%d", fd);
		sprintf(name, "l%u", count % 64);
		if (unlink(name))
			must(errno == ENOENT);
		must(!linkat(AT_FDCWD, path, AT_FDCWD, name,
			     AT_SYMLINK_FOLLOW));
	}
	count++;
}

static void forget_inodes(void)
{
	int fd = open("/proc/sys/vm/drop_caches", O_WRONLY);

	must(fd >= 0);
	must(write(fd, "2", 1) == 1);
	must(!close(fd));
}

static void race(char **argv, void (*make)(const char *path))
{
	long long end = now_ms() + atol(argv[1]) * 1000;
	pthread_t lookers[LOOKERS];
	unsigned long turns = 0, i;
	char path[16];

	enter(argv[0]);
	mnt = open(".", O_RDONLY | O_DIRECTORY);
	must(mnt >= 0);
	make_stale(make ?: make_file);
	for (i = 0; i < LOOKERS; i++)
		must(!pthread_create(&lookers[i], NULL, look, (void *)i));
	/* On a busy machine, too, some of both. */
	for (; !wrong && (now_ms() < end || lookups < 100); turns++) {
		if (make)
			make_and_remove(make);
		else
			use_tmpfiles();
	}
	for (i = 0; !make && i < 64; i++) {
		sprintf(path, "l%lu", i);
		must(!unlink(path) || errno == ENOENT);
	}
	/* The names that are there stay. */
	for (i = 0; i < 32; i++) {
		sprintf(path, "k%lu", i);
		touch(path);
	}
	stop = true;
	for (i = 0; i < LOOKERS; i++)
		must(!pthread_join(lookers[i], NULL));
	forget_inodes();
	for (i = 0; i < 32; i++) {
		sprintf(path, "k%lu", i);
		must_eq(lstat_of(path).st_nlink, 1);
	}
	note("%lu turns, %lu lookups", turns, (unsigned long)lookups);
	if (wrong > 0)
		fail("a stale handle: %s, want ESTALE", strerrorname_np(wrong));
	if (wrong)
		fail("a stale handle was opened");
}

static void cmd_create(char **argv)
{
	race(argv, make_file);
}

static void cmd_mkdir(char **argv)
{
	race(argv, make_dir);
}

static void cmd_symlink(char **argv)
{
	race(argv, make_link);
}

static void cmd_whiteout(char **argv)
{
	race(argv, make_whiteout);
}

static void cmd_tmpfile(char **argv)
{
	race(argv, NULL);
}

static const struct cmd cmds[] = {
	{ "create", 2, cmd_create },
	{ "mkdir", 2, cmd_mkdir },
	{ "symlink", 2, cmd_symlink },
	{ "whiteout", 2, cmd_whiteout },
	{ "tmpfile", 2, cmd_tmpfile },
	{ }
};

int main(int argc, char **argv)
{
	return run_cmd(cmds, argc, argv);
}
