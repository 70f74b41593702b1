// SPDX-License-Identifier: GPL-2.0
/* Reading directories that change meanwhile, and large ones. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>

#include "fs_test.h"

#define STABLE	400

struct dirent64_raw {
	u64 ino;
	long long off;
	unsigned short reclen;
	unsigned char type;
	char name[];
};

static int getdents(int fd, void *buf, size_t len)
{
	return syscall(SYS_getdents64, fd, buf, len);
}

static void name_of(char *out, char kind, int i)
{
	/* Of all lengths, so that entries do not lie in a regular grid. */
	sprintf(out, "%c%06d%.*s", kind, i, i * 7 % 40,
		"----------------------------------------");
}

static void make(char kind, int i)
{
	char name[64];

	name_of(name, kind, i);
	if (mknod(name, S_IFREG | 0600, 0))
		fail("create %s: %m", name);
}

static void drop(char kind, int i)
{
	char name[64];

	name_of(name, kind, i);
	if (unlink(name))
		fail("unlink %s: %m", name);
}

/*
 * Everything there from the first call to the last is seen exactly once, what
 * comes or goes at most once.
 */
static void cmd_churn(char **argv)
{
	unsigned char seen[STABLE] = {};
	int i, n, round, churned = 0, fd, calls = 0;
	char buf[512];

	enter(argv[0]);
	for (i = 0; i < STABLE; i++) {
		make('s', i);
		if (i % 4 == 0)
			make('c', churned++);
	}
	fd = open(".", O_RDONLY | O_DIRECTORY);
	must(fd >= 0);
	for (round = 0; round < 2; round++) {
		int gone = 0;

		memset(seen, 0, sizeof(seen));
		must(lseek(fd, 0, SEEK_SET) == 0);
		while ((n = getdents(fd, buf, sizeof(buf))) > 0) {
			int at = 0;

			calls++;
			while (at < n) {
				struct dirent64_raw *d = (void *)(buf + at);

				at += d->reclen;
				if (d->name[0] != 's')
					continue;
				i = atoi(d->name + 1);
				if (seen[i]++)
					fail("%s came twice", d->name);
			}
			for (i = 0; i < 3; i++)
				make('c', churned++);
			while (gone < churned && gone < calls * 2)
				drop('c', gone++);
		}
		must(!n);
		for (i = 0; i < STABLE; i++)
			if (!seen[i])
				fail("entry s%06d did not come", i);
		for (; gone < churned; gone++)
			drop('c', gone);
		churned = 0;
		calls = 0;
	}
}

/* A cookie leads to the entry it led to, whatever has changed around it. */
static void cmd_seek(char **argv)
{
	static struct { long long off; u64 ino; } pos[2 * STABLE + 2];
	int i, n, count = 0, fd, lost = 0;
	char buf[32768];

	enter(argv[0]);
	for (i = 0; i < STABLE; i++)
		make('s', i);
	fd = open(".", O_RDONLY | O_DIRECTORY);
	must(fd >= 0);
	while ((n = getdents(fd, buf, sizeof(buf))) > 0) {
		int at = 0;

		while (at < n) {
			struct dirent64_raw *d = (void *)(buf + at);

			at += d->reclen;
			pos[count].ino = d->ino;
			if (d->off <= 0)
				fail("%s: cookie %lld", d->name, d->off);
			pos[count++].off = d->off;
		}
	}
	must_eq(count, STABLE + 2);
	/* Every third goes; others come. */
	for (i = 0; i < STABLE; i += 3)
		drop('s', i);
	for (i = 0; i < STABLE / 2; i++)
		make('n', i);
	for (i = 0; i + 1 < count; i += 7) {
		struct dirent64_raw *d = (void *)buf;
		int j;

		must(lseek(fd, pos[i].off, SEEK_SET) == pos[i].off);
		n = getdents(fd, buf, sizeof(buf));
		if (n <= 0)
			continue;
		/* The first old entry after the cookie comes after it here. */
		while (n > 0 && d->name[0] != 's') {
			n -= d->reclen;
			d = (void *)((char *)d + d->reclen);
		}
		if (n <= 0)
			continue;
		for (j = 0; j < count && pos[j].ino != d->ino; j++)
			;
		if (j <= i)
			fail("behind cookie %d comes entry %d", i, j);
		for (j--; j > i; j--)
			lost++;
	}
	note("%d entries between cookies had gone", lost);
	must_fail(lseek(fd, -1, SEEK_SET), EINVAL);
}

static unsigned char type_of(mode_t mode)
{
	return (mode & S_IFMT) >> 12;
}

static void cmd_types(char **argv)
{
	struct dirent *d;
	int count = 0;
	DIR *dir;

	enter(argv[0]);
	touch("reg");
	must(!mkdir("dir", 0755));
	must(!symlink("reg", "link"));
	must(!mknod("fifo", S_IFIFO | 0600, 0));
	must(!mknod("chr", S_IFCHR | 0600, 0x103));
	must(!mknod("blk", S_IFBLK | 0600, 0x103));
	must(!mknod("sock", S_IFSOCK | 0600, 0));
	dir = opendir(".");
	must(dir);
	while ((d = readdir(dir))) {
		struct stat st = lstat_of(d->d_name);

		count++;
		must_eq(d->d_type, type_of(st.st_mode));
		must_eq(d->d_ino, st.st_ino);
	}
	must_eq(count, 9);
	rewinddir(dir);
	must(readdir(dir) && readdir(dir));

	/* One that is removed has nothing to read. */
	must(!closedir(dir));
	dir = opendir("dir");
	must(dir && !rmdir("dir"));
	errno = 0;
	must(!readdir(dir));
	must(!errno || errno == ENOENT);
}

static int count_entries(void)
{
	DIR *dir = opendir(".");
	struct dirent *d;
	int n = 0;

	must(dir);
	while ((d = readdir(dir)))
		if (d->d_name[0] == 'l')
			n++;
	must(!closedir(dir));
	return n;
}

static void cmd_large(char **argv)
{
	int n = atoi(argv[1]), i;
	struct stat st;
	char name[64];

	enter(argv[0]);
	for (i = 0; i < n; i++)
		make('l', i);
	must_eq(count_entries(), n);
	for (i = 0; i < n; i += 1 + n / 2000) {
		name_of(name, 'l', i);
		must(!lstat(name, &st));
		name_of(name, 'm', i);
		must_fail(lstat(name, &st), ENOENT);
	}
	for (i = 0; i < n; i += 2)
		drop('l', i);
	must_eq(count_entries(), n / 2);
	for (i = 0; i < n; i += 2 + n / 1000 * 2)
		make('l', i);
	for (i = 0; i < n; i += 2 + n / 1000 * 2)
		drop('l', i);
	for (i = 1; i < n; i += 2)
		drop('l', i);
	must_eq(count_entries(), 0);
	must(!chdir(".."));
	must(!rmdir(argv[0]));
}

static const struct cmd cmds[] = {
	{ "churn", 1, cmd_churn },
	{ "seek", 1, cmd_seek },
	{ "types", 1, cmd_types },
	{ "large", 2, cmd_large },
	{ }
};

int main(int argc, char **argv)
{
	return run_cmd(cmds, argc, argv);
}
