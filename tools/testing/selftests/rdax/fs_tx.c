// SPDX-License-Identifier: GPL-2.0
/* One system call, one transaction: counts those of a mount while calls run. */
#include <grp.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/uio.h>
#include <sys/xattr.h>

#include "fs_test.h"

#define ALICE	1234

static int stats = -1;

static void open_stats(const char *path)
{
	stats = open(path, O_RDONLY | O_CLOEXEC);
	if (stats < 0)
		fail("%s: %m", path);
}

static long long count_transactions(void)
{
	static const char name[] = "transactions ";
	char text[4096], *at;
	ssize_t len = pread(stats, text, sizeof(text) - 1, 0);

	must(len > 0);
	text[len] = 0;
	at = strstr(text, name);
	must(at);
	return strtoll(at + strlen(name), NULL, 10);
}

/*
 * @op works and takes @min to @max transactions; the times that it sets differ
 * from those before.
 */
#define between(min, max, op)						\
	do {								\
		long long before_, took_;				\
									\
		next_tick();						\
		before_ = count_transactions();				\
		if (!(op))						\
			fail("%s: %m", #op);				\
		took_ = count_transactions() - before_;			\
		if (took_ < (min) || took_ > (max))			\
			fail("%s: %lld transactions, want %d to %d",	\
			     #op, took_, min, max);			\
	} while (0)

#define takes(count, op)	between(count, count, op)

static struct { __u32 version; struct { __u16 tag, perm; __u32 id; } e[5]; } acl = {
	2, { { 1, 6, -1 }, { 2, 6, ALICE }, { 4, 4, -1 }, { 16, 6, -1 }, { 32, 4, -1 } },
};

static char data[64 << 10];
static int fd;

/* What another user than the owner does: set-user-ID and set-group-ID go with it. */
static void strange_write(void)
{
	takes(1, pwrite(fd, data, 100, 0) == 100);
}

static void strange_append(void)
{
	takes(1, pwrite(fd, data, 5000, 100) == 5000);
}

static void strange_truncate(void)
{
	takes(1, !ftruncate(fd, 4000));
}

static void strange_open(void)
{
	int other;

	takes(1, (other = open("f", O_RDWR | O_TRUNC | O_CLOEXEC)) >= 0);
	must(!close(other));
}

static void strange_fallocate(void)
{
	takes(1, !fallocate(fd, 0, 0, 20000));
}

static void strange_punch(void)
{
	takes(1, !fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 10, 10000));
}

static void drops(void (*op)(void))
{
	must(!chmod("f", 06777));
	as_user(ALICE, ALICE, op);
	must_eq(lstat_of("f").st_mode & 07777, 0777);
}

static void cmd_attributes(char **argv)
{
	struct timespec times[2] = { { 1, 2 }, { 3, 4 } };
	int flags;

	open_stats(argv[1]);
	enter(argv[0]);
	fd = new_at("f", 0644);
	takes(1, !chmod("f", 0640));
	takes(1, !chown("f", ALICE, ALICE));
	takes(1, !utimensat(AT_FDCWD, "f", times, 0));
	takes(1, !setxattr("f", "user.x", "y", 1, 0));
	takes(1, !removexattr("f", "user.x"));
	must(!ioctl(fd, FS_IOC_GETFLAGS, &flags));
	flags |= FS_NODUMP_FL;
	takes(1, !ioctl(fd, FS_IOC_SETFLAGS, &flags));
	takes(1, !setxattr("f", "system.posix_acl_access", &acl, sizeof(acl), 0));
	takes(1, !chmod("f", 0600));
	/* The list has followed. */
	must_eq(getxattr("f", "system.posix_acl_access", &acl, sizeof(acl)), sizeof(acl));
	must_eq(acl.e[3].perm, 0);
	takes(1, !chmod("f", 04600));
	takes(1, !chown("f", 0, 0));
	must_eq(lstat_of("f").st_mode & 07777, 0600);
	takes(1, !removexattr("f", "system.posix_acl_access"));
}

static void cmd_data(char **argv)
{
	struct iovec two[2] = { { data, 3000 }, { data, 3000 } };

	open_stats(argv[1]);
	enter(argv[0]);
	fd = new_at("f", 0644);
	takes(1, write(fd, data, 100) == 100);
	takes(1, pwrite(fd, data, 5000, 100) == 5000);
	takes(1, pwritev(fd, two, 2, 5100) == 6000);
	takes(1, pwrite(fd, data, 1, 7) == 1);
	takes(1, pwrite(fd, data, 8000, 1000) == 8000);
	takes(1, !ftruncate(fd, 5001));
	takes(1, !ftruncate(fd, 50000));
	takes(1, pwrite(fd, data, 4096, 20480) == 4096);
	takes(1, !fallocate(fd, 0, 10, 60000));
	takes(1, !fallocate(fd, FALLOC_FL_KEEP_SIZE, 70000, 10000));
	takes(1, !fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 3000, 9000));
	takes(1, !fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 100, 10));
	takes(1, !fallocate(fd, FALLOC_FL_ZERO_RANGE, 1000, 20000));
	takes(1, !fallocate(fd, FALLOC_FL_COLLAPSE_RANGE, 4096, 8192));
	takes(1, !fallocate(fd, FALLOC_FL_INSERT_RANGE, 4096, 8192));
	takes(0, !fsync(fd));
}

static void cmd_privileges(char **argv)
{
	must(!setgroups(0, NULL));
	open_stats(argv[1]);
	enter(argv[0]);
	must(!chmod(".", 0777));
	fd = new_at("f", 0777);
	must_eq(pwrite(fd, data, 100, 0), 100);
	drops(strange_write);
	drops(strange_append);
	drops(strange_truncate);
	drops(strange_fallocate);
	drops(strange_punch);
	drops(strange_open);
}

static void cmd_names(char **argv)
{
	open_stats(argv[1]);
	enter(argv[0]);
	touch("f");
	touch("h");
	/* A block of inodes may have to be made, in a transaction of its own. */
	between(1, 2, (fd = new_at("g", 0644)) >= 0);
	between(1, 2, !mkdir("d", 0755));
	between(1, 2, !symlink("f", "s"));
	takes(1, !link("f", "l"));
	takes(1, !unlink("l"));
	takes(1, !rename("f", "d/f"));
	takes(1, !rename("d/f", "f"));
	/* The file is open: it is freed when it is closed. */
	takes(1, !rename("f", "g"));
	takes(1, !close(fd));
	takes(1, !renameat2(AT_FDCWD, "g", AT_FDCWD, "h", RENAME_EXCHANGE));
	takes(2, !unlink("h"));
	between(2, 3, !rmdir("d"));
	must(!setxattr(".", "system.posix_acl_default", &acl, sizeof(acl), 0));
	between(1, 2, (fd = new_at("with a list", 0666)) >= 0);
	must_eq(getxattr("with a list", "system.posix_acl_access", NULL, 0), sizeof(acl));
	between(1, 2, (fd = open(".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600)) >= 0);
}

static const struct cmd cmds[] = {
	{ "attributes", 2, cmd_attributes },
	{ "data", 2, cmd_data },
	{ "privileges", 2, cmd_privileges },
	{ "names", 2, cmd_names },
	{ }
};

int main(int argc, char **argv)
{
	return run_cmd(cmds, argc, argv);
}
