// SPDX-License-Identifier: GPL-2.0
/* rename(2) and renameat2(2) in all their forms. */
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/sysmacros.h>

#include "fs_test.h"

static int rename2(const char *from, const char *to, unsigned int flags)
{
	return renameat2(AT_FDCWD, from, AT_FDCWD, to, flags);
}

static ino_t ino(const char *path)
{
	return lstat_of(path).st_ino;
}

/* POSIX leaves the choice: XFS says EEXIST, ext4 ENOTEMPTY. */
static void refuse_full(const char *from, const char *to)
{
	must(rename(from, to) == -1);
	must(errno == EEXIST || errno == ENOTEMPTY);
}

static void cmd_file(char **argv)
{
	struct stat st;
	ino_t a, b;
	int fd;

	enter(argv[0]);
	touch("a");
	must(!mkdir("d", 0755));
	a = ino("a");
	must(!rename("a", "b"));
	want_gone("a");
	must_eq(ino("b"), a);
	must(!rename("b", "d/c"));
	want_gone("b");
	must_eq(ino("d/c"), a);
	must(!rename("d/c", "d/c"));
	must_eq(ino("d/c"), a);
	must(!rename("d/c", "a"));
	must_fail(rename("none", "x"), ENOENT);
	must_fail(rename("a", "none/x"), ENOENT);
	must_fail(rename("a", "a/x"), ENOTDIR);
	must_fail(rename("a", "d"), EISDIR);
	must_fail(rename("a", "."), EBUSY);

	/* Over another file, which goes when its last user closes it. */
	fd = new_at("b", 0600);
	must(write(fd, "old", 3) == 3);
	b = ino("b");
	must(!link("b", "b2"));
	must(!rename("a", "b"));
	must_eq(ino("b"), a);
	must_eq(ino("b2"), b);
	want_nlink("b2", 1);
	must(!rename("b", "b2"));
	must(!fstat(fd, &st));
	must_eq(st.st_nlink, 0);
	must_eq(st.st_size, 3);
	want_nlink("b2", 1);

	/* Two names of one inode: nothing happens. */
	must(!link("b2", "b3"));
	must(!rename("b2", "b3"));
	want_nlink("b2", 2);
	want_nlink("b3", 2);
}

static void cmd_dir(char **argv)
{
	ino_t d;

	enter(argv[0]);
	must(!mkdir("p", 0755));
	must(!mkdir("q", 0755));
	must(!mkdir("p/d", 0755));
	must(!mkdir("p/d/e", 0755));
	touch("f");
	d = ino("p/d");
	must_fail(rename("p", "p/d/x"), EINVAL);
	must_fail(rename("p/d", "p/d/e/x"), EINVAL);
	must_fail(rename("p/d/e", "p"), ENOTEMPTY);
	must_fail(rename("p/d", "f"), ENOTDIR);

	must(!rename("p/d", "q/d"));
	want_nlink("p", 2);
	want_nlink("q", 3);
	must_eq(ino("q/d"), d);
	must_eq(ino("q/d/.."), ino("q"));
	must_eq(ino("q/d/e/.."), d);

	/* Over an empty directory, but not over a full one. */
	must(!mkdir("p/x", 0755));
	must(!mkdir("p/full", 0755));
	touch("p/full/f");
	want_nlink("p", 4);
	refuse_full("q/d", "p/full");
	must(!rename("q/d", "p/x"));
	must_eq(ino("p/x"), d);
	must_eq(ino("p/x/.."), ino("p"));
	want_nlink("p", 4);
	want_nlink("q", 2);
	want_nlink("p/x", 3);
	must(!rename("q", "p/x/e"));
	want_nlink("p/x", 3);
	want_nlink(".", 3);
	want_gone("q");
}

static void cmd_noreplace(char **argv)
{
	enter(argv[0]);
	touch("a");
	touch("b");
	must(!mkdir("d", 0755));
	must_fail(rename2("a", "b", RENAME_NOREPLACE), EEXIST);
	must_fail(rename2("a", "d", RENAME_NOREPLACE), EEXIST);
	must_fail(rename2("d", "a", RENAME_NOREPLACE), EEXIST);
	must_fail(rename2("a", "a", RENAME_NOREPLACE), EEXIST);
	must(!rename2("a", "c", RENAME_NOREPLACE));
	want_gone("a");
	must(!rename2("d", "e", RENAME_NOREPLACE));
	must_fail(rename2("b", "c", RENAME_NOREPLACE | RENAME_EXCHANGE),
		  EINVAL);
	must_fail(rename2("b", "c", 1U << 30), EINVAL);
}

static void swap(const char *a, const char *b)
{
	ino_t x = ino(a), y = ino(b);

	if (rename2(a, b, RENAME_EXCHANGE))
		fail("exchange %s and %s: %m", a, b);
	must_eq(ino(a), y);
	must_eq(ino(b), x);
}

static void cmd_exchange(char **argv)
{
	enter(argv[0]);
	touch("a");
	touch("b");
	must(!mkdir("p", 0755));
	must(!mkdir("q", 0755));
	must(!mkdir("p/d", 0755));
	touch("p/d/inside");
	touch("q/f");
	swap("a", "b");
	swap("a", "a");
	swap("a", "q/f");
	swap("p/d", "q/f");
	want_nlink("p", 2);
	want_nlink("q", 3);
	must_eq(ino("q/f/.."), ino("q"));
	must(!access("q/f/inside", F_OK));
	swap("q/f", "p/d");
	want_nlink("p", 3);
	want_nlink("q", 2);
	swap("p/d", "q");
	must_eq(ino("p/d/.."), ino("p"));
	must_eq(ino("q/.."), ino("."));
	want_nlink(".", 4);
	want_nlink("p", 3);
	must(!symlink("x", "s"));
	swap("s", "p/d");
	want_nlink("p", 2);
	want_nlink(".", 5);
	must_fail(rename2("a", "none", RENAME_EXCHANGE), ENOENT);
	must_fail(rename2("none", "a", RENAME_EXCHANGE), ENOENT);
	must(!mkdir("p/sub", 0755));
	must_fail(rename2("p", "p/sub", RENAME_EXCHANGE), EINVAL);
	must_fail(rename2("p/sub", "p", RENAME_EXCHANGE), EINVAL);
	must_fail(rename2("a", "b", RENAME_EXCHANGE | RENAME_WHITEOUT),
		  EINVAL);
}

static void want_whiteout(const char *path)
{
	struct stat st = lstat_of(path);

	must_eq(st.st_mode & S_IFMT, S_IFCHR);
	must_eq(st.st_rdev, makedev(0, 0));
	must_eq(st.st_nlink, 1);
}

static void cmd_whiteout(char **argv)
{
	ino_t a;

	enter(argv[0]);
	touch("a");
	touch("b");
	must(!mkdir("p", 0755));
	must(!mkdir("p/d", 0755));
	a = ino("a");
	must(!rename2("a", "c", RENAME_WHITEOUT));
	want_whiteout("a");
	must_eq(ino("c"), a);
	must(!rename2("c", "b", RENAME_WHITEOUT));
	want_whiteout("c");
	must_eq(ino("b"), a);
	must_fail(rename2("b", "c", RENAME_WHITEOUT | RENAME_NOREPLACE),
		  EEXIST);
	must(!rename2("b", "n", RENAME_WHITEOUT | RENAME_NOREPLACE));
	want_whiteout("b");
	must(!rename2("p/d", "e", RENAME_WHITEOUT));
	want_whiteout("p/d");
	want_nlink("p", 2);
	want_nlink(".", 4);
	must(!unlink("p/d"));
	must(!rmdir("p"));
}

/* Within one directory, with names of all lengths: entries move or not. */
static void cmd_lengths(char **argv)
{
	char from[256], to[256];
	ino_t f;
	int i;

	enter(argv[0]);
	touch("x");
	f = ino("x");
	strcpy(from, "x");
	for (i = 0; i < 200; i++) {
		int len = 1 + (i * 97) % 255;

		memset(to, 'a' + i % 26, len);
		to[len] = '\0';
		if (!strcmp(from, to))
			continue;
		must(!rename(from, to));
		want_gone(from);
		must_eq(ino(to), f);
		strcpy(from, to);
	}
	want_nlink(from, 1);
}

static const struct cmd cmds[] = {
	{ "file", 1, cmd_file },
	{ "dir", 1, cmd_dir },
	{ "noreplace", 1, cmd_noreplace },
	{ "exchange", 1, cmd_exchange },
	{ "whiteout", 1, cmd_whiteout },
	{ "lengths", 1, cmd_lengths },
	{ }
};

int main(int argc, char **argv)
{
	return run_cmd(cmds, argc, argv);
}
